import dataclasses
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from i2i.checkpoints.log import read_log
from i2i.checkpoints.run import load_bundle, load_header
from i2i.errors import ConfigError, I2IError, PictureError, RunError, TrainingError
from i2i.recipes import RECIPES, launch
from i2i.training.config import TrainingConfig
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

Changes = Callable[..., dict[str, Any]]


def start(objective: str, changes: dict[str, Any], name: str) -> Trainer:
    return launch.start(objective, "paper", changes, name, TrainingProgress())


def resume(objective: str, changes: dict[str, Any], name: str) -> Trainer:
    return launch.resume(objective, None, changes, name, TrainingProgress())


def logged(trainer: Trainer) -> list[int]:
    """The steps of the log's rows of losses."""
    return [row["step"] for row in read_log(trainer.run.path) if "lr" in row]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.objective.state_dict().items()}


def assert_equal_states(one: Trainer, other: Trainer) -> None:
    def flat(value: Any, where: str = "") -> dict[str, Any]:
        if isinstance(value, dict):
            return {k: v for key, item in value.items() for k, v in flat(item, f"{where}/{key}").items()}
        return {where: value}

    a, b = flat(one.state()), flat(other.state())
    assert a.keys() == b.keys()
    for key in a:
        equal = torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key]
        assert equal, key


@pytest.mark.parametrize("objective", ["cyclegan", "pix2pix"])
def test_a_training_stopped_and_resumed_is_bit_equal_to_an_uninterrupted_one(
    objective: str, unpaired: Path, paired: Path, changes: Changes
) -> None:
    wanted = changes(unpaired if objective == "cyclegan" else paired, steps=9)
    if objective == "cyclegan":
        wanted["model"]["pool"] = 3
    whole = start(objective, wanted, "whole")
    whole.train()

    part = start(objective, wanted, "part")
    train_step = part._train_step

    def interrupted(batch: Any) -> None:
        train_step(batch)
        if part.step == 4:
            signal.raise_signal(signal.SIGTERM)

    part._train_step = interrupted  # type: ignore[method-assign]
    assert part.train() == signal.SIGTERM
    assert part.step == 4
    part.run.unlock()
    torch.manual_seed(99)  # whatever the ambient generator was left at
    resumed = resume(objective, {}, "part")
    assert resumed.step == 4
    resumed.train()

    assert_equal_states(whole, resumed)
    assert logged(resumed) == [2, 4, 6, 8, 9]


def test_after_a_crash_the_log_is_cut_back_to_the_state(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=4), "run")
    trainer.train()
    with (trainer.run.path / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lr": 0.1}\n{"step": 8, "l')
    trainer.run.unlock()
    resume("cyclegan", {"training": {"steps": 6}}, "run").train()
    assert logged(trainer) == [2, 4, 6]


def test_a_damaged_newest_state_falls_back_to_the_one_before(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=3, save_minutes=0.0), "run")
    trainer.train()
    trainer.run.unlock()
    (trainer.run.path / "state.pt").write_bytes(b"cut off")
    assert resume("cyclegan", {}, "run").step == 2


def test_a_run_killed_before_its_first_state_starts_over(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired), "run").run.unlock()
    assert resume("cyclegan", {}, "run").step == 0


def test_an_existing_run_is_never_overwritten(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired), "run")
    with pytest.raises(RunError, match="--resume"):
        start("cyclegan", changes(unpaired), "run")


def test_two_processes_cannot_train_one_run(unpaired: Path, changes: Changes) -> None:
    holder = start("cyclegan", changes(unpaired), "run")
    with pytest.raises(RunError, match="another process"):
        resume("cyclegan", {}, "run")
    holder.run.unlock()
    resume("cyclegan", {}, "run")


def test_a_resume_that_would_change_the_method_is_refused_with_both_values(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired), "run").run.unlock()
    with pytest.raises(ConfigError, match=r"model\.weight_cycle = 10\.0, not 5\.0"):
        resume("cyclegan", {"model": {"weight_cycle": 5.0}}, "run")


