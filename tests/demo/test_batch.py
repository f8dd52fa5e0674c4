import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo import batch
from i2i.demo.batch import Batching
from i2i.demo.model_registry import Models
from i2i.demo.tabs.folder import table
from i2i.errors import UsageError
from i2i.images import encode
from tests.conftest import picture
from tests.demo.conftest import upload

GOOD = encode(picture(1, 40, 30), ".png")


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_zip_and_single_files_come_back_as_one_zip_with_the_failures_and_their_reasons(models: Models) -> None:
    files = {"holiday/sea/a.png": GOOD, "holiday/b.png": b"<html>no picture", "holiday/notes.txt": b"text"}
    uploads = [
        upload(models.desk, "photos.zip", zipped(files)), upload(models.desk, "a.png", GOOD),
        upload(models.desk, "bomb.png", encode(Image.new("RGB", (2000, 2000)), ".png")),
        upload(models.desk, "a.png", GOOD), upload(models.desk, "clip.mp4", b"no clip"),
    ]  # fmt: skip
    steps = list[str]()
    found = Batching(models)(uploads, "both", "BtoA", tell=lambda share, what: steps.append(what))
    assert sorted(found.converted) == ["a.png-2.png", "a.png.png", "holiday/sea/a.png"]
    failed = dict(found.failed)
    assert set(failed) == {"photos/holiday/b.png", "photos/holiday/notes.txt", "bomb.png", "clip.mp4"}
    assert "web page" in failed["photos/holiday/b.png"]
    assert failed["bomb.png"] == "has 2000x2000 pixels; at most 1 million are read."
    assert failed["clip.mp4"] == "is a clip, and this server takes none"
    assert not any("/tmp" in reason or str(models.desk.home) in reason for reason in failed.values())
    assert found.file is not None
    with zipfile.ZipFile(found.file) as archive:
        assert set(archive.namelist()) == {*found.converted, "report.json"}
        assert len(json.loads(archive.read("report.json"))["failed"]) == 4
        with Image.open(archive.open("holiday/sea/a.png")) as made:
            assert made.size == (40, 30)
            assert "both BtoA" in str(made.info["xmp"])
    assert found.told().startswith("3 files translated, 4 could not be, in ")
    assert len(found.shown) == 3
    assert "3 of" in " ".join(steps)
    assert {path.name for path in models.desk.home.iterdir()} == {"files", "assets"}  # nothing left to lie about


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped({"../../out.png": GOOD}), "leads outside"),
        (zipped({"/etc/out.png": GOOD}), "absolute path"),
        (zipped({f"{index}.png": GOOD for index in range(25)}), "limit on the number of files"),
        (zipped({"zeros.png": bytes(90_000_000)}), "over the limit on bytes"),
        (zipped({"a.png": GOOD})[:-30], "damaged"),
        (b"PK no zip", "damaged"),
    ],
)
def test_a_zip_that_is_made_to_harm_fails_alone_and_leaves_nothing(data: bytes, said: str, models: Models) -> None:
    uploads = [upload(models.desk, "bad.zip", data), upload(models.desk, "good.png", GOOD)]
    found = Batching(models)(uploads, "both")
    assert found.converted == ["good.png"]
    ((name, reason),) = found.failed
    assert name == "bad.zip"
    assert said in reason
    assert str(models.desk.home) not in reason
    assert not list(models.desk.home.parent.glob("out.png"))


def test_only_bad_files_make_no_zip_and_no_model_is_loaded(models: Models) -> None:
    found = Batching(models)([upload(models.desk, "bad.zip", b"")], "both")
    assert (found.file, found.converted, len(found.failed)) == (None, [], 1)
    assert not models._loaded


@pytest.mark.parametrize(
    ("change", "said"),
    [({"files": 2}, "These are 3 pictures; at most 2"), ({"pixels_in_all": 3000}, "million pixels together")],
)
def test_too_many_pictures_or_pixels_are_refused_before_any_is_translated(
    change: dict[str, int], said: str, models: Models
) -> None:
    models.desk.limits = replace(models.desk.limits, **change)
    uploads = [upload(models.desk, f"{name}.png", GOOD) for name in "abc"]
    with pytest.raises(UsageError, match=said):
        Batching(models)(uploads, "both")


def test_what_is_not_reached_in_time_is_told_and_what_was_is_kept(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.desk.limits = replace(models.desk.limits, seconds=10.0)
    times = iter([0.0, 0.0, *[1e6] * 100])  # the second look at the clock is before the first picture
    real = batch.time.monotonic
    monkeypatch.setattr(batch, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(times, 1e6))}))
    assert real() > 0
    uploads = [upload(models.desk, f"{name}.png", GOOD) for name in "abcd"]
    found = Batching(models)(uploads, "both")
    assert len(found.converted) + len(found.failed) == 4
    assert found.failed
    assert all("not reached within the 10 s" in reason for _, reason in found.failed)


def test_nothing_or_what_was_not_uploaded_is_refused(models: Models, own_place: Path) -> None:
    (own_place / "a.png").write_bytes(GOOD)
    for paths in ([], None, [own_place / "a.png"], ["/etc/passwd"]):
        with pytest.raises(UsageError, match=r"no files yet|uploaded"):
            Batching(models)(paths, "both")


def test_names_in_the_table_of_failures_are_text_and_never_markup() -> None:
    assert "<script>" not in table([("<script>alert(1)</script>.png", "<b>")])
    assert table([]) == ""


def test_a_clip_is_translated_where_the_server_takes_clips(models: Models, clip: Callable[[], bytes]) -> None:
    found = Batching(models, clips=True)([upload(models.desk, "clip.mp4", clip())], "both")
    assert (found.converted, found.failed) == (["clip.mp4"], [])


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[], bytes]:
    """Four frames of 32 × 32."""
    av = pytest.importorskip("av")

    def make() -> bytes:
        path = tmp_path / "made.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            for index in range(4):
                container.mux(stream.encode(av.VideoFrame.from_image(picture(index, 32, 32))))
            container.mux(stream.encode())
        return path.read_bytes()

    return make
