"""``i2i convert auto``: a model for each photo, from the command line and from Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import i2i
from i2i.cli import app
from i2i.convert.assessment import REMARK
from i2i.errors import UsageError
from i2i.images import LoadedImage
from i2i.images.quality import PhotoQuality
from i2i.inference.auto import Step, Trial
from i2i.inference.translator import Translator
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from tests.cli.test_convert import InProcessPool
from tests.conftest import random_image
from tests.inference.test_restoration import save_task_model


class CountingPool(InProcessPool):
    """Counts the photos that are measured."""

    measured: list[str] = []

    def assess(self, path: Path, frame: int = 0, **options: Any) -> PhotoQuality:
        self.measured.append(path.name)
        return super().assess(path, frame, **options)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a clean, a noisy and a compressed photo, one model of denoising, and no shipped ones."""
    CountingPool.measured = []
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", CountingPool)
    monkeypatch.setattr("i2i.checkpoints.shipped.SHIPPED_MODELS", ())
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "runs"))
    save_task_model(tmp_path / "runs" / "mine" / "weights.safetensors", Denoise())
    (tmp_path / "in").mkdir()
    clean = random_image(0, 420, 48)
    noise = 20 * np.random.default_rng(0).standard_normal((48, 420, 3))
    clean.save("in/clean.png")
    Image.fromarray((np.asarray(clean) // 2 + 60 + noise).round().clip(0, 255).astype(np.uint8)).save("in/noisy.png")
    clean.save("in/small.jpg", quality=20)
    return tmp_path / "in"


def command(*args: str) -> Any:
    return CliRunner().invoke(app, ["convert", "auto", "in", "--device", "cpu", "--precision", "float32", *args])


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_each_photo_is_converted_with_its_model_and_the_reasons_are_printed() -> None:
    result = command("--out", "out")
    assert result.exit_code == 0
    lines = {line.split(":")[0]: line for line in result.stderr.splitlines()}
    assert lines["in/clean.png"].startswith(
        "in/clean.png: left as it is: no noise to remove [420x48, colour, noise σ 0"
    )
    assert lines["in/noisy.png"].startswith("in/noisy.png: mine: noise of σ ")
    assert "strongly compressed JPEG (quality 20); no dejpeg model is installed" in lines["in/small.jpg"]
    assert np.array_equal(pixels("out/clean.png"), pixels("in/clean.png"))
    i2i.convert("mine", "in/noisy.png", "expected.png", device="cpu", precision="float32")
    assert np.array_equal(pixels("out/noisy.png"), pixels("expected.png"))


def test_a_second_run_measures_and_converts_nothing() -> None:
    command("--out", "out")
    assert sorted(CountingPool.measured) == ["clean.png", "noisy.png", "small.jpg"]
    CountingPool.measured.clear()
    again = command("--out", "out")
    assert "3 already up to date" in again.stderr
    assert "noisy.png: mine" not in again.stderr
    assert CountingPool.measured == []


def test_the_manifest_records_the_choice() -> None:
    command("--out", "out")
    rows = {row["output"]: row for row in map(json.loads, Path("out/.i2i.jsonl").read_text().splitlines())}
    assert rows["noisy.png"][REMARK]["model"] == "mine"
    assert rows["noisy.png"][REMARK]["measured"]["noise"] == pytest.approx(20, rel=0.1)
    assert rows["clean.png"][REMARK]["model"] is None


def test_a_trial_is_recorded_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def try_model(step: Step, photo: LoadedImage, translator: Translator) -> Trial:
        tried.append(step.name)
        return Trial(step.name, 3.3)

    monkeypatch.setattr("i2i.inference.auto.trial.try_model", try_model)
    noise = 3 * np.random.default_rng(0).standard_normal((48, 420, 3))
    weak = (np.asarray(Image.open("in/clean.png")) // 2 + 60 + noise).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(weak).save("in/weak.png")
    assert "in/weak.png: mine: noise of σ " in command("--out", "out").stderr
    assert tried == ["mine"]
    rows = {row["output"]: row for row in map(json.loads, Path("out/.i2i.jsonl").read_text().splitlines())}
    assert rows["weak.png"][REMARK]["trial"] == {"model": "mine", "removed": 3.3}
    assert "4 already up to date" in command("--out", "out").stderr
    assert tried == ["mine"]


def test_a_new_model_changes_only_the_photos_that_it_suits(tmp_path: Path) -> None:
    command("--out", "out")
    CountingPool.measured.clear()
    save_task_model(tmp_path / "runs" / "jpeg" / "weights.safetensors", Dejpeg())
    result = i2i.convert("auto", "in", "out", device="cpu", precision="float32")
    assert [(source.name, target.name) for source, target in result.converted] == [("small.jpg", "small.png")]
    assert {source.name: choice.model for source, choice in result.choices}["small.jpg"] == "jpeg"
    assert CountingPool.measured == []


def test_a_photo_that_changes_or_is_downscaled_is_measured_again() -> None:
    command("--out", "out")
    CountingPool.measured.clear()
    random_image(1, 430, 48).save("in/noisy.png")
    assert len(i2i.convert("auto", "in", "out", device="cpu", precision="float32").converted) == 1
    assert CountingPool.measured == ["noisy.png"]
    i2i.convert("auto", "in", "out", device="cpu", precision="float32", max_side=64)
    assert len(CountingPool.measured) == 4


def test_explain_converts_nothing_and_needs_no_out(tmp_path: Path) -> None:
    result = command("--explain")
    assert [line.split(":")[1].strip() for line in result.stdout.splitlines()] == [
        "left as it is",
        "mine",
        "left as it is",
    ]
    data = json.loads(command("--explain", "--json").stdout)
    assert [Path(row["source"]).name for row in data["choices"]] == ["clean.png", "noisy.png", "small.jpg"]
    assert data["choices"][1]["model"] == "mine"
    assert data["choices"][2]["measured"]["jpeg_quality"] == 20
    assert data["failed"] == []
    choices = i2i.convert("auto", "in", explain=True).choices
    assert [choice.model for _, choice in choices] == ["identity", "mine", "identity"]
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "runs", ".state"}


def test_a_dry_run_lists_photos_and_choices_and_writes_nothing() -> None:
    result = command("--out", "out", "--dry-run")
    assert "in/noisy.png -> out/noisy.png" in result.stdout.splitlines()
    assert "in/noisy.png: mine: noise" in result.stderr
    assert not Path("out").exists()


def test_the_json_of_a_conversion_has_the_choices() -> None:
    data = json.loads(command("--out", "out", "--json").stdout)
    assert {row["source"]: row["model"] for row in data["choices"]} == {
        "in/clean.png": None, "in/noisy.png": "mine", "in/small.jpg": None
    }  # fmt: skip
    assert len(data["converted"]) == 3


def test_a_file_that_cannot_be_read_fails_and_the_others_are_converted() -> None:
    Path("in/bad.png").write_text("text")
    result = command("--out", "out")
    assert result.exit_code == 1
    assert "in/bad.png" in result.stderr
    assert len(list(Path("out").glob("*.png"))) == 3
    explained = command("--explain")
    assert explained.exit_code == 1
    assert "bad.png" in explained.stderr


def test_a_single_result_can_be_named_and_pages_have_their_own_choice(tmp_path: Path) -> None:
    assert len(i2i.convert("auto", "in/noisy.png", "one.png", device="cpu").converted) == 1
    assert not np.array_equal(pixels("one.png"), pixels("in/noisy.png"))
    pages = [Image.open("in/clean.png"), Image.open("in/noisy.png")]
    pages[0].save("pages.tif", save_all=True, append_images=pages[1:])
    result = i2i.convert("auto", "pages.tif", "pages", frames="each", device="cpu")
    assert [choice.model for _, choice in result.choices] == ["identity", "mine"]


def test_the_progress_counts_all_photos() -> None:
    steps: list[tuple[int, int, int]] = []
    i2i.convert("auto", "in", "out", device="cpu", progress=lambda *counts: steps.append(counts))
    assert steps[-1] == (3, 0, 3)
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"direction": "AtoB"}, "auto chooses the model and takes no --direction"),
        ({"degradation_level": 5.0}, "takes no --degradation-level"),
        ({"mask": "in"}, "takes no --mask"),
        ({"texture_mask": True}, "takes no --texture-mask"),
        ({"model": "mine", "explain": True}, "--explain says what auto chooses, and the model is 'mine'"),
        ({"sources": "a.mp4"}, "auto chooses models for photos; a.mp4 is a video"),
        ({"sources": "missing.png"}, "missing.png"),
    ],
)
def test_options_that_auto_does_not_take_are_errors(options: dict[str, Any], words: str) -> None:
    Path("a.mp4").touch()
    with pytest.raises(UsageError, match=words):
        i2i.convert(**{"model": "auto", "sources": "in", "out": "out", **options})


def test_the_command_asks_for_out_unless_it_explains() -> None:
    result = command()
    assert result.exit_code == 2
    assert "--out" in result.stderr
