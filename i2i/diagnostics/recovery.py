"""What to do when a loss or a gradient is not finite: never go on from it, and not for ever back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from i2i.diagnostics.suggestions import Settings, prescribe, steadier_game

MOST = 3  # times that a training is taken back


@dataclass(frozen=True)
class Verdict:
    """What to do now, and how it is said."""

    action: Literal["roll back", "stop"]
    sentence: str


class Setbacks:
    """Counts how often a training was taken back to its last good state, and decides whether it is once more.

    The count belongs to the training, and is not taken back with it. Since a step is played again exactly as it was,
    each time the learning rate is halved (``lr_factor``).
    """

    def __init__(self, settings: Settings) -> None:
        """settings: the training's flags with their values, as ``settings_of`` gives them."""
        self.settings, self.count = settings, 0

    @property
    def lr_factor(self) -> float:
        """By what the schedule's learning rate is multiplied."""
        return 0.5**self.count

    def decide(self, step: int, what: Iterable[str], good: int | None, files: Iterable[object] = ()) -> Verdict:
        """After the first ``step`` steps, ``what`` (losses, weights' gradients) was not finite in the next one.

        good: the step of the last good state, if there is one. files: the pictures of the step.
        """
        named, seen = list(what), [str(file) for file in files]
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        found = f"{named[0] if named else 'A loss or a gradient'}{more} was not finite in step {step + 1}"
        if seen:
            found += f" (pictures: {', '.join(seen[:8])}{f' and {len(seen) - 8} more' if len(seen) > 8 else ''})"
        if good is not None and self.count < MOST:
            self.count += 1
            return Verdict("roll back", f"{found}; back to step {good}, with {self.lr_factor:g} of the learning rate "
                                        f"({self.count} of {MOST} times).")  # fmt: skip
        why = "there is no good state to go back to" if good is None else f"it has been taken back {MOST} times"
        return Verdict("stop", f"{found}, and {why}: look at the pictures, {self._advice()}.")

    def _advice(self) -> str:
        lr = self.settings["lr"] * self.lr_factor / 2
        other = f", or {prescribe((steadier_game,), self.settings)}" if steadier_game(self.settings) else ""
        return f"go on by --resume with --lr {lr:g} --precision float32{other}"

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = int(state["count"])


def broken(losses: Mapping[str, Tensor], network: nn.Module | None = None) -> list[str]:
    """The names of the losses, and of the network's weights and gradients, that are not finite; waits for them."""
    named = dict(losses)
    for name, weight in network.named_parameters() if network is not None else ():
        named[name] = weight.detach()
        if weight.grad is not None:
            named[f"the gradient of {name}"] = weight.grad
    return [name for name, value in named.items() if not value.isfinite().all()]