def test_a_resume_on_other_pictures_is_refused(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=1), "run")
    trainer.train()
    trainer.run.unlock()
    (unpaired / "trainA" / "000.png").unlink()
    with pytest.raises(RunError, match="files came, went"):
        resume("cyclegan", {}, "run")


def test_a_file_that_breaks_in_mid_training_stops_it_with_everything_saved(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=50), "run")
    for path in (unpaired / "trainA").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PictureError, match="damaged"):
        trainer.train()
    assert trainer.run.load_state() is not None


def test_a_full_disk_is_told_and_keeps_what_was_saved(
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


def spoil(trainer: Trainer, step: int, times: int) -> None:
    """Put NaN into the weights before a step, each of the first ``times`` that it is played."""
    train_step, left = trainer._train_step, [None] * times

    def spoilt(batch: Any) -> None:
        if trainer.step == step and left:
            left.pop()
            with torch.no_grad():
                next(trainer.objective.parameters()).fill_(math.nan)
        train_step(batch)

    trainer._train_step = spoilt  # type: ignore[method-assign]


def test_a_training_that_breaks_once_is_taken_back_and_goes_on_more_slowly(
    unpaired: Path, changes: Changes, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=8, save_minutes=0.0), "run")
    spoil(trainer, step=3, times=1)
    assert trainer.train() is None
    assert trainer.step == 8
    assert logged(trainer) == [2, 4, 6, 8]
    (told,) = [row["setback"] for row in read_log(trainer.run.path) if "setback" in row]
    assert "not finite in step 4" in told
    assert "trainA" in told
    assert "back to step 3, with 0.5 of the learning rate (1 of 3 times)" in told
    assert told in capsys.readouterr().err.replace("\n", "")
    assert trainer.lr(0) == pytest.approx(trainer.config.lr / 2)
    trainer.run.unlock()
    resumed = resume("cyclegan", changes(unpaired, steps=9), "run")
    assert resumed.lr(0) == pytest.approx(resumed.config.lr / 2)


def test_a_training_that_breaks_again_and_again_stops_with_its_last_good_state(
    unpaired: Path, changes: Changes
) -> None:
    trainer = start("cyclegan", changes(unpaired, save_minutes=0.0), "run")
    spoil(trainer, step=3, times=9)
    with pytest.raises(TrainingError, match=r"not finite in step 4 .*taken back 3 times.*last good state"):
        trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {}, "run")
    assert resumed.step == 3
    assert all(weight.isfinite().all() for weight in resumed.objective.state_dict().values())


def test_weights_that_are_not_finite_are_never_saved(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired), "run")
    with torch.no_grad():
        next(trainer.objective.parameters()).fill_(math.nan)
    with pytest.raises(TrainingError, match="not finite"):
        trainer.save()


def test_an_alarm_is_logged_and_ends_the_training_only_where_asked(unpaired: Path, changes: Changes) -> None:
    for stop in (False, True):
        wanted = changes(unpaired, steps=12, sample_every=2, stop_on_alarm=stop)
        wanted["model"]["generator"] = {"network": "identity"}
        trainer = start("cyclegan", wanted, f"run-{stop}")
        trainer.watch.doctor.youth = 0
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


def test_the_first_sample_grid_follows_the_first_step(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2), "run")
    trainer.train()
    names = sorted(path.name for path in (trainer.run.path / "samples").iterdir())
    assert names == ["0000001.png", "0000002.png"]
    with Image.open(trainer.run.path / "samples" / names[0]) as grid:
        assert grid.width == 6 * 128 + 5 * 2


def test_sampling_changes_nothing_of_the_training(unpaired: Path, changes: Changes) -> None:
    often = start("cyclegan", changes(unpaired, sample_every=1), "often")
    often.train()
    never = start("cyclegan", changes(unpaired), "never")
    never.train()
    assert_equal_states(often, never)


