"""Votes of the demo's blind test: stored in one SQLite file, read as tallies."""

import csv
import io
import logging
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import checkpoints_dir
from i2i.directions import Direction, describe_direction
from i2i.errors import I2IError, UsageError

logger = logging.getLogger(__name__)

FILE_NAME = "votes.sqlite"
REAL, TRANSLATED = "real", "translated"
WRITE_TIMEOUT = 20.0  # seconds to wait for other writers
Z_95 = 1.959964  # 97.5 % quantile of the normal distribution, for intervals at 95 %


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One answer of the blind test. The fields are the columns of the table.

    Args:
        time: of the answer, ISO 8601.
        session: identifies the voter.
        kind: "pair" for a real image and a translation by ``model_a``, where the voter chose the real one; "models"
            for translations of one image by ``model_a`` and ``model_b``, where the voter chose the better one.
        model_a: name of a model.
        model_b: name of the other model; "" for a pair.
        direction: "AtoB" or "BtoA".
        exposure: seconds for which the images were visible; None until the answer.
        picture: name of the input.
        truth: "translated" for a pair, "" for two models.
        answer: for a pair what the voter took the translation for, "real" or "translated"; for two models the name of
            the better one.
        seconds: until the answer.
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


def default_votes_file() -> Path:
    """Return the file in the folder of the runs."""
    return checkpoints_dir() / FILE_NAME


@dataclass(frozen=True)
class Tally:
    """The votes on a model in one kind of test.

    Args:
        model: its name.
        opponent: the other model; "" for pairs of a real image and a translation.
        wins: votes for the model: translations taken for real (half of all if voters cannot tell), or preferences.
        votes: all votes.
        voters: different people.
        direction: "AtoB" or "BtoA".
        exposure: seconds for which the images were visible; None until the answer.
    """

    model: str
    opponent: str
    wins: int
    votes: int
    voters: int
    direction: str = Direction.A_TO_B
    exposure: float | None = 1.0

    @property
    def rate(self) -> float:
        """wins / votes."""
        return self.wins / self.votes

    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % score interval of the rate (Wilson 1927); None with too few votes."""
        if self.too_few():
            return None
        n = self.votes
        p = self.rate
        z = Z_95
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half_width = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return max(0.0, centre - half_width), min(1.0, centre + half_width)

    @property
    def exposure_text(self) -> str:
        """The exposure in words, such as "shown for 1 s"."""
        return "shown until the answer" if self.exposure is None else f"shown for {self.exposure:g} s"

    def describe(self) -> str:
        """Return the tally in one sentence."""
        direction = describe_direction(self.direction)
        outcome = f"preferred to {self.opponent}" if self.opponent else "taken for the real one of a pair"
        voters = "1 person" if self.voters == 1 else f"{self.voters} people"
        return (
            f"{self.model} ({direction}) was {outcome}, {self.exposure_text}, in {self.wins} of {self.votes} votes by "
            f"{voters}: {self.rate:.0%} {self._interval_text()}"
        )

    def _interval_text(self) -> str:
        interval = self.interval()
        if interval is None:
            return f"({self.too_few()})"
        return f"[{interval[0]:.0%}, {interval[1]:.0%}]"

    def too_few(self) -> str:
        """Return a sentence if there are too few votes for an interval, else ""."""
        from i2i.metrics.bootstrap import too_few  # imports torch, which the page of the demo does not need

        return too_few(self.votes, "votes")

    def to_json(self) -> dict[str, Any]:
        interval = self.interval()
        return {
            "model": self.model,
            "other": self.opponent or None,
            "direction": self.direction,
            "exposure": self.exposure,
            "for": self.wins,
            "votes": self.votes,
            "people": self.voters,
            "rate": self.rate,
            "interval": list(interval) if interval else None,
        }


def add_vote(path: Path, vote: Vote) -> None:
    """Append a vote to a file; make the file if it does not exist. Threads and processes may do so concurrently.

    Raises:
        I2IError: the file cannot be written.
    """
    placeholders = ", ".join("?" for _ in COLUMNS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _connect(path, "rwc") as connection:
            connection.execute("BEGIN IMMEDIATE")  # one short transaction; other writers wait for its end
            connection.execute(f"CREATE TABLE IF NOT EXISTS votes({', '.join(_column_definitions())})")
            connection.execute(f"INSERT INTO votes({', '.join(COLUMNS)}) VALUES({placeholders})", astuple(vote))
            connection.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise I2IError(f"The vote could not be written to {path.name}: {error}.") from error


def _column_definitions() -> Iterator[str]:
    for field in fields(Vote):
        yield f"{field.name} {'TEXT NOT NULL' if field.type is str else 'REAL'}"


def votes_csv(path: Path) -> str:
    """Return all votes of a file as CSV with a header, oldest first; only the header if there is no file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    writer.writerows(_read_rows(path) if path.is_file() else ())
    return text.getvalue()


def read_votes(path: Path | None, models: Iterable[str]) -> list[Tally]:
    """Return the tallies of some models. Rows that are no votes are left out, with a warning.

    Args:
        path: of the file; None for the default file, which need not exist.
        models: their names. A run's name includes all checkpoints of the run.

    Raises:
        UsageError: the file does not exist or is no file of votes.
    """
    file = path or default_votes_file()
    if not file.is_file():
        if path is not None:
            raise UsageError(f"{path} does not exist. The demo's blind test stores its votes in {FILE_NAME}.")
        return []
    names = set(models)
    rows = _read_rows(file)
    votes = [Vote(**dict(zip(COLUMNS, row, strict=True))) for row in rows if _is_vote(row)]
    if len(votes) < len(rows):
        logger.warning("%d of %d rows of %s are no votes and left out.", len(rows) - len(votes), len(rows), file)
    return [
        tally
        for tally in _count(votes)
        if not names.isdisjoint({*_model_and_run(tally.model), *_model_and_run(tally.opponent)})
    ]


def _model_and_run(name: str) -> tuple[str, str]:
    return name, name.partition("/")[0]


def _read_rows(path: Path) -> list[tuple[Any, ...]]:
    try:
        with _connect(path, "ro") as connection:
            return connection.execute(f"SELECT {', '.join(COLUMNS)} FROM votes ORDER BY time, rowid").fetchall()
    except sqlite3.Error as error:
        raise UsageError(f"{path} holds no votes of the demo's blind test: {error}.") from error


def _is_vote(row: Sequence[Any]) -> bool:
    """Return whether a row has the types of a vote. SQLite stores a value of any type in any column."""
    if dict(zip(COLUMNS, row, strict=True))["direction"] not in set(Direction):
        return False
    return all(
        isinstance(value, str) if field.type is str else value is None or isinstance(value, int | float)
        for field, value in zip(fields(Vote), row, strict=True)
    )


@contextmanager
def _connect(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=WRITE_TIMEOUT, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _count(votes: Sequence[Vote]) -> list[Tally]:
    """Count the votes by model, opponent, direction and exposure; another value of any of them is another test."""
    outcomes: dict[tuple[Any, ...], list[bool]] = defaultdict(list)
    sessions: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for vote in votes:
        if not vote.model_a or not vote.answer:
            continue
        opponent = "" if vote.truth else vote.model_b
        key = vote.model_a, opponent, vote.direction, vote.exposure
        outcomes[key].append(vote.answer == (REAL if vote.truth else vote.model_a))
        sessions[key].add(vote.session)
    return [
        Tally(model, opponent, sum(wins), len(wins), len(sessions[key]), direction, exposure)
        for key, wins in outcomes.items()
        for model, opponent, direction, exposure in [key]
    ]
