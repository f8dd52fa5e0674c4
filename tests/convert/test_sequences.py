"""Animations and documents of several pages, from file to file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from i2i.convert import sequences as sequences_module
from i2i.convert.api import OutputFormat, Result, convert
from i2i.convert.sequences import Frames, fits_one_result
from i2i.images import LoadedImage
from tests.images.in_process_reader import InProcessReader

DURATIONS = [100, 200, 50]


def disc(index: int, mode: str) -> Image.Image:
    """Return a coloured square that moves from frame to frame, on white or on a transparent background."""
    image = Image.new(mode, (24, 16), (255, 255, 255, 0)[: len(mode)])
    image.paste((60 * index, 80, 200, 255)[: len(mode)], (2 + 6 * index, 4, 8 + 6 * index, 10))
    return image


def write_animation(path: Path, mode: str = "RGB", **options: int) -> Path:
    first, *others = (disc(index, mode) for index in range(3))
    options = {"disposal": 2, **options} if path.suffix == ".gif" else options
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, **options, **lossless)
    return path


def run(source: Path, kind: OutputFormat, frames: Frames) -> Result:
    return convert(lambda image: image, [source], Path("out"), kind=kind, frames=frames, reader=InProcessReader())


def read_frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with Image.open(path) as image:
        frames = [
            (frame.convert("RGBA"), float(frame.info.get("duration", 0))) for frame in ImageSequence.Iterator(image)
        ]
    return [np.asarray(frame).astype(int) for frame, _ in frames], [duration for _, duration in frames]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["gif", "webp", "png", "avif"])
@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
def test_an_animation_stays_an_animation_with_its_times(
    suffix: str, kind: OutputFormat, mode: str, tmp_path: Path
) -> None:
    source = write_animation(tmp_path / f"a{suffix}", mode)
    result = run(source, kind, "all")
    assert result.converted == [(source, Path("out") / f"a.{kind}")]
    assert not result.notices
    frames, durations = read_frames(Path("out") / f"a.{kind}")
    assert durations == DURATIONS
    for index, frame in enumerate(frames):
        expected = np.asarray(disc(index, mode).convert("RGBA")).astype(int)
        visible = expected[..., 3] > 0
        assert np.abs(frame[..., 3] - expected[..., 3]).mean() < 4
        assert np.abs(frame - expected)[visible].mean() < 20


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
@pytest.mark.parametrize(("suffix", "loop", "plays"), [
    (".gif", None, 1), (".gif", 0, 0), (".gif", 2, 3), (".webp", 0, 0), (".webp", 3, 3), (".png", 2, 2),
])  # fmt: skip
def test_the_number_of_loops_is_kept(
    suffix: str, loop: int | None, plays: int, kind: OutputFormat, tmp_path: Path
) -> None:
    source = write_animation(tmp_path / f"a{suffix}", **({} if loop is None else {"loop": loop}))
    run(source, kind, "all")
    with Image.open(Path("out") / f"a.{kind}") as image:
        image.load()
        stored = image.info.get("loop")
    if kind == "gif":
        assert stored == {0: 0, 1: None}.get(plays, plays - 1)
    else:
        assert stored == plays


def test_the_pages_of_a_tiff_stay_pages_of_their_sizes(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (10 + index, 8), (90 * index, 10, 20)) for index in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert len(run(tmp_path / "a.tif", "tif", "all").converted) == 1
    with Image.open("out/a.tif") as image:
        read = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
    assert [page.tobytes() for page in read] == [page.tobytes() for page in pages]
    assert [page.size for page in read] == [(10, 8), (11, 8), (12, 8)]


def test_an_animation_becomes_pages_with_a_notice_that_its_times_are_lost(tmp_path: Path) -> None:
    result = run(write_animation(tmp_path / "a.gif"), "tif", "all")
    assert len(read_frames(Path("out/a.tif"))[0]) == 3
    assert [notice for _, notice in result.notices] == [
        "the times of its 3 frames are left out: tif does not hold them"
    ]


def test_frames_become_files_where_the_format_holds_one_picture_or_each_is_asked_for(tmp_path: Path) -> None:
    write_animation(tmp_path / "a.gif")
    for kind, frames in (("jpg", "all"), ("png", "each")):
        run(tmp_path / "a.gif", kind, frames)  # type: ignore[arg-type]
    names = sorted(path.name for path in Path("out").iterdir() if not path.name.startswith("."))
    assert names == [f"a.00{index}.{kind}" for index in (1, 2, 3) for kind in ("jpg", "png")]


def test_a_result_of_all_frames_replaces_one_of_the_first_and_is_then_up_to_date(tmp_path: Path) -> None:
    source = write_animation(tmp_path / "a.gif")
    assert run(source, "webp", "first").notices[0][1].startswith("2 of 3 frames")
    assert len(run(source, "webp", "all").converted) == 1
    assert len(read_frames(Path("out/a.webp"))[0]) == 3
    assert [reason for _, _, reason in run(source, "webp", "all").skipped] == ["out/a.webp is up to date"]


def test_a_frame_that_fails_fails_its_file_once_and_leaves_no_result(tmp_path: Path) -> None:
    write_animation(tmp_path / "a.gif")

    class FailingReader(InProcessReader):
        def read(self, path: Path, frame: int = 0, **options: Any) -> LoadedImage:
            if frame == 1:
                raise MemoryError
            return super().read(path, frame, **options)

    result = convert(
        lambda image: image, [tmp_path / "a.gif"], Path("out"), kind="webp", frames="all", reader=FailingReader()
    )
    assert [path.name for path, _ in result.failed] == ["a.gif"]
    assert not result.converted
    assert not Path("out/a.webp").exists()


def test_more_pixels_than_one_result_takes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_animation(tmp_path / "a.gif")
    monkeypatch.setattr(sequences_module, "MAX_SEQUENCE_PIXELS", 3 * 24 * 16 - 1)
    ((_, reason),) = run(source, "webp", "all").failed
    assert "--frames each" in reason
    assert len(run(source, "webp", "each").converted) == 3


def test_pages_fit_a_tiff_and_animations_fit_what_holds_frames() -> None:
    fits = {
        (name, kind)
        for name in ("a.tif", "a.gif")
        for kind in ("tif", "webp", "jpg")
        if fits_one_result(Path(name), kind)
    }
    assert fits == {("a.tif", "tif"), ("a.gif", "tif"), ("a.gif", "webp")}
