"""The files that earlier versions wrote are read, and mean the same. README.md lists them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.run import Run
from i2i.convert.conversion import ConvertOptions, open_conversion
from i2i.data.image_cache import build_image_cache
from i2i.data.layout import detect_layout
from i2i.data.partial_file import PartialFile, RemoteVersion
from i2i.data.synthetic.scoring import score
from i2i.evaluation.votes import read_votes, votes_csv
from i2i.inference import loading, sampler
from i2i.recipes import launch, recipe_from_json
from i2i.reports.training_history import read_history
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

FORMATS = Path(__file__).parent
VERSIONS = ("v1", "v2")
SOURCE_TIME = 1735689600  # 2025-01-01 00:00:00 UTC
MADE_IN = "/tmp/i2i-specimens"
MODEL_FILES = [
    (version, path.relative_to(FORMATS / version).as_posix())
    for version in VERSIONS
    for path in sorted((FORMATS / version).rglob("*.safetensors"))
]


@pytest.fixture(params=VERSIONS)
def specimens(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files of one version. It is the working directory."""
    folder = tmp_path / "copy"
    shutil.copytree(FORMATS / request.param, folder)
    for path in (folder / "datasets").rglob("*"):
        os.utime(path, (SOURCE_TIME, SOURCE_TIME))
    manifest = folder / "converted" / ".i2i.jsonl"
    manifest.write_text(manifest.read_text().replace(MADE_IN, str(folder)))
    monkeypatch.chdir(folder)
    for name, value in {"CHECKPOINTS": "checkpoints", "DATASETS": "datasets", "CACHE": "packed"}.items():
        monkeypatch.setenv(f"I2I_{name}", value)
    monkeypatch.delenv("I2I_WEIGHTS", raising=False)
    return folder


def resume(method: str, name: str, **training: int) -> Trainer:
    return launch.resume_training(method, None, {"training": training}, name, TrainingProgress())


def cache_folders() -> list[str]:
    return sorted(path.name for path in Path("packed").iterdir() if path.is_dir())


@pytest.mark.parametrize(("version", "name"), MODEL_FILES)
def test_a_model_file_loads_and_runs(version: str, name: str) -> None:
    path = FORMATS / version / name
    info = load_model_info(path)
    if info.samples_from_noise:
        (image,) = sampler.load(str(path), device="cpu")([0])
    else:
        for direction in info.directions:
            source = Image.new("RGBA" if info.takes_mask else "RGB", (16, 16), (90, 120, 30))
            if info.takes_mask:
                source.putpixel((5, 5), (0, 0, 0, 0))
            image = loading.load(str(path), direction, device="cpu")(source)
    assert (image.mode, image.size) == ("RGB", (16, 16))


@pytest.mark.parametrize("name", [name for version, name in MODEL_FILES if version == "v2"])
def test_both_formats_describe_the_same_models(name: str) -> None:
    old = load_model_info(FORMATS / "v1" / name)
    new = load_model_info(FORMATS / "v2" / name)
    assert recipe_from_json(dict(old.settings)) == recipe_from_json(dict(new.settings))
    assert old.generator.items() <= new.generator.items()  # later versions may add fields
    assert replace(old, generator={}, settings={}) == replace(new, generator={}, settings={})


def test_a_model_file_describes_its_training(specimens: Path) -> None:
    info = load_model_info(specimens / "checkpoints" / "tiny-denoise" / "best.safetensors")
    assert (info.method, info.recipe, info.size, info.directions) == ("regression", "tiny", 16, ("AtoB",))
    assert (info.steps, info.total_steps, info.ema, info.resize, info.task_name) == (2, 4, 0.99, "stretch", "denoise")
    assert (info.data.name, info.data.image_counts) == ("tinyphotos", (3,))
    assert info.best is not None
    assert (info.best.metric, info.best.step, info.best.image_counts) == ("psnr", 2, (2,))
    assert recipe_from_json(dict(info.settings)).method == "regression"


