from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.errors import ConfigError, DatasetError, UsageError
from i2i.methods.regression import RegressionConfig
from i2i.metrics import inception
from i2i.recipes import launch, recipe, recipe_from_json
from i2i.restoration import TASKS
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import SIZE, write_pictures
from tests.metrics.standin import Means

TINY = {"network": "restorer", "width": 4, "levels": 2, "depth": 1}
REAL = [name for name in TASKS if name != "none"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "photos", 4, width=24)
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


def start(changes: dict[str, Any], objective: str = "regression", name: str | None = None) -> Trainer:
    return launch.start(objective, name, changes, "run", TrainingProgress())


@pytest.mark.parametrize("task", REAL)
def test_every_task_trains_from_a_folder_of_photos_and_leaves_a_model(photos: Path, task: str) -> None:
    trainer = start(settings(photos, task))
    assert trainer.train() is None
    rows = read_log(trainer.run.path)
    losses = [row["G/charbonnier"] for row in rows if "G/charbonnier" in row]
    assert len(losses) == 2
    assert all(0 < loss < 2 for loss in losses)
    measured = next(row for row in rows if "psnr/restored" in row)
    assert {"psnr/input", "psnr/restored"} <= measured.keys()
    generator = trainer.about["generator"]
    wanted = TASKS[task]()
    assert (generator["shows"], generator["answers"], generator["scale"]) == (
        wanted.shows,
        wanted.answers,
        wanted.scale,
    )
    assert (trainer.run.path / "samples" / "0000004.png").is_file()


def test_a_run_is_named_after_its_photos_and_its_task_and_found_again_by_them(photos: Path) -> None:
    for objective, name in (("regression", "photos-dejpeg"), ("pix2pix", "photos-pix2pix-dejpeg")):
        changes = settings(photos, "dejpeg")
        changes["data"]["size"] = 32
        del changes["model"]
        first = launch.start(objective, None, changes, None, TrainingProgress())
        assert first.run.path.name == name
        first.run.unlock()
        again = launch.resume(objective, None, {"data": changes["data"]}, None, TrainingProgress())
        assert again.run.path.name == name
        again.run.unlock()


@pytest.mark.parametrize("task", ["denoise", "superres", "inpaint"])
def test_pix2pix_trains_a_task_with_a_critic_on_the_restorer(photos: Path, task: str) -> None:
    changes = settings(photos, task)
    changes["model"] = {"generator": {"width": 4, "levels": 2}, "discriminator": {"ndf": 2, "receptive_field": 16}}
    trainer = start(changes, "pix2pix")
    assert trainer.about["generator"]["network"] == "restorer"
    assert trainer.train() is None
    assert "D/adversarial" in {key for row in read_log(trainer.run.path) for key in row}


def test_a_network_that_cannot_do_a_task_is_refused_by_name(photos: Path) -> None:
    changes = settings(photos, "inpaint")
    changes["model"] = {"generator": {"network": "unet"}}
    with pytest.raises(ConfigError, match="needs --generator restorer; found unet"):
        start(changes)
    changes["data"]["task"] = {"task": "denoise"}
    assert recipe("regression").merged(changes).model.generator.network == "unet"


def test_a_task_brings_settings_that_suit_it_and_leaves_those_that_were_asked_for(photos: Path) -> None:
    plain = recipe("regression").merged(settings(photos, "inpaint") | {"model": {}})
    assert (plain.model.generator.levels, plain.model.generator.width) == (4, 32)  # type: ignore[union-attr]
    asked = recipe("regression").merged(settings(photos, "inpaint"))
    assert asked.model.generator.levels == 2  # type: ignore[union-attr]
    again = asked.merged({"data": {"task": {"task": "inpaint"}}, "training": {"steps": 9}})
    assert again.model == asked.model
    unet = {"model": {"generator": {"network": "unet"}}, "data": {"task": {"task": "denoise"}}}
    assert recipe("regression").merged(unet).merged({}).model.generator.network == "unet"


def test_a_task_asks_for_photos_and_no_task_for_pairs(photos: Path, paired: Path) -> None:
    with pytest.raises(DatasetError, match="learns from clean data"):
        start(settings(paired))
    with pytest.raises(DatasetError, match="learns from paired data"):
        start(settings(photos, "none"))


def test_regression_learns_from_pairs_without_a_task(paired: Path) -> None:
    trainer = start(settings(paired, "none"))
    assert trainer.train() is None


