"""Out of memory in training: the batch is split further, and the step is repeated."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from i2i.checkpoints.log import read_log
from i2i.errors import ConfigError, TrainingError
from i2i.training.trainer import Trainer
from tests.conftest import write_unpaired
from tests.training.test_trainer import Changes, logged_steps, resume, start

FULL = "CUDA out of memory. Tried to allocate 20.00 MiB."


def limit_batch(trainer: Trainer, module: nn.Module, limit: int, error: Exception, from_step: int = 0) -> list[int]:
    """Raise an error in a module for more images than ``limit``, from a step on. Return the steps of the errors."""
    steps: list[int] = []

    def check(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > limit and trainer.step >= from_step:
            steps.append(trainer.step)
            raise error

    module.register_forward_pre_hook(check)
    return steps


def settings(changes: Changes, data: Path, **training: Any) -> dict[str, Any]:
    result = changes(data, **{"steps": 4, "batch_size": 4, "log_every": 1, **training})
    result["model"]["generator"]["dropout"] = 0.0
    if data.name == "two":  # unpaired
        result["model"]["weight_identity"] = 0.0  # with it, a generator takes the images of both domains together
    else:
        result["model"]["discriminator"] = {**result["model"]["discriminator"], "norm": "instance"}
    return result


def step_rows(trainer: Trainer) -> list[dict[str, Any]]:
    return [row for row in read_log(trainer.run.path) if "lr" in row]


def oom_rows(trainer: Trainer) -> list[str]:
    return [row["out_of_memory"] for row in read_log(trainer.run.path) if "out_of_memory" in row]


ERRORS: dict[str, Callable[[], Exception]] = {
    "cuda": lambda: torch.OutOfMemoryError(FULL),
    "cpu": lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: not enough memory"),
    "oneDNN": lambda: RuntimeError("could not create a primitive"),
    "fork": lambda: OSError(errno.ENOMEM, "Cannot allocate memory"),
    "python": MemoryError,
}


@pytest.fixture(scope="module")
def whole(changes: Changes, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """The state after 4 steps of ``settings`` with enough memory, and the rows of their log."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trainer = start("cyclegan", settings(changes, write_unpaired(folder / "two")), "whole")
        trainer.train()
        return trainer.method.state_dict(), step_rows(trainer)