def test_a_stopped_run_resumes_to_the_expected_weights(specimens: Path) -> None:
    folders = cache_folders()
    trainer = resume("cyclegan", "tiny-cyclegan")
    assert trainer.step == 5
    trainer.train()
    actual = load_file(trainer.run.weights_path)
    expected = load_file(specimens / "expected" / "tiny-cyclegan-after-12-steps.safetensors")
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(actual[name], tensor, rtol=0, atol=1e-4)  # equal on the CPU that made them
    assert [row["step"] for row in read_log(trainer.run.path) if "lr" in row] == list(range(1, 13))
    assert cache_folders() == folders


def test_a_finished_run_trains_on_and_keeps_its_best_result(specimens: Path) -> None:
    folders = cache_folders()
    trainer = resume("regression", "tiny-denoise", steps=6)
    assert trainer.validator is not None
    assert trainer.validator.best is not None
    assert (trainer.validator.best.step, round(trainer.validator.best.value, 2)) == (2, 19.97)
    trainer.train()
    assert load_model_info(trainer.run.weights_path).steps == 6
    assert cache_folders() == folders


def test_a_saved_state_and_config_have_the_present_names(specimens: Path) -> None:
    run = Run.from_name("tiny-denoise")
    state = run.load_state()
    assert state is not None
    assert {"step", "elapsed", "method", "monitor", "validator", "optimizers", "ema", "rng"} <= state.keys()
    assert run.load_config()["method"] == "regression"


def test_alarms_and_rollbacks_of_a_log_are_read(specimens: Path) -> None:
    history = read_history(specimens / "checkpoints" / "tiny-cyclegan")
    assert history.alarms == [
        (4, "D was not finite in step 5. Rolled back to step 4."),
        (5, "A to B: the output is black."),
    ]
    assert len(history.losses["G"]["cycle_a"]) == 5


def test_the_results_of_a_manifest_are_current(specimens: Path) -> None:
    sources = [specimens / "datasets" / "tiny" / "testA"]
    out = specimens / "converted"
    options = ConvertOptions(model="tiny-cyclegan", sources=sources, out=out, device="cpu", precision="float32")
    with open_conversion(options) as conversion:
        jobs, result = conversion.pending()
        assert not jobs
        assert len(result.skipped) == 2
        translated = conversion.translator(Image.open(sources[0] / "00000.png"))
    stored = np.asarray(Image.open(out / "00000.png").convert("RGB")).astype(int)
    assert np.abs(np.asarray(translated) - stored).max() <= 1


@pytest.mark.parametrize(("dataset", "side", "mode"), [("tiny", 18, "stretch"), ("tinyphotos", 16, "native")])
def test_an_image_cache_is_opened_and_not_built_again(specimens: Path, dataset: str, side: int, mode: str) -> None:
    folders = cache_folders()
    layout = detect_layout(specimens / "datasets" / dataset)
    cache = build_image_cache(layout, side, mode, limit=0)  # type: ignore[arg-type]
    assert cache.path.name in folders
    for index in range(3):
        (pixels,) = cache.images(0, index)
        assert pixels.shape == (side, side, 3)
        if mode == "native":
            assert np.array_equal(pixels, np.asarray(Image.open(layout.splits["train"][0][index][0])))


def test_votes_are_counted(specimens: Path) -> None:
    tallies = read_votes(specimens / "votes.sqlite", ["tiny-cyclegan"])
    counts = [(tally.direction, tally.exposure, tally.wins, tally.votes, tally.voters) for tally in tallies]
    assert sorted(counts, key=str) == [("AtoB", 1.0, 2, 6, 2), ("AtoB", 2.0, 2, 4, 1), ("BtoA", None, 1, 1, 1)]
    expected = (specimens / "expected" / "votes.csv").read_bytes().decode()
    assert votes_csv(specimens / "votes.sqlite").splitlines() == expected.splitlines()


def test_an_unfinished_download_can_be_resumed(specimens: Path) -> None:
    with PartialFile(specimens / "downloads" / "horse2zebra.zip") as part:
        assert part.size == 100
        assert part.version == RemoteVersion("https://example.org/horse2zebra.zip", '"5e7f-abc"', length=1000)


def test_results_are_scored_against_the_hidden_targets(specimens: Path) -> None:
    assert score(specimens / "converted", specimens / "datasets" / "tiny", "AtoB")["pictures"] == 2