def test_a_denoiser_learns_in_a_few_seconds(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 6, width=24)
    changes = settings(tmp_path / "photos", steps=150, batch_size=8, sample_every=150, lr=3e-3, ema=0.9)
    changes["data"]["task"] = {"task": "denoise", "sigma": [25.0, 25.0]}
    changes["model"]["generator"] = {**TINY, "width": 8}
    trainer = start(changes)
    trainer.train()
    measured = [row for row in read_log(trainer.run.path) if "psnr/restored" in row]
    assert measured[-1]["psnr/input"] == measured[0]["psnr/input"]
    assert measured[-1]["psnr/restored"] > measured[0]["psnr/input"] + 1.5


def test_a_task_can_be_evaluated_against_the_truth_and_its_best_kept(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "_network", Means)
    trainer = start(settings(photos, evaluate_every=2, keep_best="psnr"))
    trainer.train()
    rows = [row for row in read_log(trainer.run.path) if "AtoB/psnr" in row]
    assert [row["step"] for row in rows] == [2, 4]
    assert trainer.run.best_path.is_file()


@pytest.mark.parametrize("pixel", ["charbonnier", "l1", "l2"])
def test_the_losses_are_terms_with_weights_of_their_own(pixel: Any, perceptual_weights: Path) -> None:
    config = RegressionConfig(pixel=pixel, weight_pixel=2.0, weight_ms_ssim=0.5, weight_perceptual=0.1)
    objective = config.build(32)
    truth = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ((player, terms),) = objective.turns((truth + 0.1, truth), 0)
    assert player == "G"
    assert set(terms) == {f"G/{pixel}", "G/ms_ssim", "G/perceptual"}
    doubled = RegressionConfig(pixel=pixel, weight_pixel=1.0).build(32)
    doubled.load_state_dict(objective.state_dict())
    ((_, plain),) = doubled.turns((truth + 0.1, truth), 0)
    assert terms[f"G/{pixel}"].item() == pytest.approx(2 * plain[f"G/{pixel}"].item())


def test_a_training_begins_with_what_fits_of_another_model(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = start(settings(photos))
    first.train()
    changes = settings(photos, "inpaint", begin_with=str(first.run.path))
    second = launch.start("regression", None, changes, "second", TrainingProgress())
    ours, theirs = second.objective.translators()["AtoB"].state_dict(), first.translators()["AtoB"].state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == ["head.weight"]  # sees a mask too
    assert second.ema is not None
    assert torch.equal(second.ema.average["AtoB"].tail.weight, theirs["tail.weight"])
    assert f"begins with {len(ours) - 1} of {len(ours)} tensors" in capsys.readouterr().err
    assert second.about["settings"]["training"]["begin_with"] == "run"  # of no folder
    changes["model"]["generator"] = {"network": "resnet", "ngf": 2, "blocks": 1}
    changes["data"]["task"] = {"task": "dejpeg"}
    with pytest.raises(UsageError, match="no weights that fit"):
        launch.start("regression", None, changes, "third", TrainingProgress())


def test_a_resume_needs_no_longer_what_a_training_began_with(photos: Path) -> None:
    first = start(settings(photos))
    first.train()
    changes = settings(photos, steps=1, begin_with=str(first.run.path))
    second = launch.start("regression", None, changes, "second", TrainingProgress())
    second.train()
    second.run.unlock()
    first.run.bundle_path.unlink()
    again = launch.resume("regression", None, {"training": {"steps": 2}}, "second", TrainingProgress())
    assert again.step == 1


def test_a_resume_goes_on_with_the_very_next_sample(photos: Path) -> None:
    whole = start(settings(photos, steps=6))
    whole.train()
    changes = settings(photos, steps=3)
    changes["training"].update(schedule="constant")
    first = launch.start("regression", None, changes, "part", TrainingProgress())
    first.train()
    first.run.unlock()
    again = launch.resume("regression", None, {"training": {"steps": 6}}, "part", TrainingProgress())
    assert again.step == 3
    assert recipe_from_json(again.run.config()).data.restores() == TASKS["denoise"]()
    again.train()
    assert again.step == 6


def test_a_training_of_some_hours_ends_by_the_clock_with_a_rate_of_nothing(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("i2i.training.time_budget.time.monotonic", lambda: now[0])
    trainer = start(settings(photos, steps=100_000, hours=10 / 3600, warmup=0, schedule="cosine", sample_every=1000))
    step, rates = trainer._train_step, []

    def second_by_second(batch: Any) -> None:
        rates.append(trainer.lr(trainer.step))
        step(batch)
        now[0] += 1.0

    monkeypatch.setattr(trainer, "_train_step", second_by_second)
    trainer.train()
    assert trainer.step == trainer.total_steps() == 10
    assert trainer.watch.doctor.youth == 200  # of a training of 10 steps, not of those that --steps would have been
    assert rates[0] == trainer.config.lr
    assert rates == sorted(rates, reverse=True)
    assert trainer.lr(10) == pytest.approx(0, abs=1e-9)
    assert trainer.state()["spent"] == 10.0
