import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo import batch
from i2i.demo.batch import FolderTranslator
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.tabs.folder import failures_table
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import encode
from tests.conftest import random_image
from tests.demo.conftest import upload

GOOD = encode(random_image(1, 40, 30), ".png")


@pytest.fixture
def translator(registry: ModelRegistry, store: UploadStore) -> FolderTranslator:
    return FolderTranslator(registry, store)


def zip_of(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_zip_and_single_files_become_one_zip_with_the_reasons_of_failures(translator: FolderTranslator) -> None:
    store = translator.store
    files = {"holiday/sea/a.png": GOOD, "holiday/b.png": b"<html>no image", "holiday/notes.txt": b"text"}
    uploads = [
        upload(store, "photos.zip", zip_of(files)), upload(store, "a.png", GOOD),
        upload(store, "bomb.png", encode(Image.new("RGB", (2000, 2000)), ".png")),
        upload(store, "a.png", GOOD), upload(store, "video.mp4", b"no video"),
    ]  # fmt: skip
    steps = list[str]()
    result = translator(uploads, "both", "BtoA", progress=lambda fraction, description: steps.append(description))
    assert sorted(result.converted) == ["a.png", "a.png.png", "holiday/sea/a.png"]
    failed = dict(result.failed)
    assert set(failed) == {"photos/holiday/b.png", "photos/holiday/notes.txt", "bomb.png", "video.mp4"}
    assert "web page" in failed["photos/holiday/b.png"]
    assert failed["bomb.png"].startswith("has 2000x2000 pixels")
    assert failed["video.mp4"] == "is a video; this server does not accept videos"
    assert not any("/tmp" in reason or str(store.root) in reason for reason in failed.values())
    assert result.file is not None
    with zipfile.ZipFile(result.file) as archive:
        assert set(archive.namelist()) == {*result.converted, "report.json"}
        assert len(json.loads(archive.read("report.json"))["failed"]) == 4
        with Image.open(archive.open("holiday/sea/a.png")) as output:
            assert output.size == (40, 30)
            assert "both BtoA" in str(output.info["xmp"])
    assert result.summary().startswith("3 files translated, 4 failed, in ")
    assert len(result.previews) == 3
    assert "3 of" in " ".join(steps)
    assert {path.name for path in store.root.iterdir()} == {".lock", "files", "assets"}, (
        "the temporary folder is deleted"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zip_of({"../../out.png": GOOD}), "leads outside"),
        (zip_of({"/etc/out.png": GOOD}), "absolute path"),
        (zip_of({f"{index}.png": GOOD for index in range(25)}), "limit on the number of files"),
        (zip_of({"zeros.png": bytes(90_000_000)}), "over the limit on bytes"),
        (zip_of({"a.png": GOOD})[:-30], "damaged"),
        (b"PK no zip", "damaged"),
    ],
)
def test_a_malicious_zip_fails_alone_and_writes_nothing(
    data: bytes, message: str, translator: FolderTranslator
) -> None:
    store = translator.store
    result = translator([upload(store, "bad.zip", data), upload(store, "good.png", GOOD)], "both")
    assert result.converted == ["good.png"]
    ((name, reason),) = result.failed
    assert name == "bad.zip"
    assert message in reason
    assert str(store.root) not in reason
    assert not list(store.root.parent.glob("out.png"))


def test_bad_files_alone_make_no_zip_and_load_no_model(translator: FolderTranslator) -> None:
    result = translator([upload(translator.store, "bad.zip", b"")], "both")
    assert (result.file, result.converted, len(result.failed)) == (None, [], 1)
    assert not translator.registry._loaded


@pytest.mark.parametrize(
    ("limit", "message"),
    [({"max_files": 2}, "Found 3 images; the limit is 2"), ({"max_total_pixels": 3000}, "million pixels together")],
)
def test_too_many_images_or_pixels_are_refused_before_the_first_translation(
    limit: dict[str, int], message: str, translator: FolderTranslator
) -> None:
    store = translator.store
    store.limits = replace(store.limits, **limit)
    uploads = [upload(store, f"{name}.png", GOOD) for name in "abc"]
    with pytest.raises(UsageError, match=message):
        translator(uploads, "both")


def test_a_job_over_its_time_limit_keeps_its_results_and_reports_the_rest(
    translator: FolderTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = translator.store
    store.limits = replace(store.limits, max_seconds=10.0, max_files=40)
    times = iter([0.0, 0.0])  # at the start of the job and before the first image
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: next(times, 1e6))})
    monkeypatch.setattr(batch, "time", clock)
    uploads = [upload(store, f"{index}.png", GOOD) for index in range(40)]  # more than are at work at once
    result = translator(uploads, "both")
    assert len(result.converted) + len(result.failed) == 40
    assert result.failed
    assert all("not reached within 10 s" in reason for _, reason in result.failed)


def test_no_files_or_files_that_were_not_uploaded_are_refused(translator: FolderTranslator, work_dir: Path) -> None:
    (work_dir / "a.png").write_bytes(GOOD)
    for paths in ([], None, [work_dir / "a.png"], ["/etc/passwd"]):
        with pytest.raises(UsageError, match=r"no files yet|uploaded"):
            translator(paths, "both")


def test_the_table_of_failures_escapes_names_and_reasons() -> None:
    table = failures_table([("<script>alert(1)</script>.png", "<b>")])
    assert "&lt;script&gt;" in table
    assert "<script>" not in table
    assert "<b>" not in table
    assert failures_table([]) == ""


def test_a_video_is_translated_if_the_server_accepts_videos(
    registry: ModelRegistry, store: UploadStore, video: Callable[[], bytes]
) -> None:
    result = FolderTranslator(registry, store, allow_video=True)([upload(store, "video.mp4", video())], "both")
    assert (result.converted, result.failed) == (["video.mp4"], [])


@pytest.fixture
def video(tmp_path: Path) -> Callable[[], bytes]:
    """Return a function that encodes a video of four frames of 32 × 32 pixels."""
    av = pytest.importorskip("av")

    def encode_video() -> bytes:
        path = tmp_path / "encoded.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width = 32
            stream.height = 32
            stream.pix_fmt = "yuv420p"
            for index in range(4):
                container.mux(stream.encode(av.VideoFrame.from_image(random_image(index, 32, 32))))
            container.mux(stream.encode())
        return path.read_bytes()

    return encode_video


def test_the_frames_of_an_animation_that_are_left_out_are_named(translator: FolderTranslator) -> None:
    frames = [random_image(index) for index in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    result = translator([upload(translator.store, "a.gif", buffer.getvalue())], "both")
    assert result.notices == [("a.gif", "2 of 3 frames or pages are left out")]
    assert result.to_json()["notices"] == [{"source": "a.gif", "notice": "2 of 3 frames or pages are left out"}]
