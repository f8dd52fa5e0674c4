"""The models of a choice, and the trial of one."""

from collections.abc import Callable
from dataclasses import dataclass

from i2i.inference.auto.models import RestorationModel


@dataclass(frozen=True)
class Step:
    """One model of a choice.

    Attributes:
        model: the model.
        reason: what of the photo it is for, such as "noise of σ 12.1".
        strength: of the degradation, for a model that takes it as input; else None.
    """

    model: RestorationModel
    reason: str
    strength: float | None = None

    @property
    def name(self) -> str:
        """The name of the model, with its strength, as in a chain."""
        return self.model.name if self.strength is None else f"{self.model.name}:{self.strength:g}"


@dataclass(frozen=True)
class Trial:
    """What a denoising model takes off a photo.

    Attributes:
        model: its name, with its strength if it takes one.
        removed: σ of what it takes off, in grey levels, where the photo is neither black nor white nor transparent.
    """

    model: str
    removed: float


TryModel = Callable[[Step], Trial]  # tries the denoising model of a step on a photo
