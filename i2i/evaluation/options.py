"""What is judged on what, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2i.data.resize import Fit
from i2i.errors import ConfigError, UsageError
from i2i.evaluation.metric_specs import COLUMNS
from i2i.evaluation.models import Setting, Which


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks for.

    strength: of the damage that restoration models are to undo, by default the middle of its range.
    votes: a file with votes of the demo's Judge tab, by default the one beside the runs.
    data: a dataset, by default the one that the first model was trained on. size: pixels a side to which all pictures
    are brought; 0: as they are; None: the largest training size among the models. by: the measure that ranks.
    """

    models: Sequence[str]
    data: str | None = None
    direction: str | None = None
    split: str | None = None
    count: int | None = None
    size: int | None = None
    fit: Fit | None = None
    by: str | None = None
    which: Which = "both"
    cycle: bool = True
    seed: int = 0
    gallery: bool = False
    votes: Path | None = None
    strength: float | None = None
    setting: Setting = field(default_factory=Setting)

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("Which model? Name at least one, or identity.")
        if self.by is not None and (self.by not in COLUMNS or COLUMNS[self.by].better == "neither"):
            raise ConfigError(f"by is {self.by!r}; it must be one of {', '.join(_rankable())}.")
        if self.count is not None and self.count < 2:
            raise ConfigError(f"count is {self.count}; it must be 2 or above.")
        if self.size is not None and not (self.size == 0 or 8 <= self.size <= 8192):
            raise ConfigError(f"size is {self.size}; it must be 0 (as they are) or from 8 to 8192.")


def _rankable() -> list[str]:
    return [column.name for column in COLUMNS.values() if column.better != "neither"]