def test_the_bundle_holds_the_averaged_translators_and_all_it_takes(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=3), "run")
    trainer.train()
    bundle = load_bundle(trainer.run.bundle_path)
    assert trainer.ema is not None
    for direction in ("AtoB", "BtoA"):
        for name, value in trainer.ema.average[direction].state_dict().items():
            assert torch.equal(bundle.of(direction)[name], value)
    assert bundle.header["directions"] == ["AtoB", "BtoA"]
    assert bundle.header["steps"] == 3
    assert bundle.header["data"]["pictures"] == [5, 4]
    assert str(unpaired) not in json.dumps(bundle.header)  # a bundle is shared: no paths of its maker


def test_pairs_trained_backwards_are_named_so(paired: Path, changes: Changes) -> None:
    wanted = changes(paired, steps=1)
    wanted["data"]["direction"] = "BtoA"
    trainer = start("pix2pix", wanted, "run")
    trainer.train()
    assert load_header(trainer.run.bundle_path)["directions"] == ["BtoA"]


def test_the_log_tells_how_often_ada_augments(unpaired: Path, changes: Changes) -> None:
    wanted = changes(unpaired, steps=8, batch_size=2)
    wanted["model"]["adversarial"] = {"augment": "ada", "ada_target": 0.01, "ada_pictures": 16}
    trainer = start("cyclegan", wanted, "run")
    trainer.train()
    told = [row["augment_a/p"] for row in read_log(trainer.run.path) if "lr" in row]
    assert len(told) == 4
    assert all(0 <= p <= 1 for p in told)
    assert told[-1] == float(trainer.objective.augment_a.p)  # type: ignore[union-attr, arg-type]


def test_the_ema_starts_as_a_plain_mean_and_then_forgets_at_its_decay(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, ema=0.5), "run")
    assert trainer.ema is not None
    name = "AtoB.to_rgb.1.weight"
    before = trainer.ema.average.state_dict()[name].clone()
    trainer.step = 1000
    trainer.ema.update(trainer.step)
    now = trainer.objective.state_dict()["G.to_rgb.1.weight"]
    assert torch.allclose(trainer.ema.average.state_dict()[name], (before + now) / 2)


def test_the_papers_schedule_is_100_epochs_constant_and_100_falling_to_0() -> None:
    config = RECIPES["cyclegan"]["paper"].training
    factors = [config.lr_factor(epoch * 1334, 1334) for epoch in range(200)]
    assert factors == [1 - max(0, epoch + 1 - 100) / 101 for epoch in range(200)]
    assert config.total_steps(1334) == 266_800


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_schedule_starts_at_1_and_never_rises(schedule: str) -> None:
    config = dataclasses.replace(TrainingConfig(), steps=50, schedule=schedule)
    factors = [config.lr_factor(step, 7) for step in range(50)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == 1 if schedule == "constant" else factors[-1] < 0.05


def test_the_identity_network_goes_through_a_training(unpaired: Path, changes: Changes) -> None:
    wanted = changes(unpaired, steps=2)
    wanted["model"]["generator"] = {"network": "identity"}
    trainer = start("cyclegan", wanted, "run")
    assert trainer.train() is None


def test_an_attempt_that_was_cut_off_before_its_first_file_is_no_obstacle(unpaired: Path, changes: Changes) -> None:
    (Path("checkpoints") / "run" / "samples").mkdir(parents=True)
    assert start("cyclegan", changes(unpaired), "run").step == 0


def test_a_run_is_named_after_its_dataset_with_dashes_for_odd_letters(unpaired: Path, changes: Changes) -> None:
    odd = unpaired.rename(unpaired.parent / "my photos (été)")
    trainer = launch.start("cyclegan", None, changes(odd), None, TrainingProgress())
    assert trainer.run.path.name == "my-photos-t-cyclegan"


def test_a_save_cut_short_before_its_state_is_done_again_by_a_resume(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2), "run")
    with monkeypatch.context() as patch:
        patch.setattr(trainer.run, "save_state", lambda state: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {}, "run")
    resumed.train()
    assert load_header(resumed.run.bundle_path)["steps"] == resumed.step == 2


def test_a_save_of_the_same_step_keeps_the_state_before_it(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2, save_minutes=0.0), "run")
    trainer.train()
    trainer.save()
    (trainer.run.path / "state.pt").unlink()
    state = trainer.run.load_state()
    assert state is not None
    assert state["step"] == 1
