"""Decoders, on small files made here: what is decoded, and every disagreement with the export."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import deeplake
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.video import numbered, read_number

from lakebox.adapters.deep_lake import MemoryStorage
from lakebox.adapters.files import LocalFile
from lakebox.adapters.image import ImageFile, mask_colors, mask_of
from lakebox.adapters.media import open_media
from lakebox.adapters.pixels import Jpeg, NoPixels, Png, VideoAsIs
from lakebox.adapters.video import VideoFile
from lakebox.core.columns import Column
from lakebox.core.model import MaskRef, Media
from lakebox.core.ports import OpenMedia, Pixels
from lakebox.errors import MaskError, MediaError

WIDTH, HEIGHT, FRAMES, RATE = 64, 48, 6, 10


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frame i is of brightness 30 i."""
    folder = tmp_path_factory.mktemp("clips")
    encode(folder / "whole.mp4")
    encode(folder / "gap.mp4", without=(2,))
    encode(folder / "late.mp4", first=3)
    (folder / "turned.mp4").write_bytes(turned(folder / "whole.mp4"))
    whole = (folder / "whole.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    encode(folder / "cut.mkv")
    data = (folder / "cut.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(data[: int(len(data) * 0.6)])
    (folder / "text.mp4").write_text("this is not a video", encoding="utf-8")
    (folder / "empty.mp4").write_bytes(b"")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return folder


def encode(path: Path, without: Collection[int] = (), first: int = 0) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in set(range(FRAMES)) - set(without):
            picture = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), number * 30, np.uint8), format="rgb24")
            picture.pts, picture.time_base = first + number, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def turned(path: Path) -> bytes:
    """The same clip with the display matrix that phones write when held upright."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    return bytes(data)


def declared(**more: Any) -> Media:
    facts = {"kind": "video", "width": WIDTH, "height": HEIGHT, "frames": FRAMES, "rate": float(RATE)}
    return Media(**{**facts, **more})


def opened(path: Path, match: Any = "count", **more: Any) -> VideoFile:
    return VideoFile(LocalFile(path), declared(**more), match)


def decoded(video: OpenMedia, wanted: Collection[int] = range(FRAMES)) -> dict[int, int]:
    """Frame number -> frame number as read from its brightness."""
    frames = video.frames(np.array(sorted(wanted), np.int64))
    return {frame.index: round(float(frame.pixels().mean()) / 30) for frame in frames}


# --- videos ----------------------------------------------------------------------------------------------------------


def test_frames_come_in_order_with_their_own_pixels(clips: Path) -> None:
    assert decoded(opened(clips / "whole.mp4")) == {i: i for i in range(FRAMES)}


def test_only_wanted_frames_come(clips: Path) -> None:
    assert decoded(opened(clips / "whole.mp4"), [0, 3, 5]) == {0: 0, 3: 3, 5: 5}


def test_frames_are_rgb(clips: Path) -> None:
    (frame,) = opened(clips / "whole.mp4").frames(np.array([2]))
    assert (str(frame.pixels().dtype), frame.pixels().shape) == ("uint8", (HEIGHT, WIDTH, 3))
    assert frame.encoded is None


@pytest.mark.parametrize("frames", [FRAMES, None], ids=["declared", "not declared"])
def test_numbers(clips: Path, frames: int | None) -> None:
    numbers, total = opened(clips / "whole.mp4", frames=frames).numbers()
    assert (numbers.tolist(), total) == ([0, 1, 2, 3, 4, 5], 6)


def test_nothing_need_be_declared(clips: Path) -> None:
    video = opened(clips / "whole.mp4", width=None, height=None, frames=None, rate=None)
    assert decoded(video) == {i: i for i in range(FRAMES)}
    video.check()


@pytest.mark.parametrize(
    ("wrong", "numbers"),
    [
        ({"frames": 5}, ("5", "6")),
        ({"frames": 9}, ("9", "6")),
        ({"width": 640, "height": 480}, ("640x480", "64x48")),
        ({"width": 48, "height": 64}, ("48x64", "64x48")),
        ({"rate": 25.0}, ("25", "10")),
    ],
    ids=["too many frames", "too few frames", "size", "turned size", "rate"],
)
@pytest.mark.parametrize("how", ["decoding", "checking"])
def test_a_mismatch_gives_both_numbers(clips: Path, wrong: dict[str, Any], numbers: tuple[str, str], how: str) -> None:
    video = opened(clips / "whole.mp4", **wrong)
    with pytest.raises(MediaError) as caught:
        video.check() if how == "checking" else decoded(video)
    assert all(number in str(caught.value) for number in numbers)


def test_a_rounded_rate_is_no_mismatch(clips: Path) -> None:
    assert len(decoded(opened(clips / "whole.mp4", rate=10.01))) == FRAMES


def test_by_timestamp_a_missing_frame_stays_missing(clips: Path) -> None:
    video = opened(clips / "gap.mp4", "timestamp")
    numbers, total = video.numbers()
    assert (numbers.tolist(), total) == ([0, 1, 3, 4, 5], 6)
    assert decoded(video) == {0: 0, 1: 1, 3: 3, 4: 4, 5: 5}


def test_by_timestamp_the_first_frame_is_frame_0(clips: Path) -> None:
    assert decoded(opened(clips / "late.mp4", "timestamp")) == {i: i for i in range(FRAMES)}


def test_by_count_a_missing_frame_is_a_mismatch(clips: Path) -> None:
    with pytest.raises(MediaError, match=r"5.*6|6.*5"):
        decoded(opened(clips / "gap.mp4", rate=None))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"frames": 3}, "6.*3"),
        ({"rate": 3.0}, "6.*3"),
        ({"rate": None}, "frame_rate"),
        ({"frames": None}, "frame_count"),
    ],
)
def test_by_timestamp_what_does_not_fit_is_refused(clips: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(MediaError, match=words):
        opened(clips / "whole.mp4", "timestamp", **wrong).numbers()


def test_turned_videos_are_upright(clips: Path) -> None:
    video = opened(clips / "turned.mp4", width=HEIGHT, height=WIDTH)
    shapes = {frame.pixels().shape for frame in video.frames(np.arange(FRAMES))}
    assert shapes == {(WIDTH, HEIGHT, 3)}


def test_a_turned_video_cannot_be_kept_as_it_is(clips: Path) -> None:
    with pytest.raises(MediaError, match="turn.* pixels=jpeg"):
        opened(clips / "turned.mp4", width=HEIGHT, height=WIDTH).check()


@pytest.mark.parametrize(
    ("times", "fits"),
    [
        (range(0, 400, 10), True),
        (range(50, 450, 10), True),
        ([10 * k + k % 3 for k in range(40)], True),
        ([10 * k + 30 * (k > 20) for k in range(40)], False),
        ([10 * k + 5 * (k % 2) for k in range(40)], False),
    ],
    ids=["even", "late", "rounded", "gap", "uneven"],
)
def test_a_video_is_kept_as_it_is_where_deep_lake_finds_its_frames(
    times: Sequence[int], fits: bool, tmp_path: Path
) -> None:
    """Deep Lake looks for frame k by time: what it shows is compared with what the frame says."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"bf": "3" if fits else "0"}
        stream.codec_context.time_base = Fraction(1, 300)
        for number, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(numbered(160, 120, video=1, frame=number), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 300)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    video = VideoFile(LocalFile(tmp_path / "clip.mp4"), Media("video", 160, 120, len(times), None), "count")
    if not fits:
        with pytest.raises(MediaError, match="not evenly spaced: frame .* pixels=jpeg"):
            video.check()
        return
    video.check()
    dataset = deeplake.create(str(tmp_path / "lake"))
    dataset.add_column("video", deeplake.types.Video("mp4"))
    dataset.append({"video": [(tmp_path / "clip.mp4").read_bytes()]})
    dataset.commit("a file")
    kept = dataset["video"][0]
    assert [read_number(np.asarray(kept[k])[0]) for k in range(len(times))] == [(1, k) for k in range(len(times))]


