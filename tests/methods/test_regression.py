from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.errors import ConfigError, DatasetError, UsageError
from i2i.methods.regression import RegressionConfig
from i2i.metrics import inception
from i2i.recipes import find_recipe, launch, recipe_from_json
from i2i.restoration import TASKS
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import SIZE, write_random_images
from tests.metrics.standin import ChannelStatistics

TINY = {"network": "restorer", "width": 4, "levels": 2, "depth": 1}
TASK_NAMES = [name for name in TASKS if name not in ("none", "albumentations")]  # the last needs a file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_random_images(tmp_path / "photos", 4, width=24)
    return tmp_path / "photos"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "cache"))


def settings(data: Path, task: str = "denoise", **training: Any) -> dict[str, Any]:
    return {
        "data": {"data": str(data), "size": SIZE, "task": {"task": task}},
        "model": {"generator": TINY},
        "training": {"steps": 4, "batch_size": 2, "sample_every": 4, "log_every": 2, "warmup": 1, "device": "cpu",
                     "precision": "float32", **training},
    }  # fmt: skip


def start(changes: dict[str, Any], method: str = "regression", name: str | None = None) -> Trainer:
    return launch.new_training(method, name, changes, "run", TrainingProgress())


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_trains_from_a_folder_of_photos(photos: Path, task: str) -> None:
    trainer = start(settings(photos, task))
    assert trainer.train() is None
    rows = read_log(trainer.run.path)
    losses = [row["G/charbonnier"] for row in rows if "G/charbonnier" in row]
    assert len(losses) == 2
    assert all(0 < loss < 2 for loss in losses)
    metrics = next(row for row in rows if "psnr/restored" in row)
    assert {"psnr/input", "psnr/restored"} <= metrics.keys()
    generator = trainer.info.generator
    expected = TASKS[task]()
    assert (generator["conditioning"], generator["prediction"], generator["scale"]) == (
        expected.conditioning,
        expected.prediction,
        expected.scale,
    )
    assert (trainer.run.path / "samples" / "0000004.png").is_file()


def test_a_run_is_named_after_its_photos_and_its_task_and_resumed_by_them(photos: Path) -> None:
    for method, name in (("regression", "photos-dejpeg"), ("pix2pix", "photos-pix2pix-dejpeg")):
        changes = settings(photos, "dejpeg")
        changes["data"]["size"] = 32
        del changes["model"]
        original = launch.new_training(method, None, changes, None, TrainingProgress())
        assert original.run.path.name == name
        original.run.unlock()
        resumed = launch.resume_training(method, None, {"data": changes["data"]}, None, TrainingProgress())
        assert resumed.run.path.name == name
        resumed.run.unlock()


@pytest.mark.parametrize("task", ["denoise", "superres", "inpaint"])
def test_pix2pix_trains_a_task_with_the_restorer(photos: Path, task: str) -> None:
    changes = settings(photos, task)
    changes["model"] = {"generator": {"width": 4, "levels": 2}, "discriminator": {"ndf": 2, "receptive_field": 16}}
    trainer = start(changes, "pix2pix")
    assert trainer.info.generator["network"] == "restorer"
    assert trainer.train() is None
    assert "D/adversarial" in {key for row in read_log(trainer.run.path) for key in row}


def test_a_network_that_does_not_fit_a_task_is_refused(photos: Path) -> None:
    changes = settings(photos, "inpaint")
    changes["model"] = {"generator": {"network": "unet"}}
    with pytest.raises(ConfigError, match="needs --generator restorer; found unet"):
        start(changes)
    changes["data"]["task"] = {"task": "denoise"}
    assert find_recipe("regression").with_overrides(changes).model.generator.network == "unet"


def test_a_task_changes_the_defaults_but_not_the_explicit_settings(photos: Path) -> None:
    defaults = find_recipe("regression").with_overrides(settings(photos, "inpaint") | {"model": {}})
    assert (defaults.model.generator.levels, defaults.model.generator.width) == (4, 32)  # type: ignore[union-attr]
    explicit = find_recipe("regression").with_overrides(settings(photos, "inpaint"))
    assert explicit.model.generator.levels == 2  # type: ignore[union-attr]
    extended = explicit.with_overrides({"data": {"task": {"task": "inpaint"}}, "training": {"steps": 9}})
    assert extended.model == explicit.model
    unet = {"model": {"generator": {"network": "unet"}}, "data": {"task": {"task": "denoise"}}}
    assert find_recipe("regression").with_overrides(unet).with_overrides({}).model.generator.network == "unet"


def test_a_task_takes_pairs_as_photos_and_no_task_needs_pairs(photos: Path, paired: Path) -> None:
    assert start(settings(paired)).dataset.layout.kind == "clean"
    with pytest.raises(DatasetError, match="needs paired data"):
        start(settings(photos, "none"))


def test_regression_trains_on_pairs_without_a_task(paired: Path) -> None:
    trainer = start(settings(paired, "none"))
    assert trainer.train() is None


def test_a_denoiser_gains_more_than_1_5_db_in_150_steps(tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 6, width=24)
    changes = settings(tmp_path / "photos", steps=150, batch_size=8, sample_every=150, lr=3e-3, ema=0.9)
    changes["data"]["task"] = {"task": "denoise", "noise": "gaussian", "sigma": [25.0, 25.0]}
    changes["model"]["generator"] = {**TINY, "width": 8}
    trainer = start(changes)
    trainer.train()
    rows = [row for row in read_log(trainer.run.path) if "psnr/restored" in row]
    assert rows[-1]["psnr/input"] == rows[0]["psnr/input"]
    assert rows[-1]["psnr/restored"] > rows[0]["psnr/input"] + 1.5


