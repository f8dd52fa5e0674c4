import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_file, load_model_info
from i2i.errors import I2IError, ImageError, RunError, TrainingError
from i2i.networks import norm_spots
from i2i.recipes import launch
from i2i.training import samples
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

Changes = Callable[..., dict[str, Any]]


def start(method: str, changes: dict[str, Any], name: str) -> Trainer:
    return launch.new_training(method, "paper", changes, name, TrainingProgress())


def resume(method: str, changes: dict[str, Any], name: str, **options: Any) -> Trainer:
    return launch.resume_training(method, None, changes, name, TrainingProgress(), **options)


def logged_steps(trainer: Trainer) -> list[int]:
    """Return the steps of the log's rows of losses."""
    return [row["step"] for row in read_log(trainer.run.path) if "lr" in row]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.method.state_dict().items()}


def assert_equal_states(one: Trainer, other: Trainer) -> None:
    def flat(value: Any, where: str = "") -> dict[str, Any]:
        if isinstance(value, dict):
            return {k: v for key, item in value.items() for k, v in flat(item, f"{where}/{key}").items()}
        return {where: value}

    a, b = flat(one.state_dict()), flat(other.state_dict())
    assert a.keys() == b.keys()
    for key in a:
        equal = torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key]
        assert equal, key


def test_a_new_training_does_not_overwrite_a_run(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired), "run")
    with pytest.raises(RunError, match="--resume"):
        start("cyclegan", changes(unpaired), "run")


def test_a_damaged_file_stops_the_training_after_a_save(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=50), "run")
    for path in (unpaired / "trainA").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ImageError, match="damaged"):
        trainer.train()
    assert trainer.run.load_state() is not None


def test_a_full_disk_raises_an_error_and_keeps_the_saved_state(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2), "run")
    trainer.train()
    before = (trainer.run.path / "state.pt").read_bytes()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("i2i.checkpoints.run.write_atomic", full)
    trainer.step = 3
    with pytest.raises(I2IError, match="No space left on device"):
        trainer.save()
    assert (trainer.run.path / "state.pt").read_bytes() == before


def inject_nan(trainer: Trainer, step: int, times: int) -> None:
    """Put NaN into the weights before a step, the first ``times`` times that it runs."""
    run_step = trainer._run_step
    remaining = [None] * times

    def run_step_with_nan(batch: Any) -> None:
        if trainer.step == step and remaining:
            remaining.pop()
            with torch.no_grad():
                next(trainer.method.parameters()).fill_(math.nan)
        run_step(batch)

    trainer._run_step = run_step_with_nan  # type: ignore[method-assign]


def test_a_non_finite_step_rolls_back_and_halves_the_learning_rate(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=8, save_every_minutes=0.0), "run")
    inject_nan(trainer, step=3, times=1)
    assert trainer.train() is None
    assert trainer.step == 8
    assert logged_steps(trainer) == [2, 4, 6, 8]
    (message,) = [row["rollback"] for row in read_log(trainer.run.path) if "rollback" in row]
    assert "not finite in step 4" in message
    assert "trainA" in message
    assert "Rolled back to step 3, with 0.5 times the learning rate (rollback 1 of 3)" in message
    assert message in caplog.messages
    assert trainer.lr(0) == pytest.approx(trainer.config.lr / 2)
    trainer.run.unlock()
    resumed = resume("cyclegan", changes(unpaired, steps=9), "run")
    assert resumed.lr(0) == pytest.approx(resumed.config.lr / 2)


def test_repeated_non_finite_steps_stop_with_the_last_good_state(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, save_every_minutes=0.0), "run")
    inject_nan(trainer, step=3, times=9)
    with pytest.raises(TrainingError, match=r"not finite in step 4 .*rolled back 3 times.*last good state"):
        trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {}, "run")
    assert resumed.step == 3
    assert all(weight.isfinite().all() for weight in resumed.method.state_dict().values())


def test_non_finite_weights_are_not_saved(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired), "run")
    with torch.no_grad():
        next(trainer.method.parameters()).fill_(math.nan)
    with pytest.raises(TrainingError, match="not finite"):
        trainer.save()


def test_an_alarm_is_logged_and_stops_the_training_only_with_stop_on_alarm(unpaired: Path, changes: Changes) -> None:
    for stop in (False, True):
        settings = changes(unpaired, steps=12, sample_every=2, stop_on_alarm=stop)
        settings["model"]["generator"] = {"network": "identity"}
        trainer = start("cyclegan", settings, f"run-{stop}")
        trainer.monitor.alarms.warmup_steps = 0
        if stop:
            with pytest.raises(TrainingError, match=r"--stop-on-alarm\. A to B"):
                trainer.train()
            assert trainer.step < 12
            saved = trainer.run.load_state()
            assert saved is not None
            assert saved["step"] == trainer.step
        else:
            assert trainer.train() is None
        alarms = [row for row in read_log(trainer.run.path) if "alarm" in row]
        assert sorted(row["direction"] for row in alarms if row["alarm"] == "unchanged") == ["A to B", "B to A"]