def test_frames_by_time_that_are_no_positions_are_not_kept_as_they_are(clips: Path) -> None:
    opened(clips / "whole.mp4", "timestamp").check()
    with pytest.raises(MediaError, match="not the frames 0, 1, 2.* pixels=jpeg"):
        opened(clips / "whole.mp4", "timestamp", rate=2.0 * RATE, frames=2 * FRAMES).check()


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("cut.mp4", FRAMES, "."),
        ("cut.mp4", None, "."),
        ("cut.mkv", FRAMES, "."),
        ("text.mp4", None, "not a readable video"),
        ("empty.mp4", None, "not a readable video"),
        ("sound.wav", None, "no video stream"),
    ],
)
@pytest.mark.parametrize("how", ["decoding", "checking"])
def test_what_is_no_whole_video_is_refused(clips: Path, name: str, frames: int | None, words: str, how: str) -> None:
    video = opened(clips / name, frames=frames, rate=None)
    with pytest.raises(MediaError, match=words):
        video.check() if how == "checking" else decoded(video)


def test_files_are_closed_when_the_reader_stops_early(clips: Path) -> None:
    frames = opened(clips / "whole.mp4").frames(np.arange(FRAMES))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert decoded(opened(clips / "whole.mp4")) == {i: i for i in range(FRAMES)}


