"""What people said in the demo's blind test."""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i.checkpoint import root
from i2i.errors import UsageError

FILE = "votes.sqlite"
REAL = "real"
REAL_ONES = "real pictures"
Z = 1.959964  # of the normal distribution, at 95 %


@dataclass(frozen=True)
class Tally:
    """How many of ``votes`` went one way. other: the model it was held against; "" where people were to tell real
    pictures from translations, and ``for_it`` counts those taken for real.

    The tally of REAL_ONES is what no translation can be better than.
    """

    model: str
    other: str
    for_it: int
    votes: int
    people: int

    @property
    def rate(self) -> float:
        return self.for_it / self.votes

    def interval(self) -> tuple[float, float]:
        """Of the rate, at 95 % (Wilson 1927)."""
        n, p = self.votes, self.rate
        middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def text(self) -> str:
        low, high = self.interval()
        how = f"preferred to {self.other}" if self.other else "taken for real"
        verb = "were" if self.model == REAL_ONES else "was"
        return (
            f"{self.model} {verb} {how} in {self.for_it} of {self.votes} votes by {self.people} people: "
            f"{self.rate:.0%} [{low:.0%}, {high:.0%}]"
        )

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "other": self.other or None, "for": self.for_it, "votes": self.votes,
                "people": self.people, "rate": self.rate, "interval": list(self.interval())}  # fmt: skip


def read_votes(path: Path | None, models: Iterable[str]) -> list[Tally]:
    """The tallies of ``models``, from a file, or from the usual one where there is one.

    Raises UsageError where a file that was asked for is missing, or holds no votes.
    """
    chosen = path or root() / FILE
    if not chosen.is_file():
        if path is not None:
            raise UsageError(f"{path} does not exist. The demo's Judge tab keeps its votes in {FILE}.")
        return []
    try:
        with sqlite3.connect(f"file:{chosen.resolve().as_posix()}?mode=ro", uri=True) as base:
            rows = base.execute("SELECT session, model_a, model_b, truth, answer FROM votes ORDER BY time").fetchall()
    except sqlite3.Error as error:
        raise UsageError(f"{chosen} holds no votes of the demo's Judge tab: {error}.") from error
    finally:
        if "base" in locals():
            base.close()
    wanted, found = set(models), _tallies(rows)
    about = [tally for tally in found if {tally.model, tally.other} & wanted]
    anchors = [tally for tally in found if tally.model == REAL_ONES and any(not other.other for other in about)]
    return about + anchors


def _tallies(rows: Sequence[tuple[Any, ...]]) -> list[Tally]:
    """truth: "real" or "translated", and the answer alike; empty where two models were compared and the answer names
    the one that was preferred."""
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    for session, one, other, truth, answer in rows:
        if not one or not answer:
            continue
        key = (REAL_ONES if truth == REAL else str(one), "" if truth else str(other))
        counts[key].append(answer == (REAL if truth else one))
        people[key].add(str(session))
    return [Tally(*key, sum(votes), len(votes), len(people[key])) for key, votes in counts.items()]
