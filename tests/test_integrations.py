"""`lakebox.integrations`: scripts written for deeplake's own functions, with nothing but their import line changed."""

from __future__ import annotations

import inspect
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import deeplake
import deeplake.integrations.labelbox as upstream
import labelbox
import numpy as np
import pytest
from support.compare import differences
from support.live import ONTOLOGY, Live, cells_of, clip, expected, image_annotations, png, video_annotations
from support.video import numbered, read_number

from lakebox import integrations
from lakebox.adapters.presign import LabelboxKey
from lakebox.errors import ConfigError, DataRowsError, FetchError, LakeError, SourceError, UploadError
from lakebox.integrations.presigning import UrlPresigner

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

GUIDE = Path(__file__).parent / "data" / "upstream_guide.md"
MASK = {"raster-segmentation": "mask"}


@pytest.fixture
def script(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A place for scripts: they hold the key themselves."""
    monkeypatch.delenv("LABELBOX_API_KEY")
    monkeypatch.setenv("LABELBOX_ENDPOINT", live.fake.endpoint)
    monkeypatch.setenv("LABELBOX_REST_ENDPOINT", live.fake.rest_endpoint)
    return live


@pytest.fixture
def videos(script: Live) -> list[str]:
    """A project of two labelled videos, behind a SAS. Ids of the data rows."""
    return label_videos(script, lambda number, data: script.fake.put(f"/sas/media/clip {number}.mp4", data))


@pytest.fixture
def images(script: Live) -> list[str]:
    """A project of three labelled images at Labelbox's storage. Ids of the data rows."""
    fake = script.fake
    fake.add_project("lanes ü", "IMAGE", ONTOLOGY, project_id=script.project_id)
    ids = []
    for number in range(3):
        url = fake.store(f"/o/still {number}.png", png(numbered(64, 48, video=number, frame=0)))
        ids.append(
            fake.add_data_row(script.project_id, row_data=url, global_key=f"key {number}", external_id=f"s{number}.png")
        )
        fake.label(ids[-1], image_annotations(fake, number))
    return ids


def label_videos(live: Live, put: Callable[[int, bytes], str]) -> list[str]:
    fake = live.fake
    fake.add_project("lanes ü", "VIDEO", ONTOLOGY, project_id=live.project_id)
    ids = []
    for number, frames in enumerate((6, 4)):
        url = put(number, clip(live.folder / "media", number, frames))
        ids.append(
            fake.add_data_row(live.project_id, row_data=url, global_key=f"key {number}", external_id=f"c{number}.mp4")
        )
        fake.label(ids[-1], video_annotations(fake, number, frames))
    return ids


def signed(live: Live) -> Callable[[str], tuple[str, Any]]:
    """A script's presigner, as in upstream's guide."""
    return lambda url: (url.partition("?")[0] + "?" + live.fake.sas_token("media", 600), {})


def wrong(live: Live, dataset: Any, groups: Mapping[str, str] | None = None) -> list[str]:
    return differences(expected(live.fake, live.project_id, groups=groups or {}), cells_of(dataset))


def numbers(dataset: Any, column: str) -> dict[str, tuple[int, int]]:
    keys = dataset["lb_meta/row_key"][:]
    return {str(key): read_number(np.asarray(dataset[column][i])) for i, key in enumerate(keys)}


def frames_of(ids: list[str]) -> dict[str, tuple[int, int]]:
    return {f"{uid}:{frame}": (number, frame) for number, uid in enumerate(ids) for frame in range((6, 4)[number])}


# ----------------------------------------------------------------- upstream's guide


def blocks() -> list[str]:
    """The guide's code, its import changed and nothing else."""
    found = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [block.replace("from deeplake.integrations import", "from lakebox.integrations import") for block in found]


def follow(live: Live, block: str, **filled: str) -> dict[str, Any]:
    """Run a block of the guide with its placeholders filled in."""
    for placeholder, value in filled.items():
        text = {"files": "[] # list", "ontology": "'ontology_id_from_labelbox'", "token": "<your azure token here>"}[
            placeholder
        ]
        assert text in block
        block = block.replace(text, value)
    client = partial(labelbox.Client, endpoint=live.fake.endpoint, rest_endpoint=live.fake.rest_endpoint)
    scope: dict[str, Any] = {
        "labelbox": SimpleNamespace(Client=client),
        "LABELBOX_API_KEY": live.fake.key,
        "get_project_id": lambda: live.project_id,
    }
    exec(compile(block, str(GUIDE), "exec"), scope)
    if "client" in scope:
        scope["client"].connection.close()
        scope["client"]._adv_client.session.close()
    return scope


@pytest.fixture
def in_memory() -> Iterator[str]:
    """The guide's dataset, gone afterwards."""
    path = "mem://labelbox_connect_test"
    yield path
    if deeplake.exists(path):
        deeplake.delete(path)


def only_project(live: Live, ontology_project: str) -> str:
    """The project that a script has just made."""
    (made,) = [uid for uid in live.fake.org.projects if uid != ontology_project]
    return made


def test_the_guide_for_videos(script: Live, in_memory: str) -> None:
    fake = script.fake
    urls = [fake.put(f"/sas/media/clip{n}.mp4", clip(script.folder / "media", n, (6, 4)[n])) for n in range(2)]
    drafts = fake.add_project("drafts", "VIDEO", ONTOLOGY)
    upload, build, _, _ = blocks()
    follow(script, upload, files=f"{urls!r} #", ontology=repr(fake.project(drafts).ontology_id))
    script.project_id = only_project(script, drafts)
    assert fake.project(script.project_id).ontology_id == fake.project(drafts).ontology_id

    rows = {row.row_data: row.id for row in fake.org.data_rows.values()}
    ids = [rows[url] for url in urls]
    for number, uid in enumerate(ids):
        fake.label(uid, video_annotations(fake, number, (6, 4)[number]))
    scope = follow(script, build, token=fake.sas_token("media", 600))

    assert wrong(script, scope["ds"], MASK) == []
    assert numbers(scope["ds"], "frames") == frames_of(ids)
    main = deeplake.open_read_only(in_memory)
    assert len(main) == 10
    assert "mask" not in [column.name for column in main.schema.columns]  # annotations are on the branch only
    assert (script.folder / f"{script.project_id}_mapping.json").is_file()
    assert fake.count(operation="exportDataRowsInProject") == 2  # one of them is the reference's
    assert not fake.requests(method="HEAD")


def test_the_guide_for_images(script: Live, in_memory: str) -> None:
    fake = script.fake
    paths = [script.folder / f"still{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(png(numbered(64, 48, video=number, frame=0)))
    drafts = fake.add_project("drafts", "IMAGE", ONTOLOGY)
    _, _, upload, build = blocks()
    follow(
        script, upload, files=f"{[str(path) for path in paths]!r} #", ontology=repr(fake.project(drafts).ontology_id)
    )
    script.project_id = only_project(script, drafts)

    ids = {row.external_id: row.id for row in fake.org.data_rows.values()}
    for number, path in enumerate(paths):
        fake.label(ids[path.name], image_annotations(fake, number))
    scope = follow(script, build)

    assert wrong(script, scope["ds"], MASK) == []
    assert numbers(scope["ds"], "image") == {f"{ids[path.name]}:0": (n, 0) for n, path in enumerate(paths)}


# ---------------------------------------------------------------------- signatures


@pytest.mark.parametrize("name", [name for name in integrations.__all__ if name != "Converter"])
def test_parameters_are_upstreams(name: str) -> None:
    def shape(function: Any) -> list[tuple[object, ...]]:
        return [(p.name, p.kind, "callable" if callable(p.default) or p.name.endswith("generator") else p.default)
                for p in inspect.signature(function).parameters.values()]  # fmt: skip

    assert shape(getattr(integrations, name)) == shape(getattr(upstream, name))


def test_every_function_of_upstream_is_there() -> None:
    theirs = {name for name, value in vars(upstream).items() if inspect.isfunction(value)}
    assert theirs <= set(integrations.__all__)


# ------------------------------------------------------------------------- datasets


def create(live: Live, path: str | None = None, kind: str = "video", **more: Any) -> tuple[Any, Any]:
    function = getattr(integrations, f"create_dataset_from_{kind}_annotation_project")
    if kind == "video":
        more.setdefault("url_presigner", signed(live))
    return function(path or str(live.folder / "lake"), live.project_id, live.fake.key, **more)


def convert(live: Live, dataset: Any, kind: str = "video", **more: Any) -> Any:
    function = getattr(integrations, f"converter_for_{kind}_project_with_id")
    return function(live.project_id, lambda name: dataset, live.fake.key, **more).dataset_with_applied_annotations()


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_dataset_in_a_folder_its_export_asked_for_each_time(
    kind: str, script: Live, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{kind}s")
    dataset, project_json = create(script, kind=kind)
    assert [row["data_row"]["global_key"] for row in project_json] == [f"key {n}" for n in range(len(project_json))]
    assert "attachments" in project_json[0] and "metadata_fields" in project_json[0]
    assert convert(script, dataset, kind) is dataset
    dataset.commit("mine")
    assert script.wrong() == []  # read anew from the folder
    assert dict(dataset.metadata)["labelbox_meta"]["type"] == kind


def test_a_call_made_again_changes_nothing_and_fetches_nothing(script: Live, videos: list[str]) -> None:
    first, _ = create(script)
    version = convert(script, first).version
    before = script.fake.count(path_contains=".mp4")
    again, project_json = create(script)
    convert(script, again, project_json=project_json)
    assert (again.version, len(again), script.fake.count(path_contains=".mp4")) == (version, 10, before)


def test_changed_labels_arrive_with_the_next_call(script: Live, videos: list[str]) -> None:
    dataset, _ = create(script)
    convert(script, dataset)
    label = next(uid for uid, one in script.fake.org.labels.items() if one.data_row_id == videos[1])
    script.fake.relabel(label, video_annotations(script.fake, 7, 4))
    convert(script, dataset)
    assert script.wrong() == []


def test_the_key_of_the_environment_serves_where_none_is_given(
    script: Live, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELBOX_API_KEY", script.fake.key)
    script.fake.key, key = script.fake.key, None
    dataset, rows = integrations.create_dataset_from_image_annotation_project(
        str(script.folder / "lake"), script.project_id, key
    )
    integrations.converter_for_image_project_with_id(
        script.project_id, lambda _: dataset, key, project_json=rows
    ).dataset_with_applied_annotations()  # type: ignore[union-attr]
    assert script.wrong() == []


def test_overwrite_deletes_a_dataset_whoever_made_it(script: Live, videos: list[str]) -> None:
    lake = script.folder / "lake"
    theirs = deeplake.create(str(lake))
    theirs.add_column("frames", "int32")
    theirs.append({"frames": np.arange(3, dtype=np.int32)})
    theirs.commit("theirs")
    with pytest.raises(LakeError, match="lakebox did not write"):
        create(script)
    dataset, _ = create(script, overwrite=True)
    convert(script, dataset)
    assert script.wrong() == []


@pytest.mark.parametrize("foreign", ["notes.txt", "sub/clip.mp4", "abcdef/ab/short"])
def test_overwrite_touches_no_folder_with_other_files(script: Live, videos: list[str], foreign: str) -> None:
    create(script)
    file = script.folder / "lake" / foreign
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(LakeError, match=re.escape(foreign)):
        create(script, overwrite=True)
    assert file.read_text(encoding="utf-8") == "mine"
    assert len(deeplake.open_read_only(str(script.folder / "lake"))) == 10


def test_overwrite_does_not_delete_in_buckets(script: Live, videos: list[str]) -> None:
    with pytest.raises(LakeError, match="delete the dataset yourself"):
        create(script, "s3://bucket/lake", overwrite=True)


@pytest.fixture
def one_missing(script: Live, videos: list[str]) -> list[str]:
    """As `videos`; the file of the first one is gone."""
    script.fake.faults.set(kind="missing", path_contains="clip 0.mp4")
    return videos


def test_a_video_that_is_missing_is_an_error_in_the_log(
    script: Live, one_missing: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    dataset, _ = create(script)
    (said, *_) = [record for record in caplog.records if record.name == "lakebox.integrations.running"]
    assert said.levelno == logging.ERROR
    assert one_missing[0] in said.getMessage() and "404" in said.getMessage()
    convert(script, dataset)
    assert {key.partition(":")[0] for key in cells_of(dataset)} == {one_missing[1]}
    assert [line for line in wrong(script, dataset) if one_missing[0] not in line] == []


def test_a_video_that_is_missing_is_an_exception_if_asked_for(script: Live, one_missing: list[str]) -> None:
    with pytest.raises(DataRowsError, match=f"{one_missing[0]}.*404"):
        create(script, fail_on_error=True)


def test_data_rows_that_labelbox_cannot_export(
    script: Live, videos: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    script.fake.fail_export_rows({videos[0]: "broken there"})
    with pytest.raises(SourceError, match="broken there"):
        create(script, fail_on_labelbox_project_export_error=True)
    assert not (script.folder / "lake").exists()
    _, rows = create(script)
    assert [row["data_row"]["id"] for row in rows] == videos[1:]
    assert any("broken there" in record.getMessage() for record in caplog.records)


def test_the_wrong_function_for_the_media_says_so(script: Live, images: list[str]) -> None:
    with pytest.raises(DataRowsError, match="function for image projects"):
        create(script, fail_on_error=True)


def test_a_project_without_data_rows(script: Live) -> None:
    dataset, rows = create(script, project_json=[])
    assert (len(dataset), list(rows)) == (0, [])
    assert (
        integrations.converter_for_video_project_with_id("p", lambda _: dataset, script.fake.key, project_json=[])
        is None
    )


def test_what_differs_is_said(script: Live, videos: list[str], caplog: pytest.LogCaptureFixture) -> None:
    dataset, rows = create(script)
    with pytest.raises(ConfigError, match="metadata_prefix"):
        convert(script, dataset, project_json=rows, metadata_prefix="meta")
    convert(script, dataset, project_json=rows, generate_metadata=False)
    assert any("generate_metadata" in record.getMessage() for record in caplog.records)


def test_datasets_of_others_get_no_annotations(script: Live, videos: list[str]) -> None:
    theirs = deeplake.create(str(script.folder / "theirs"))
    theirs.add_column("frames", "int32")
    theirs.commit("theirs")
    with pytest.raises(LakeError, match="lakebox did not write"):
        convert(script, theirs)


# -------------------------------------------------------------- custom data fillers


def small_frames(ds: Any) -> None:
    """A script's own columns: every second pixel, and upstream's numbers."""
    ds.create_tensor("frames", dtype=deeplake.types.Image(sample_compression="png"))
    ds.add_column("frame_idx", dtype="int32")
    ds.add_column("video_idx", dtype="int32")
    ds.add_column("brightness", dtype="float32")


def fill_frames(ds: Any, group_ids: list[int], indexes: list[int], frames: list[np.ndarray]) -> None:
    light = [np.float32(frame.mean()) for frame in frames]
    ds.extend(["frames", "video_idx", "frame_idx", "brightness"], [frames, group_ids, indexes, light])


def test_a_script_fills_its_own_columns_from_videos(script: Live, videos: list[str]) -> None:
    sizes: list[int] = []

    def fill(ds: Any, group_ids: list[int], indexes: list[int], frames: list[np.ndarray]) -> None:
        sizes.append(len(frames))
        fill_frames(ds, group_ids, indexes, frames)

    dataset, rows = integrations.create_dataset_from_video_annotation_project_with_custom_data_filler(
        str(script.folder / "lake"), script.project_id, script.fake.key, {"create_tensors": small_frames, "fill_data": fill},
        url_presigner=signed(script), video_generator_batch_size=4,
    )  # fmt: skip
    assert sizes == [4, 2, 4]
    convert(script, dataset, project_json=rows, group_mapping=MASK)
    found = cells_of(dataset)
    assert (
        differences(
            expected(script.fake, script.project_id, groups=MASK),
            {k: {c: v for c, v in row.items() if c != "brightness"} for k, row in found.items()},
        )
        == []
    )
    assert numbers(dataset, "frames") == frames_of(videos)
    means = [np.asarray(dataset["frames"][i]).mean() for i in range(10)]
    assert np.allclose(dataset["brightness"][:], means, atol=1e-3)
    assert (list(dataset["video_idx"][:]), list(dataset["frame_idx"][:])) == ([0] * 6 + [1] * 4, [*range(6), *range(4)])


def test_a_script_fills_its_own_columns_from_images(script: Live, images: list[str]) -> None:
    def make(ds: Any) -> None:
        ds.add_column("picture", dtype=deeplake.types.Image(sample_compression="png"))

    def fill(ds: Any, pictures: list[np.ndarray], indexes: list[int]) -> None:
        ds.extend(["picture"], [pictures])

    dataset, rows = integrations.create_dataset_from_image_annotation_project_with_custom_data_filler(
        str(script.folder / "lake"), script.project_id, script.fake.key, {"create_tensors": make, "fill_data": fill}
    )
    convert(script, dataset, "image", project_json=rows)
    found = {
        key: {name: cell for name, cell in row.items() if name != "picture"} for key, row in cells_of(dataset).items()
    }
    assert differences(expected(script.fake, script.project_id), found) == []
    assert numbers(dataset, "picture") == {f"{uid}:0": (n, 0) for n, uid in enumerate(images)}


def only_frames(ds: Any) -> None:
    ds.add_column("frames", dtype=deeplake.types.Image(sample_compression="png"))


def every_second(ds: Any, group_ids: list[int], indexes: list[int], frames: list[np.ndarray]) -> None:
    ds.extend(["frames"], [frames[::2]])


def backwards(ds: Any, group_ids: list[int], indexes: list[int], frames: list[np.ndarray]) -> None:
    fill_frames(ds, group_ids, indexes[::-1], frames[::-1])


def numbers_as_text(ds: Any) -> None:
    ds.add_column("frame_idx", dtype="text")


@pytest.mark.parametrize(
    ("filler", "error", "says"),
    [
        ({"create_tensors": only_frames, "fill_data": every_second}, LakeError, "one row per frame"),
        ({"create_tensors": small_frames, "fill_data": backwards}, LakeError, "frame_idx 5, 4, 3, 2, ... where"),
        ({"create_tensors": numbers_as_text, "fill_data": fill_frames}, LakeError, "'frame_idx' as text"),
        ({"create_tensors": small_frames}, ConfigError, "fill_data"),
    ],
)
def test_fillers_that_would_put_labels_on_wrong_frames(
    script: Live, videos: list[str], filler: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        integrations.create_dataset_from_video_annotation_project_with_custom_data_filler(
            str(script.folder / "lake"), script.project_id, script.fake.key, filler, url_presigner=signed(script)
        )
    if (script.folder / "lake").exists():
        assert len(deeplake.open_read_only(str(script.folder / "lake"))) == 0


def test_a_script_whose_filler_failed_goes_on_with_the_next_call(script: Live, videos: list[str]) -> None:
    def tired(ds: Any, group_ids: list[int], indexes: list[int], frames: list[np.ndarray]) -> None:
        if group_ids[0] == 1:
            raise RuntimeError("enough")
        fill_frames(ds, group_ids, indexes, frames)

    call = partial(
        integrations.create_dataset_from_video_annotation_project_with_custom_data_filler,
        str(script.folder / "lake"), script.project_id, script.fake.key, url_presigner=signed(script),
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="enough"):
        call({"create_tensors": small_frames, "fill_data": tired})
    dataset, _ = call({"create_tensors": small_frames, "fill_data": fill_frames})
    convert(script, dataset)
    assert numbers(dataset, "frames") == frames_of(videos)


# -------------------------------------------------------------- presigners and keys


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (None, {}),
        ({}, {}),
        ({"Authorization": "Bearer x"}, {"Authorization": "Bearer x"}),
        ({"headers": {"A": "1", "B": "2"}}, {"A": "1", "B": "2"}),
        ({"headers": "A: 1\r\nB: x:y\r\n"}, {"A": "1", "B": "x:y"}),
    ],
)
def test_all_that_url_presigners_return(headers: Any, sent: dict[str, str]) -> None:
    presigner = UrlPresigner(lambda url: (f"{url}?signed", headers), LabelboxKey())
    request = presigner.request("https://bucket.example/a.mp4")
    assert (request.url, dict(request.headers)) == ("https://bucket.example/a.mp4?signed", sent)


@pytest.mark.parametrize("answer", [None, 3, ("https://x", 3), (None, {})])
def test_what_url_presigners_must_not_return(answer: Any) -> None:
    with pytest.raises(FetchError, match=r"a\.mp4: url_presigner must return"):
        UrlPresigner(lambda url: answer, LabelboxKey()).request("https://bucket.example/a.mp4?sig=secret")


def test_local_files_and_labelboxs_own_are_not_signed_by_scripts() -> None:
    presigner = UrlPresigner(lambda url: ("https://evil.example", {}), LabelboxKey().with_key("k"))
    assert presigner.request("clips/a.mp4").url == "clips/a.mp4"
    mask = presigner.request("https://api.labelbox.com/api/v1/mask")
    assert (mask.url, mask.headers["Authorization"]) == ("https://api.labelbox.com/api/v1/mask", "Bearer k")


def test_what_the_server_refuses_signed_is_tried_as_it_is() -> None:
    presigner = UrlPresigner(lambda url: (f"{url}?signed", {}), LabelboxKey())
    asked = [presigner.request("https://bucket.example/a.mp4").url.partition("?")[2] for _ in range(4)]
    assert asked == ["signed", "", "signed", ""]


def test_public_media_work_with_a_presigner_for_others(script: Live) -> None:
    ids = label_videos(script, lambda n, data: script.fake.store(f"/o/{n}.mp4", data))
    dataset, _ = create(script)  # signs addresses that carry Labelbox's own signature already
    assert numbers(dataset, "frames") == frames_of(ids)


def test_the_key_is_nowhere(
    script: Live, videos: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    dataset, rows = create(script)
    convert(script, dataset, project_json=rows)
    with pytest.raises(SourceError, match="API key that was given") as refused:
        integrations.create_dataset_from_video_annotation_project(
            str(script.folder / "x"), script.project_id, "wrong-key-1234"
        )
    key = script.fake.key
    texts = [
        *map(str, os.environ.values()),
        caplog.text,
        *capfd.readouterr(),
        str(refused.value),
        repr(refused.value.__cause__),
    ]
    assert not any(key in text or "wrong-key-1234" in text for text in texts)
    assert not any(key.encode() in path.read_bytes() for path in script.folder.rglob("*") if path.is_file())
    assert not [seen for seen in script.fake.seen if seen.host != "api" and "Authorization" in seen.headers]


# --------------------------------------------------------------------------- uploads


def upload(live: Live, paths: list[str], **more: Any) -> None:
    integrations.create_labelbox_annotation_project(paths, "set", "project", live.fake.key, **more)


@pytest.fixture
def clips(script: Live) -> list[str]:
    for number in range(2):
        clip(script.folder / "media", number, 4)
    return [f"media/clip{number}.mp4" for number in range(2)]


def test_an_upload_made_again_uploads_nothing(script: Live, clips: list[str]) -> None:
    upload(script, clips)
    upload(script, clips)
    assert sorted(row.external_id for row in script.fake.org.data_rows.values()) == ["clip0.mp4", "clip1.mp4"]
    assert [batch.name for batch in script.fake.org.batches.values()] == ["set_batch-"]


def test_global_keys_by_a_function(script: Live, clips: list[str]) -> None:
    upload(script, clips, lb_global_key_generator=lambda path: f"key of {path}")
    assert {row.global_key for row in script.fake.org.data_rows.values()} == {f"key of {path}" for path in clips}


@pytest.mark.parametrize(
    ("paths", "more", "says"),
    [
        (["media/clip0.mp4", "media/clip0.mp4"], {}, "clip0"),
        (["media/clip0.mp4", "https://bucket.example/a.mp4"], {}, "(?s)local.*remote|remote.*local"),
        (["media/none.mp4"], {}, r"video_paths\[0\] \(media/none\.mp4\).*No such file"),
        ([], {}, "video_paths: is empty"),
        ("media/clip0.mp4", {}, "video_paths: is one string, 'media/clip0.mp4'"),
        (
            ["media/clip0.mp4"],
            {"data_upload_strategy": "foo"},
            "data_upload_strategy: .*'fail', 'skip' or 'all'.*'foo'",
        ),
        (["media/clip0.mp4"], {"lb_batch_priority": 77}, "lb_batch_priority: .*1, 2, 3, 4 or 5.*77"),
        (["media/clip0.mp4"], {"media_type": "FOO"}, "(?i)media_type: .*'video' or 'image'.*'foo'"),
        (["media/clip0.mp4"], {"media_type": "IMAGE"}, "media_type is image"),
        (["media/clip0.mp4"], {"lb_iam_integration_id": "nope"}, "lb_iam_integration_id: 'nope'"),
        (["media/clip0.mp4"], {"lb_ontology": "nope"}, "lb_ontology: .*'nope'"),
        (["media/clip0.mp4"], {"lb_global_key_generator": lambda path: "k" * 300}, r"video_paths\[0\].*300 characters"),
    ],
)
def test_uploads_that_cannot_be(script: Live, clips: list[str], paths: list[str], more: Any, says: str) -> None:
    """Said in the script's own words."""
    with pytest.raises(ConfigError, match=says) as caught:
        upload(script, paths, **more)
    for inner in ("task.", ".jsonl", "duplicates", "pydantic"):
        assert inner not in str(caught.value)
    assert "nothing was touched" in str(caught.value)
    assert not script.fake.org.data_rows


def test_an_endpoint_that_is_none(script: Live, clips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELBOX_ENDPOINT", "api.acme.org")
    for call in (lambda: upload(script, clips), lambda: create(script), lambda: create(script, project_json=[{}])):
        with pytest.raises(ConfigError, match="LABELBOX_ENDPOINT"):
            call()


def test_blanks_around_a_key_are_none_of_it(script: Live, videos: list[str], clips: list[str]) -> None:
    key = f" {script.fake.key}\n"
    integrations.create_labelbox_annotation_project(clips, "set", "project", key)
    integrations.create_dataset_from_video_annotation_project(
        str(script.folder / "lake"), script.project_id, key, url_presigner=signed(script)
    )
    assert {row.external_id for row in script.fake.org.data_rows.values()} >= {"clip0.mp4", "clip1.mp4"}


def test_media_that_labelbox_refuses(script: Live, clips: list[str]) -> None:
    Path("media/clip0.mp4").write_bytes(b"")
    with pytest.raises((UploadError, ConfigError), match=r"clip0\.mp4"):
        upload(script, clips)
