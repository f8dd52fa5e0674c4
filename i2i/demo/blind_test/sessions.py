"""Sessions of the blind test. The server draws and keeps the sides, and accepts one vote for each trial it issued."""

import hashlib
import random
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from PIL import Image

from i2i.demo.blind_test.pairs import side_by_side
from i2i.errors import UsageError
from i2i.evaluation.votes import REAL, TRANSLATED, Tally, Vote, add_vote

MAX_SESSIONS = 200  # open at the same time; the least recently used one is closed first
MIN_EXPOSURE = 0.5  # seconds
MAX_EXPOSURE = 5.0  # seconds
MAX_TRIALS = 200  # per session
MAX_PRACTICE = 20  # per session
Side = Literal["left", "right"]
SESSION_EXPIRED = "This test is no longer open. Start another one. The votes so far have been saved."


class PairSource(Protocol):
    """Provides the image pairs of a session; see ``PairSampler``."""

    def draw(self) -> int: ...

    def name(self, index: int) -> str: ...

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]: ...


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """The settings of a session.

    Attributes:
        model: the model under test.
        opponent: the model to compare it with; "" compares with real images.
        direction: "AtoB" or "BtoA".
        exposure: seconds for which a pair is visible; None: until the answer.
        practice: trials at the start whose solution is shown and that do not count.
        trials: trials that count.
    """

    model: str
    opponent: str
    direction: str
    exposure: float | None = 1.0
    practice: int = 10
    trials: int = 40

    def __post_init__(self) -> None:
        if self.exposure is not None and not MIN_EXPOSURE <= self.exposure <= MAX_EXPOSURE:
            raise UsageError(
                f"The exposure is {self.exposure:g} s; it must be {MIN_EXPOSURE:g} to {MAX_EXPOSURE:g} s, or without a "
                "limit."
            )
        if not (0 <= self.practice <= MAX_PRACTICE and 1 <= self.trials <= MAX_TRIALS):
            raise UsageError(
                f"Found {self.practice} practice trials and {self.trials} trials; a test has at most {MAX_PRACTICE} "
                f"practice trials and 1 to {MAX_TRIALS} trials."
            )

    @property
    def practice_trials(self) -> int:
        """The number of practice trials: 0 between two models, where the right answer is unknown."""
        return 0 if self.opponent else self.practice


@dataclass(frozen=True)
class Trial:
    """A trial as the participant sees it.

    Attributes:
        key: identifies the trial in the answer.
        number: counted from 1, separately for practice and counted trials.
        practice: whether it is a practice trial.
        image: a PNG, twice as wide as either image.
    """

    key: str
    number: int
    practice: bool
    image: bytes


@dataclass(frozen=True)
class Answer:
    """An accepted answer. ``correct`` is None unless the trial was for practice."""

    correct: bool | None


@dataclass
class _OpenTrial:
    """A trial that waits for its answer, with what the participant must not know."""

    trial: Trial
    model_side: Side
    input_index: int
    issued: float  # as of time.monotonic


@dataclass
class _Session:
    settings: SessionSettings
    pairs: PairSource
    public_id: str  # written to the file of votes; it does not give access to the session
    answered: int = 0
    votes_for_model: int = 0
    open_trial: _OpenTrial | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def counted(self) -> int:
        """The number of answered trials that count."""
        return max(0, self.answered - self.settings.practice_trials)


class VotingSessions:
    """The sessions of a server.

    Args:
        path: the file of votes.
        rng: draws the sides, which must be unpredictable; None is the system's generator.
    """

    def __init__(self, path: Path, rng: random.Random | None = None) -> None:
        self.path = path
        self.rng = rng or secrets.SystemRandom()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, settings: SessionSettings, pairs: PairSource) -> str:
        """Open a session and return its secret, the only way to use it."""
        secret = secrets.token_urlsafe(24)
        public_id = hashlib.sha256(secret.encode()).hexdigest()[:12]
        with self._lock:
            self._sessions[secret] = _Session(settings, pairs, public_id)
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return secret

    def _session(self, secret: str) -> _Session:
        with self._lock:
            if secret not in self._sessions:
                raise UsageError(SESSION_EXPIRED)
            self._sessions.move_to_end(secret)
            return self._sessions[secret]

    def settings(self, secret: str) -> SessionSettings:
        """Return the settings of a session. Raise UsageError if it is not open."""
        return self._session(secret).settings

    def next_trial(self, secret: str) -> Trial | None:
        """Return the trial to answer next, or None after the last one.

        The trial stays the same until it is answered.

        Raises:
            UsageError: the session is not open.
        """
        session = self._session(secret)
        with session.lock:
            if session.open_trial is None and session.counted < session.settings.trials:
                session.open_trial = self._new_trial(session)
            return session.open_trial.trial if session.open_trial else None

    def _new_trial(self, session: _Session) -> _OpenTrial:
        practice_trials = session.settings.practice_trials
        practice = session.answered < practice_trials
        number = session.answered + 1 - (0 if practice else practice_trials)
        index = session.pairs.draw()
        translation, comparison = session.pairs.pair(index)
        side: Side = self.rng.choice(("left", "right"))
        halves = (translation, comparison) if side == "left" else (comparison, translation)
        trial = Trial(secrets.token_urlsafe(12), number, practice, side_by_side(*halves))
        return _OpenTrial(trial, side, index, time.monotonic())

    def submit(self, secret: str, key: str, side: str, seconds: float | None = None) -> Answer | None:
        """Record the answer to a trial.

        Args:
            secret: the session.
            key: the trial.
            side: the side that looks real.
            seconds: the time that the participant took by their own clock. It is ignored if it is longer than the time
                since the trial was issued.

        Returns: None if the trial is not open, for example because it was answered already; no vote is recorded then.

        Raises:
            UsageError: ``side`` is invalid or the session is not open.
            I2IError: the vote could not be written; it can be submitted again.
        """
        if side not in ("left", "right"):
            raise UsageError("The answer must be left or right.")
        session = self._session(secret)
        with session.lock:
            open_trial = session.open_trial
            if open_trial is None or open_trial.trial.key != key:
                return None
            chose_model = side == open_trial.model_side
            if not open_trial.trial.practice:
                elapsed = time.monotonic() - open_trial.issued
                if not isinstance(seconds, int | float) or not 0 <= seconds <= elapsed:
                    seconds = elapsed
                add_vote(self.path, _vote(session, open_trial, chose_model, seconds))
                session.votes_for_model += chose_model
            session.open_trial = None
            session.answered += 1
            return Answer(not chose_model if open_trial.trial.practice else None)

    def result(self, secret: str) -> Tally | None:
        """Return the tally of a session so far, or None before its first vote."""
        session = self._session(secret)
        settings = session.settings
        count = session.counted
        if not count:
            return None
        return Tally(
            settings.model, settings.opponent, session.votes_for_model, count, 1, settings.direction, settings.exposure
        )


def _vote(session: _Session, open_trial: _OpenTrial, chose_model: bool, seconds: float) -> Vote:
    """Return the row of the file of votes for an answer."""
    settings = session.settings
    if settings.opponent:
        answer = settings.model if chose_model else settings.opponent
    else:
        answer = REAL if chose_model else TRANSLATED
    return Vote(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        session=session.public_id,
        kind="models" if settings.opponent else "pair",
        model_a=settings.model,
        model_b=settings.opponent,
        direction=settings.direction,
        exposure=settings.exposure,
        picture=session.pairs.name(open_trial.input_index),
        truth="" if settings.opponent else TRANSLATED,
        answer=answer,
        seconds=round(seconds, 2),
    )