def test_a_task_is_validated_against_the_targets_and_its_best_weights_are_kept(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)
    trainer = start(settings(photos, eval_every=2, best_metric="psnr"))
    trainer.train()
    rows = [row for row in read_log(trainer.run.path) if "AtoB/psnr" in row]
    assert [row["step"] for row in rows] == [2, 4]
    assert trainer.run.best_path.is_file()


@pytest.mark.parametrize("pixel", ["charbonnier", "l1", "l2"])
def test_each_loss_has_its_own_weight(pixel: Any, perceptual_weights: Path) -> None:
    config = RegressionConfig(pixel_loss=pixel, weight_pixel=2.0, weight_ms_ssim=0.5, weight_perceptual=0.1)
    method = config.build(32)
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ((player, losses),) = method.turns((target + 0.1, target), 0)
    assert player == "G"
    assert set(losses) == {f"G/{pixel}", "G/ms_ssim", "G/perceptual"}
    reference = RegressionConfig(pixel_loss=pixel, weight_pixel=1.0).build(32)
    reference.load_state_dict(method.state_dict())
    ((_, expected),) = reference.turns((target + 0.1, target), 0)
    assert losses[f"G/{pixel}"].item() == pytest.approx(2 * expected[f"G/{pixel}"].item())


def test_a_training_starts_from_the_matching_tensors_of_another_model(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = start(settings(photos))
    first.train()
    changes = settings(photos, "inpaint", init_from=str(first.run.path))
    second = launch.new_training("regression", None, changes, "second", TrainingProgress())
    weights, source = second.method.translators()["AtoB"].state_dict(), first.translators()["AtoB"].state_dict()
    assert [name for name in weights if not torch.equal(weights[name], source[name])] == [
        "head.weight"
    ]  # has a mask channel
    assert second.ema is not None
    assert torch.equal(second.ema.module["AtoB"].tail.weight, source["tail.weight"])
    assert f"starts with {len(weights) - 1} of {len(weights)} tensors" in caplog.text
    assert second.info.settings["training"]["init_from"] == "run"  # without its folder
    changes["model"]["generator"] = {"network": "resnet", "ngf": 2, "blocks": 1}
    changes["data"]["task"] = {"task": "dejpeg"}
    with pytest.raises(UsageError, match="needs a model with the same generator"):
        launch.new_training("regression", None, changes, "third", TrainingProgress())


def test_a_training_that_starts_from_a_model_has_a_network_of_its_size(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = start({**settings(photos), "model": {"generator": {"width": 6, "levels": 2, "depth": 3}}})
    first.train()

    def second(name: str, task: str, **generator: Any) -> Any:
        changes = settings(photos, task, init_from=str(first.run.path))
        changes["model"] = {"generator": generator}
        return launch.new_training("regression", None, changes, name, TrainingProgress()).method.config.generator

    own = second("own", "dejpeg")
    assert (own.width, own.levels, own.depth) == (6, 2, 3)
    assert "the network has the size of that of" in caplog.text
    assert "width 6, levels 2, depth 3" in caplog.text
    stated = second("stated", "dejpeg", depth=1)
    assert (stated.width, stated.levels, stated.depth) == (6, 2, 1)
    assert second("masks", "inpaint").levels == 4, "the task needs a wide receptive field"


def test_a_resume_does_not_need_the_initial_weights(photos: Path) -> None:
    first = start(settings(photos))
    first.train()
    changes = settings(photos, steps=1, init_from=str(first.run.path))
    second = launch.new_training("regression", None, changes, "second", TrainingProgress())
    second.train()
    second.run.unlock()
    first.run.weights_path.unlink()
    resumed = launch.resume_training("regression", None, {"training": {"steps": 2}}, "second", TrainingProgress())
    assert resumed.step == 1


def test_a_resume_continues_to_the_new_number_of_steps(photos: Path) -> None:
    changes = settings(photos, steps=3)
    changes["training"].update(schedule="constant")
    first = launch.new_training("regression", None, changes, "part", TrainingProgress())
    first.train()
    first.run.unlock()
    resumed = launch.resume_training("regression", None, {"training": {"steps": 6}}, "part", TrainingProgress())
    assert resumed.step == 3
    assert recipe_from_json(resumed.run.load_config()).data.restoration_task == TASKS["denoise"]()
    resumed.train()
    assert resumed.step == 6


def test_a_time_budget_ends_the_training_with_a_learning_rate_of_0(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("i2i.training.time_budget.time.monotonic", lambda: now[0])
    trainer = start(
        settings(photos, steps=100_000, max_hours=10 / 3600, warmup=0, schedule="cosine", sample_every=1000)
    )
    run_training_step, rates = trainer._run_step, []

    def advance_one_second(batch: Any) -> None:
        rates.append(trainer.lr(trainer.step))
        run_training_step(batch)
        now[0] += 1.0

    monkeypatch.setattr(trainer, "_run_step", advance_one_second)
    trainer.train()
    assert trainer.step == trainer.total_steps() == 10
    assert trainer.monitor.alarms.warmup_steps == 200  # the limit for 10 steps, not for those of --steps
    assert rates[0] == trainer.config.lr
    assert rates == sorted(rates, reverse=True)
    assert trainer.lr(10) == pytest.approx(0, abs=1e-9)
    assert trainer.state_dict()["elapsed"] == 10.0
