"""What people said in the demo's blind test: one table in one file, written vote by vote and read as tallies."""

import csv
import io
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import root
from i2i.errors import I2IError, UsageError

FILE = "votes.sqlite"
REAL, TRANSLATED = "real", "translated"
SIDES = {"AtoB": "A to B", "BtoA": "B to A"}
PATIENCE = 20.0  # seconds that a vote waits for others to be written
Z = 1.959964  # of the normal distribution, at 95 %


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A row of the table, whose columns are these fields.

    kind: "pair": a real picture and one translated by ``model_a``, and which of them is real was asked. ``truth`` is
    "translated", and the answer what that one was taken for. "models": the same picture through ``model_a`` and
    ``model_b``; ``truth`` is "" and the answer names the model that was preferred. exposure: seconds for which they
    were shown; None: until the answer. picture: the input's name. seconds: from showing them to the answer.
    """

    time: str
    session: str
    kind: str
    model_a: str
    model_b: str
    direction: str
    exposure: float | None
    picture: str
    truth: str
    answer: str
    seconds: float


COLUMNS = tuple(field.name for field in fields(Vote))


def votes_file() -> Path:
    """The usual one, in the checkpoints' folder."""
    return root() / FILE


@dataclass(frozen=True)
class Tally:
    """How many of ``votes`` went one way. other: the model it was held against; "" where people were to tell real
    pictures from translations, and ``for_it`` counts those taken for real: half of them, where nobody can tell.

    exposure: seconds for which pairs were shown; None: until the answer.
    """

    model: str
    other: str
    for_it: int
    votes: int
    people: int
    direction: str = "AtoB"
    exposure: float | None = 1.0

    @property
    def rate(self) -> float:
        return self.for_it / self.votes

    def interval(self) -> tuple[float, float]:
        """Of the rate, at 95 % (Wilson 1927)."""
        n, p = self.votes, self.rate
        middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def shown(self) -> str:
        """Such as "shown for 1 s"."""
        return "shown until the answer" if self.exposure is None else f"shown for {self.exposure:g} s"

    def text(self) -> str:
        low, high = self.interval()
        how = f"preferred to {self.other}" if self.other else "taken for the real one of a pair"
        people = "1 person" if self.people == 1 else f"{self.people} people"
        return (
            f"{self.model} ({SIDES.get(self.direction, self.direction)}) was {how}, {self.shown}, in {self.for_it} of "
            f"{self.votes} votes by {people}: {self.rate:.0%} [{low:.0%}, {high:.0%}]"
        )

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "other": self.other or None, "direction": self.direction,
                "exposure": self.exposure, "for": self.for_it, "votes": self.votes, "people": self.people,
                "rate": self.rate, "interval": list(self.interval())}  # fmt: skip


def add_vote(path: Path, vote: Vote) -> None:
    """Append a vote to a file, made where there is none. Any number of threads and processes may do so at once.

    Raises I2IError where it cannot be written.
    """
    marks = ", ".join("?" * len(COLUMNS))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open(path, "rwc") as base:
            base.execute("BEGIN IMMEDIATE")  # one short transaction: others wait for it
            base.execute(f"CREATE TABLE IF NOT EXISTS votes({', '.join(_declared())})")
            base.execute(f"INSERT INTO votes({', '.join(COLUMNS)}) VALUES({marks})", astuple(vote))
            base.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise I2IError(f"The vote could not be written to {path.name}: {error}.") from error


def _declared() -> Iterator[str]:
    for field in fields(Vote):
        yield f"{field.name} {'TEXT NOT NULL' if field.type is str else 'REAL'}"


def votes_csv(path: Path) -> str:
    """All votes of a file as CSV with a head, oldest first: the head alone where there is no file."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    rows.writerow(COLUMNS)
    rows.writerows(_rows(path) if path.is_file() else ())
    return text.getvalue()


def read_votes(path: Path | None, models: Iterable[str]) -> list[Tally]:
    """The tallies of ``models``, from a file, or from the usual one where there is one.

    A run's name stands for all checkpoints of the run. Raises UsageError where a file that was asked for is missing, or
    holds no votes.
    """
    chosen = path or votes_file()
    if not chosen.is_file():
        if path is not None:
            raise UsageError(f"{path} does not exist. The demo's Judge tab keeps its votes in {FILE}.")
        return []
    wanted = set(models)
    return [
        tally
        for tally in _tallies([Vote(**dict(zip(COLUMNS, row, strict=True))) for row in _rows(chosen)])
        if wanted & {part for name in (tally.model, tally.other) for part in (name, name.partition("/")[0])}
    ]


def _rows(path: Path) -> list[tuple[Any, ...]]:
    try:
        with _open(path, "ro") as base:
            return base.execute(f"SELECT {', '.join(COLUMNS)} FROM votes ORDER BY time, rowid").fetchall()
    except sqlite3.Error as error:
        raise UsageError(f"{path} holds no votes of the demo's Judge tab: {error}.") from error


@contextmanager
def _open(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    base = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        yield base
    finally:
        base.close()


def _tallies(votes: Sequence[Vote]) -> list[Tally]:
    """By model, opponent, direction and exposure: what differs in one of them was another test."""
    counts: dict[tuple[Any, ...], list[bool]] = defaultdict(list)
    people: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for vote in votes:
        if not vote.model_a or not vote.answer:
            continue
        key = vote.model_a, "" if vote.truth else vote.model_b, vote.direction, vote.exposure
        counts[key].append(vote.answer == (REAL if vote.truth else vote.model_a))
        people[key].add(vote.session)
    return [
        Tally(model, other, sum(found), len(found), len(people[model, other, direction, exposure]), direction, exposure)
        for (model, other, direction, exposure), found in counts.items()
    ]