@pytest.mark.parametrize("kind", ERRORS)
def test_a_step_that_runs_out_of_memory_is_repeated_in_parts_with_equal_results(
    kind: str,
    whole: tuple[dict[str, torch.Tensor], list[Any]],
    unpaired: Path,
    changes: Changes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    split = start("cyclegan", settings(changes, unpaired), "split")
    steps = limit_batch(split, split.method.F, 2, ERRORS[kind]())  # type: ignore[arg-type]
    assert split.train() is None
    assert steps == [0]
    assert logged_steps(split) == [1, 2, 3, 4]
    (message,) = oom_rows(split)
    assert "Out of memory in step 1" in message
    assert "the 4 images of a step are computed 2 at a time" in message
    assert message in caplog.messages
    expected, expected_rows = whole
    for name, value in expected.items():
        torch.testing.assert_close(split.method.state_dict()[name], value, rtol=1e-4, atol=1e-4, msg=name)
    for row, other in zip(expected_rows, step_rows(split), strict=True):
        assert row["G/cycle_a"] == pytest.approx(other["G/cycle_a"], rel=1e-4)


def test_memory_that_runs_out_after_a_turn_undoes_the_turn(paired: Path, changes: Changes) -> None:
    whole = start("pix2pix", settings(changes, paired, optimizer="rmsprop", lr=1e-4), "whole")
    whole.train()
    split = start("pix2pix", settings(changes, paired, optimizer="rmsprop", lr=1e-4), "split")
    adversarial = split.method.adversarial  # type: ignore[union-attr]
    generator_loss, calls = adversarial.generator, []  # type: ignore[union-attr]

    def fail_once(discriminator: Any, fake: torch.Tensor, real: torch.Tensor) -> Any:
        calls.append(len(real))
        if len(calls) == 1:  # D has made its optimizer step
            raise torch.OutOfMemoryError(FULL)
        return generator_loss(discriminator, fake, real)

    adversarial.generator = fail_once  # type: ignore[union-attr, method-assign]
    split.train()
    assert calls[:3] == [4, 2, 2]
    steps = [int(state["step"]) for state in split.train_step.state_dict()["D"]["state"].values()]
    assert set(steps) == {4}
    for name, value in whole.method.state_dict().items():
        torch.testing.assert_close(split.method.state_dict()[name], value, rtol=1e-3, atol=1e-3, msg=name)


def test_a_step_of_a_kind_that_fitted_before_returns_to_the_last_saved_state(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", settings(changes, unpaired), "run")
    steps = limit_batch(trainer, trainer.method.G, 1, torch.OutOfMemoryError(FULL), from_step=2)  # type: ignore[arg-type]
    trainer.train()
    assert steps == [2, 2]  # with 4 images, and again with 2
    assert "went back to step 0, the last saved state" in oom_rows(trainer)[0]
    assert logged_steps(trainer) == [1, 2, 3, 4]
    assert trainer.memory.images_at_once == 1


def test_the_split_is_remembered_over_a_resume(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", settings(changes, unpaired), "run")
    limit_batch(trainer, trainer.method.G, 2, torch.OutOfMemoryError(FULL))  # type: ignore[arg-type]
    trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {"training": {"steps": 5}}, "run")
    assert (resumed.memory.images_at_once, resumed.memory.halvings) == (2, 1)
    resumed.train()
    assert oom_rows(resumed) == oom_rows(trainer)
    resumed.run.unlock()
    other = resume("cyclegan", {"training": {"steps": 6, "batch_size": 1, "accumulate": 4}}, "run")
    assert (other.memory.images_at_once, other.memory.halvings) == (1, 1)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_memory_that_is_too_small_is_an_error_that_names_what_to_lower(
    batch_size: int, unpaired: Path, changes: Changes
) -> None:
    trainer = start("cyclegan", settings(changes, unpaired, batch_size=batch_size), "run")
    limit_batch(trainer, trainer.method.G, 0, torch.OutOfMemoryError(FULL))  # type: ignore[arg-type]
    advice = r"1 image at a time does not fit\. To go on, add --checkpoint-activations.*lower --size"
    if batch_size > 1:
        advice = r"split 3 times already\. To go on, resume with --batch-size 1 --accumulate 16, add"
    with pytest.raises(TrainingError, match=advice):
        trainer.train()
    assert len(oom_rows(trainer)) == (3 if batch_size > 1 else 0)
    trainer.run.unlock()
    assert resume("cyclegan", {}, "run").step == 0


def test_an_odd_batch_is_split_into_unequal_parts(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", settings(changes, unpaired, batch_size=3), "run")
    sizes: list[int] = []
    trainer.method.D_A.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))  # type: ignore[union-attr, operator]
    limit_batch(trainer, trainer.method.F, 2, torch.OutOfMemoryError(FULL))  # type: ignore[arg-type]
    trainer.train()
    assert set(sizes) == {1, 2, 4}  # D takes real and fake images together in its turn


def test_other_errors_are_raised(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", settings(changes, unpaired), "run")
    limit_batch(trainer, trainer.method.G, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.train()


def test_samples_without_memory_are_left_out(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", settings(changes, unpaired), "run")

    def no_memory(*_: Any) -> Any:
        raise torch.OutOfMemoryError(FULL)

    monkeypatch.setattr(trainer.method, "sample_images", no_memory)
    assert trainer.train() is None
    assert any("out of memory for a sample grid, which is left out" in message for message in caplog.messages)


def test_batch_norm_in_parts_is_said(paired: Path, changes: Changes, caplog: pytest.LogCaptureFixture) -> None:
    options = settings(changes, paired, batch_size=2, accumulate=2, steps=1)
    options["model"]["discriminator"]["norm"] = "batch"
    start("pix2pix", options, "run")
    assert any("batch norm" in message and "2 images" in message for message in caplog.messages)


def test_a_resume_may_split_the_batch_in_another_way_but_not_change_it(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", settings(changes, unpaired, steps=2), "run")
    trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {"training": {"steps": 3, "batch_size": 2, "accumulate": 2}}, "run")
    assert resumed.memory.images_at_once == 2
    resumed.run.unlock()
    with pytest.raises(ConfigError, match=r"has 4 images .*, not 8"):
        resume("cyclegan", {"training": {"batch_size": 2, "accumulate": 4}}, "run")
