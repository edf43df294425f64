"""The whole circle against a fake Labelbox, from media to a dataset; and media that only a presigner opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.live import ONTOLOGY, Json, Live, image_annotations, video_annotations
from support.video import write_image, write_video

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

LENGTHS = (5, 3, 2)


# --------------------------------------------------------------------- round trips


def write_media(folder: Path, kind: str) -> list[Path]:
    """Media that show their numbers: three videos or three images."""
    if kind == "video":
        paths = [folder / f"Größe {number}.mp4" for number in range(len(LENGTHS))]
        for number, path in enumerate(paths):
            write_video(path, LENGTHS[number], 64, 48, video=number)
    else:
        paths = [folder / f"Größe {number}.png" for number in range(len(LENGTHS))]
        for number, path in enumerate(paths):
            write_image(path, 64, 48, video=number)
    return paths


def uploaded(live: Live, kind: str, *, remote: bool) -> dict[int, str]:
    """Media in a new project of its own: the number that a data row's media show -> its id."""
    paths = write_media(live.folder / "media", kind)
    addresses = [live.fake.put(f"/public/{path.name}", path.read_bytes()) for path in paths] if remote else []
    (live.folder / "list.txt").write_text("\n".join(addresses or map(str, paths)), encoding="utf-8")
    (live.folder / "ontology.json").write_text(json.dumps(ONTOLOGY), encoding="utf-8")
    names = ("task.media=list.txt", "task.dataset=lanes", "task.project='Straßen'", "task.ontology=ontology.json")
    report = live.run("task=upload", f"task.media_type={kind}", *names)
    assert (report.ok, report.assets["added"]) == (True, len(paths))
    live.project_id = report.labelbox["project_id"]
    rows = live.fake.org.rows_of(live.project_id)
    return {int(str(row.external_id).partition(".")[0][-1]): row.id for row in rows}


def label_of(live: Live, kind: str, number: int, length: int) -> Json:
    return video_annotations(live.fake, number, length) if kind == "video" else image_annotations(live.fake, number)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@pytest.mark.parametrize("kind", ["video", "image"])
def test_media_become_a_labelled_dataset(live: Live, kind: str, remote: bool) -> None:
    ids = uploaded(live, kind, remote=remote)
    labels = {n: live.fake.label(ids[n], label_of(live, kind, n, LENGTHS[n])) for n in (0, 2)}  # 1 stays without
    assert live.run("pixels=png").ok
    assert live.wrong() == []
    column, lengths = ("frames", LENGTHS) if kind == "video" else ("image", (1, 1, 1))
    shown = {f"{ids[n]}:{frame}": (n, frame) for n in ids for frame in range(lengths[n])}
    assert live.numbers(column) == shown

    fetched = live.fake.count(method="GET", path_contains="Größe")
    assert fetched == 3
    live.fake.relabel(labels[0], label_of(live, kind, 7, LENGTHS[0]))
    again = live.run("pixels=png")
    assert (again.assets["relabelled"], again.assets["unchanged"]) == (1, 2)
    assert live.wrong() == []
    assert live.numbers(column) == shown
    assert live.fake.count(method="GET", path_contains="Größe") == fetched
    assert live.run("pixels=png").plan == "nothing to do, 3 unchanged"