# --- images ----------------------------------------------------------------------------------------------------------


def picture(mode: str = "RGB", size: tuple[int, int] = (5, 3)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], bands)).astype(np.uint8)
    return Image.fromarray(pixels if bands > 1 else pixels[:, :, 0], mode=None).convert(mode)


def saved(folder: Path, image: Image.Image, format: str, **how: Any) -> Path:
    path = folder / f"a.{format.lower()}"
    image.save(path, format, **how)
    return path


def image_file(path: Path, width: int | None = 5, height: int | None = 3) -> ImageFile:
    return ImageFile(LocalFile(path), Media("image", width, height, 1, None))


def pixels_of(file: OpenMedia) -> NDArray[np.uint8]:
    (frame,) = file.frames(np.arange(1))
    return frame.pixels()


def cell(file: OpenMedia, pixels: Pixels) -> bytes:
    (found,) = pixels.cells(file, np.arange(1), map)
    return bytes(found)


def read_back(data: bytes) -> tuple[str, NDArray[np.uint8]]:
    found = Image.open(io.BytesIO(data))
    array = np.asarray(found)
    return str(found.format), array if array.ndim == 3 else array[:, :, None]


@pytest.mark.parametrize(
    ("mode", "format", "channels"),
    [
        ("RGB", "PNG", 3),
        ("L", "PNG", 1),
        ("RGBA", "PNG", 4),
        ("LA", "PNG", 4),
        ("RGB", "JPEG", 3),
        ("L", "JPEG", 1),
        ("RGB", "BMP", 3),
        ("RGB", "WEBP", 3),
        ("RGB", "TIFF", 3),
    ],
)
def test_pixels_have_channels_and_8_bits(tmp_path: Path, mode: str, format: str, channels: int) -> None:
    found = pixels_of(image_file(saved(tmp_path, picture(mode), format)))
    assert (str(found.dtype), found.shape) == ("uint8", (3, 5, channels))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_png_files_pass_untouched_into_png(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path, picture(mode), "PNG", compress_level=0)
    assert cell(image_file(path), Png()) == path.read_bytes()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_files_pass_untouched_into_jpeg(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path, picture(mode), "JPEG", quality=13, progressive=True)
    assert cell(image_file(path), Jpeg()) == path.read_bytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_other_formats_are_stored_without_loss_as_png(tmp_path: Path, mode: str) -> None:
    image = picture(mode)
    format, found = read_back(cell(image_file(saved(tmp_path, image, "TIFF")), Png()))
    assert format == "PNG"
    assert np.array_equal(found, np.asarray(image).reshape(3, 5, -1))


@pytest.mark.parametrize(
    ("mode", "color", "channels"), [("RGB", (200, 30, 60), 3), ("L", 90, 1), ("RGBA", (200, 30, 60, 255), 3)]
)
def test_png_files_are_encoded_for_jpeg(tmp_path: Path, mode: str, color: Any, channels: int) -> None:
    image = Image.new(mode, (16, 16), color)
    file = image_file(saved(tmp_path, image, "PNG"), 16, 16)
    format, found = read_back(cell(file, Jpeg(quality=95, subsampling="444")))
    assert (format, found.shape) == ("JPEG", (16, 16, channels))
    assert np.abs(found.astype(int) - np.asarray(image).reshape(16, 16, -1)[:, :, :channels]).max() <= 6


