"""The state of a training: collected from a trainer, checked, and restored."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2i.device import rng_state, set_rng_state
from i2i.errors import RunError

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

logger = logging.getLogger(__name__)

_FIELDS: dict[str, type | tuple[type, ...]] = {  # of a state of any version
    "step": int, "elapsed": (int, float), "fingerprint": str, "method": Mapping, "optimizers": Mapping,
    "ema": (Mapping, type(None)), "monitor": Mapping, "rng": Tensor,
}  # fmt: skip
_ABSENT_IN_OLD_STATES = {"elapsed"}


def collect_state(trainer: "Trainer") -> dict[str, Any]:
    """Return all that an exact resume needs."""
    return {
        "step": trainer.step,
        "elapsed": trainer.time_budget.elapsed if trainer.config.max_hours else 0.0,  # an exact state has no times
        "fingerprint": trainer.info.data.fingerprint,
        "method": trainer.method.state_dict(),
        "optimizers": trainer.train_step.state_dict(),
        "ema": trainer.ema.module.state_dict() if trainer.ema is not None else None,
        "monitor": trainer.monitor.state_dict(),
        "validator": trainer.validator.state_dict() if trainer.validator is not None else None,
        "losses": trainer.loss_means.state_dict(),
        "memory": trainer.memory.state_dict(),
        "unreadable": trainer.unreadable.state_dict(),
        **rng_state(trainer.device),
    }


def restore_state(trainer: "Trainer", state: Mapping[str, Any], *, allow_changed_data: bool) -> str:
    """Restore a state that ``collect_state`` returned.

    Returns: a message if the training images differ from those of the state, else "".

    Raises:
        RunError: it was saved with other networks, or with other data without ``allow_changed_data``, or it is not
            usable.
    """
    run = trainer.run.path
    check_fields(state, run)
    change = ""
    if state["fingerprint"] != trainer.info.data.fingerprint:
        change = describe_changed_data(state, trainer.dataset.layout.root, allowed=allow_changed_data)
    with state_errors(run):
        trainer.method.load_state_dict(state["method"])
        trainer.train_step.load_state_dict(state["optimizers"])
        if trainer.ema is not None:
            trainer.ema.module.load_state_dict(state["ema"])
        trainer.monitor.load_state_dict(state["monitor"])
        if trainer.validator is not None:
            trainer.validator.load_state_dict(state.get("validator"))
        trainer.unreadable.load_state_dict(state.get("unreadable") or {})
        trainer.memory.load_state_dict(state.get("memory") or {})
        trainer.loss_means.load_state_dict(state.get("losses") or {}, trainer.device)
        set_rng_state(state, trainer.device)
    trainer.step = state["step"]
    trainer.time_budget.elapsed = float(state.get("elapsed", 0.0))
    return change


def check_fields(state: Mapping[str, Any], run: Path) -> None:
    """Raise RunError if a field of a state is missing or has the wrong type."""
    for name, kind in _FIELDS.items():
        if name not in state and name in _ABSENT_IN_OLD_STATES:
            continue
        if name not in state or not isinstance(state[name], kind) or isinstance(state[name], bool):
            found = type(state[name]).__name__ if name in state else "nothing"
            raise RunError(f"The state of {run} is not usable: its field {name!r} holds {found}.")
    if not 0 <= state["step"] < 2**63:
        raise RunError(f"The state of {run} is not usable: its step is {state['step']}.")


def describe_changed_data(state: Mapping[str, Any], root: Path, *, allowed: bool) -> str:
    """Return the message that a run continues with other training images. Raise RunError if that is not allowed."""
    difference = (
        f"The training images of {root} differ from those at step {state['step']} of this run: files were added, "
        "removed or resized."
    )
    if not allowed:
        raise RunError(
            f"{difference} Restore them, give --allow-changed-data to go on with the present images, or start a new "
            "run with another --name."
        )
    logger.warning("%s The training goes on with the present images.", difference)
    return difference


def check_optimizer(optimizer: torch.optim.Optimizer, player: str) -> None:
    """Raise ValueError if a tensor in the state of an optimizer has neither the shape of its weight nor none."""
    for weight, tensors in optimizer.state.items():
        for name, tensor in tensors.items():
            if isinstance(tensor, Tensor) and tensor.dim() and tensor.shape != weight.shape:
                shapes = f"{tuple(tensor.shape)}, not {tuple(weight.shape)}"
                raise ValueError(f"{name} in the optimizer of {player} has the shape {shapes}")


@contextmanager
def state_errors(run: Path) -> Iterator[None]:
    """Turn what torch raises for a state of other networks into a RunError."""
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        reason = str(error).strip().split("\n\n")[0]
        raise RunError(f"The state of {run} does not fit its config.json: {reason}.") from error