def test_spots_in_the_generators_are_logged_and_raise_an_alarm(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norm_spots, "MIN_LOCATIONS", 1)
    monkeypatch.setattr(norm_spots, "spot_share", lambda x: x.new_tensor(0.9))
    trainer = start("cyclegan", changes(unpaired, steps=6, sample_every=2), "run")
    trainer.monitor.alarms.warmup_steps = 0
    trainer.train()
    log = read_log(trainer.run.path)
    assert [row["step"] for row in log if row.get("A to B/spot_share") == 0.9] == [1, 2, 4, 6]
    assert [row["step"] for row in log if row.get("B to A/spot_share") == 0.9] == [1, 2, 4, 6]
    alarms = [row for row in log if row.get("alarm") == "spots"]
    assert [(row["step"], row["direction"]) for row in alarms] == [(4, "A to B"), (4, "B to A")]
    assert "1 % of an image holds 90% of the variance" in alarms[0]["message"]
    assert "--norm-eps 1" in alarms[0]["message"]


def test_the_first_sample_grid_follows_the_first_step(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MIN_SHOWN_SIZE", 128)
    trainer = start("cyclegan", changes(unpaired, steps=2), "run")
    trainer.train()
    names = sorted(path.name for path in (trainer.run.path / "samples").iterdir())
    assert names == ["0000001.png", "0000002.png"]
    with Image.open(trainer.run.path / "samples" / names[0]) as grid:
        assert grid.width == 6 * 128 + 5 * 2


def test_sampling_does_not_change_the_training(unpaired: Path, changes: Changes) -> None:
    often = start("cyclegan", changes(unpaired, sample_every=1), "often")
    often.train()
    never = start("cyclegan", changes(unpaired), "never")
    never.train()
    assert_equal_states(often, never)


def test_the_model_file_holds_the_ema_translators_and_their_metadata(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=3), "run")
    trainer.train()
    model_file = load_model_file(trainer.run.weights_path)
    assert trainer.ema is not None
    for direction in ("AtoB", "BtoA"):
        for name, value in trainer.ema.module[direction].state_dict().items():
            assert torch.equal(model_file.state_dict(direction)[name], value)
    assert model_file.info.directions == ("AtoB", "BtoA")
    assert model_file.info.steps == 3
    assert model_file.info.data.image_counts == (5, 4)
    # A model file is shared and must not contain paths.
    assert str(unpaired) not in json.dumps(model_file.info.to_metadata())


def test_the_model_file_names_the_direction_of_reversed_pairs(paired: Path, changes: Changes) -> None:
    settings = changes(paired, steps=1)
    settings["data"]["direction"] = "BtoA"
    trainer = start("pix2pix", settings, "run")
    trainer.train()
    assert load_model_info(trainer.run.weights_path).directions == ("BtoA",)


def test_the_log_contains_the_probability_of_ada(unpaired: Path, changes: Changes) -> None:
    settings = changes(unpaired, steps=8, batch_size=2)
    settings["model"]["adversarial"] = {"augment": "ada", "ada_target": 0.01, "ada_images": 16}
    trainer = start("cyclegan", settings, "run")
    trainer.train()
    probabilities = [row["augment_a/p"] for row in read_log(trainer.run.path) if "lr" in row]
    assert len(probabilities) == 4
    assert all(0 <= p <= 1 for p in probabilities)
    assert probabilities[-1] == float(trainer.method.augment_a.p)  # type: ignore[union-attr, arg-type]


def test_the_ema_uses_its_decay_after_the_warm_up(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, ema=0.5), "run")
    assert trainer.ema is not None
    name = "AtoB.to_rgb.1.weight"
    before = trainer.ema.module.state_dict()[name].clone()
    trainer.step = 1000
    trainer.ema.update(trainer.step)
    now = trainer.method.state_dict()["G.to_rgb.1.weight"]
    assert torch.allclose(trainer.ema.module.state_dict()[name], (before + now) / 2)


def test_the_identity_network_can_be_trained(unpaired: Path, changes: Changes) -> None:
    settings = changes(unpaired, steps=2)
    settings["model"]["generator"] = {"network": "identity"}
    trainer = start("cyclegan", settings, "run")
    assert trainer.train() is None


def test_an_empty_run_folder_can_be_used(unpaired: Path, changes: Changes) -> None:
    (Path("checkpoints") / "run" / "samples").mkdir(parents=True)
    assert start("cyclegan", changes(unpaired), "run").step == 0


def test_a_run_is_named_after_its_dataset_with_dashes_for_special_characters(unpaired: Path, changes: Changes) -> None:
    odd = unpaired.rename(unpaired.parent / "my photos (été)")
    trainer = launch.new_training("cyclegan", None, changes(odd), None, TrainingProgress())
    assert trainer.run.path.name == "my-photos-t-cyclegan"