def test_quality_matters(tmp_path: Path) -> None:
    file = image_file(saved(tmp_path, picture(size=(64, 64)), "PNG"), 64, 64)
    assert len(cell(file, Jpeg(quality=20))) < len(cell(file, Jpeg(quality=95)))


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("pixels", [Jpeg(quality=100, subsampling="444"), Png()], ids=["jpeg", "png"])
def test_images_are_turned_upright_by_exif(tmp_path: Path, orientation: int, pixels: Pixels) -> None:
    upright = Image.new("RGB", (32, 16), (0, 0, 0))
    upright.paste((255, 255, 255), (0, 0, 8, 8))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, upright.transpose(turn), "JPEG", exif=exif, quality=100, subsampling=0)
    _, found = read_back(cell(image_file(path, 32, 16), pixels))
    assert found.shape == (16, 32, 3)
    assert found[:8, :8].mean() > 250
    assert found[8:, 8:].mean() < 5


def test_images_stay_as_they_lie_where_only_that_fits_the_export(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, picture(size=(32, 16)), "JPEG", exif=exif)
    assert pixels_of(image_file(path, 32, 16)).shape == (16, 32, 3)


def test_images_of_undeclared_size_are_taken(tmp_path: Path) -> None:
    assert pixels_of(image_file(saved(tmp_path, picture(), "PNG"), None, None)).shape == (3, 5, 3)


