"""What each kind of attack has in common."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from tests.faults.operations import Shared

LOST = "lost"  # what a user had is gone, or cannot be continued
WRONG = "wrong"  # a traceback, a result that differs, a file outside its place, a leftover


@dataclass(frozen=True)
class Failure:
    """What went wrong in a round.

    Attributes:
        verdict: "lost" or "wrong".
        what: what was found and what was expected.
        fault: what was done to i2i: the moment of the kill, the damaged byte, the hostile file.
    """

    verdict: Literal["lost", "wrong"]
    what: str
    fault: str = ""


class Attack:
    """One kind of attack.

    Args:
        folder: a new folder for what the rounds share.
        shared: datasets, and the results of uninterrupted commands.
    """

    name: ClassVar[str]
    runs_in_child: ClassVar[bool] = False  # many rounds run in one child process; else each round makes its own

    fault = ""  # what the present round does, for the report of an exception
    kills = 0  # processes that were killed so far

    def __init__(self, folder: Path, shared: "Shared") -> None:
        self.folder = folder
        self.shared = shared
        folder.mkdir(parents=True, exist_ok=True)

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        """Attack once. Return None if i2i held.

        Args:
            index: number of the round.
            rng: depends on the seed, the kind and the number of the round only.
            folder: a new empty folder, which is kept after a failure.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop what the rounds share."""
