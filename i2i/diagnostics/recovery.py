"""Recovery from non-finite losses or gradients: a limited number of rollbacks, each with half the learning rate."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from i2i.diagnostics.suggestions import Settings, suggest_flags, use_hinge_and_r1

MAX_ROLLBACKS = 3
MAX_FILES_LISTED = 8


@dataclass(frozen=True)
class Decision:
    """The action after a non-finite step, and the message for the user."""

    action: Literal["roll back", "stop"]
    message: str


class Recovery:
    """Counts the rollbacks of a training and decides whether to roll back once more.

    A step that is repeated exactly fails again, so each rollback halves the learning rate (``lr_factor``). A rollback
    does not reset the count.

    Args:
        settings: the training's flags and their values, from ``flag_values``.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rollbacks = 0

    @property
    def lr_factor(self) -> float:
        """Factor on the scheduled learning rate."""
        return 0.5**self.rollbacks

    def on_nonfinite(
        self, step: int, names: Iterable[str], good_step: int | None, files: Iterable[object] = ()
    ) -> Decision:
        """Decide what to do after a step with non-finite values.

        Args:
            step: index of the failing step, from 0.
            names: the losses, weights and gradients that are not finite.
            good_step: step of the last saved state; None if there is none.
            files: the images of the failing step.
        """
        failure = _describe_failure(step, list(names), [str(file) for file in files])
        if good_step is not None and self.rollbacks < MAX_ROLLBACKS:
            self.rollbacks += 1
            return Decision(
                "roll back",
                f"{failure}. Rolled back to step {good_step}, with {self.lr_factor:g} times the learning rate "
                f"(rollback {self.rollbacks} of {MAX_ROLLBACKS}).",
            )
        if good_step is None:
            reason = "There is no good state to roll back to"
        else:
            reason = f"The training was rolled back {MAX_ROLLBACKS} times already"
        return Decision("stop", f"{failure}. {reason}: check the images, {self._suggestion()}.")

    def _suggestion(self) -> str:
        lr = self.settings["lr"] * self.lr_factor / 2
        resume = f"continue by --resume with --lr {lr:g} --precision float32"
        if use_hinge_and_r1(self.settings):
            return f"{resume}, or {suggest_flags((use_hinge_and_r1,), self.settings)}"
        return resume

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.rollbacks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rollbacks = int(state["count"])


def _describe_failure(step: int, names: list[str], files: list[str]) -> str:
    name = names[0] if names else "A loss or a gradient"
    more_names = f" and {len(names) - 1} more" if len(names) > 1 else ""
    failure = f"{name}{more_names} was not finite in step {step + 1}"
    if not files:
        return failure
    more_files = f" and {len(files) - MAX_FILES_LISTED} more" if len(files) > MAX_FILES_LISTED else ""
    return f"{failure} (images: {', '.join(files[:MAX_FILES_LISTED])}{more_files})"


def nonfinite_names(losses: Mapping[str, Tensor], network: nn.Module | None = None) -> list[str]:
    """Return the names of the losses, and of the network's weights and gradients, that are not finite.

    Waits for the device.
    """
    named = dict(losses)
    for name, weight in network.named_parameters() if network is not None else ():
        named[name] = weight.detach()
        if weight.grad is not None:
            named[f"the gradient of {name}"] = weight.grad
    return [name for name, value in named.items() if not value.isfinite().all()]