def png_bytes(depth: int, color: int, row: bytes) -> bytes:
    """A PNG of one row of two pixels, of any depth: Pillow does not write them all."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def lake_reads(data: bytes, format: str) -> NDArray[np.uint8]:
    """What Deep Lake, which stores encoded bytes unchecked, makes of them."""
    lake = MemoryStorage().create(f"pixels-{uuid4()}")
    state = Column("lb_meta/state", "text", key="lakebox:lb_meta/state")
    lake.arrange([state, Column("image", format, "uint8", key="lakebox:pixels")], [])
    lake.append({state.name: [""], "image": [data]})
    lake.commit("pixels")
    (found,) = lake.read("image", np.arange(1))
    assert found is not None
    return np.asarray(found)


@pytest.mark.parametrize(
    ("depth", "color", "row", "expected"),
    [
        (1, 0, b"\x40", [[0], [255]]),
        (2, 0, b"\x30", [[0], [255]]),
        (4, 0, b"\x0f", [[0], [255]]),
        (8, 0, b"\x07\xf0", [[7], [240]]),
        (8, 2, b"\1\2\3\4\5\6", [[1, 2, 3], [4, 5, 6]]),
        (8, 4, b"\x07\xff\xf0\xff", [[7, 7, 7, 255], [240, 240, 240, 255]]),
        (8, 6, b"\1\2\3\4\5\6\7\x08", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        (16, 2, b"\xff\xff\0\0\x80\x80" * 2, [[255, 0, 128]] * 2),
        (16, 6, b"\xff\xff\0\0\x80\x80\xff\xff" * 2, [[255, 0, 128, 255]] * 2),
    ],
    ids=["1 bit", "2 bits", "4 bits", "gray", "RGB", "gray alpha", "RGBA", "RGB of 16 bits", "RGBA of 16 bits"],
)
def test_png_files_of_any_depth_read_back_as_8_bits(
    tmp_path: Path, depth: int, color: int, row: bytes, expected: list[list[int]]
) -> None:
    """Or they are refused with the reason; never stored as something that reads back wrong."""
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(depth, color, row))
    try:
        found = lake_reads(cell(image_file(path, 2, 1), Png()), "png")[0].tolist()
    except MediaError as error:
        assert depth > 8
        assert "8 bits" in str(error)
    else:
        wide = [pixel * 3 if len(pixel) == 1 and len(found[0]) == 3 else pixel for pixel in expected]
        assert found == wide


def test_gray_images_of_16_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(16, 0, b"\xff\xff\0\0"))
    with pytest.raises(MediaError, match="8 bits"):
        cell(image_file(path, 2, 1), Png())


@pytest.mark.parametrize(
    "how", [{"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"restart_marker_blocks": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_files_of_any_kind_read_back(tmp_path: Path, mode: str, how: dict[str, Any]) -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60)).convert(mode)
    path = saved(tmp_path, image, "JPEG", **how)
    found = lake_reads(cell(image_file(path, 16, 16), Jpeg(quality=95)), "jpg")
    expected = np.asarray(image if mode == "L" else image.convert("RGB")).reshape(16, 16, -1)
    assert np.abs(found.astype(int) - expected).max() <= 8


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("how", ["decoding", "checking"])
def test_truncated_images_are_refused(tmp_path: Path, format: str, how: str) -> None:
    path = saved(tmp_path, picture(size=(64, 64)), format)
    path.write_bytes(path.read_bytes()[:-400])
    file = image_file(path, 64, 64)
    with pytest.raises(MediaError, match="not a readable image"):
        file.check() if how == "checking" else pixels_of(file)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(MediaError, match="not a readable image"):
        pixels_of(image_file(path))


def test_an_image_of_another_size_gives_both(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"6x3.*5x3"):
        pixels_of(image_file(saved(tmp_path, picture(), "PNG"), 6, 3))


def test_an_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    numbers, total = image_file(saved(tmp_path, picture(), "PNG")).numbers()
    assert (numbers.tolist(), total) == ([0], 1)


def test_media_are_opened_by_what_the_export_says(clips: Path, tmp_path: Path) -> None:
    assert isinstance(open_media(LocalFile(clips / "whole.mp4"), declared(), "count"), VideoFile)
    assert isinstance(
        open_media(LocalFile(saved(tmp_path, picture(), "PNG")), declared(kind="image"), "count"), ImageFile
    )


# --- pixels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "video", "image"),
    [(Jpeg(), ("frames", "jpg"), ("image", "jpg")), (Png(), ("frames", "png"), ("image", "png"))],
)
def test_columns_of_pixels(pixels: Pixels, video: tuple[str, str], image: tuple[str, str]) -> None:
    for media, expected in (("video", video), ("image", image)):
        column = pixels.column(media)
        assert column
        assert (column.name, column.type) == expected


def test_frames_become_cells_in_order(clips: Path) -> None:
    cells = list(Png().cells(opened(clips / "whole.mp4"), np.array([1, 4]), map))
    assert [round(float(read_back(data)[1].mean()) / 30) for data in cells] == [1, 4]


def test_videos_as_they_are(clips: Path) -> None:
    cells = list(VideoAsIs().cells(opened(clips / "whole.mp4"), np.arange(3), map))
    assert cells == [(clips / "whole.mp4").read_bytes(), None, None]
    with pytest.raises(MediaError, match=r"9.*6|6.*9"):
        list(VideoAsIs().cells(opened(clips / "whole.mp4", frames=9), np.arange(3), map))
    with pytest.raises(MediaError, match="mkv"):
        list(VideoAsIs().cells(opened(clips / "cut.mkv"), np.arange(3), map))
    with pytest.raises(MediaError, match="image project"):
        VideoAsIs().column("image")


def test_no_pixels(clips: Path) -> None:
    assert NoPixels().column("video") is None  # type: ignore[func-returns-value]
    assert list(NoPixels().cells(opened(clips / "text.mp4"), np.arange(3), map)) == []


# --- masks -----------------------------------------------------------------------------------------------------------


def mask(image: Image.Image, color: tuple[int, int, int] | None = None) -> list[bool]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    found: list[bool] = mask_of(mask_colors(buffer.getvalue(), (1, 3)), MaskRef("m", color))[0].tolist()
    return found


def three(*pixels: Any) -> Image.Image:
    return Image.fromarray(np.array([pixels], np.uint8))


R, G, K = (255, 0, 0), (0, 1, 0), (0, 0, 0)


@pytest.mark.parametrize(
    ("image", "color", "expected"),
    [
        (three(0, 1, 255), None, [False, True, True]),
        (three(0, 1, 255).convert("1", dither=Image.Dither.NONE), None, [False, False, True]),
        (three(0, 1, 255).convert("I;16"), None, [False, True, True]),
        (three(R, G, K), None, [True, True, False]),
        (three(R, G, K), R, [True, False, False]),
        (three(R, G, K), (254, 0, 0), [False, False, False]),
        (three(R, G, K), K, [False, False, True]),
        (three(R, G, K).quantize(), R, [True, False, False]),
        (three((*R, 255), (*R, 0), (*K, 255)), R, [True, False, False]),
    ],
    ids=["gray", "1 bit", "16 bits", "RGB", "colour", "another colour", "black", "palette", "transparent"],
)
def test_mask_pixels(image: Image.Image, color: tuple[int, int, int] | None, expected: list[bool]) -> None:
    assert mask(image, color) == expected


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(MaskError, match=r"2x1.*3x1"):
        mask(Image.new("L", (2, 1)))
