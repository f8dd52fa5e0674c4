"""The blind test: which side is which is drawn and kept here, and only a trial that was dealt takes one vote."""

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

SESSIONS = 200  # that are kept; the one unused for longest goes first
SHORTEST, LONGEST = 0.5, 5.0  # seconds of exposure, where it is limited
TRIALS, PRACTICE = 200, 20  # the most of one session
Side = Literal["left", "right"]
GONE = "This test is no longer open here. Begin another one: the votes that were given are kept."


class Shows(Protocol):
    """What pairs a session sees, as ``Showing`` draws them."""

    def draw(self) -> int: ...

    def name(self, index: int) -> str: ...

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]: ...


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a session is asked: which of a pair is real, or with ``other`` which model's picture looks more like it.

    exposure: seconds; None: until the answer. practice: trials at the start that are told apart at once and not
    counted; where two models are compared nobody knows what is right, so there are none.
    """

    model: str
    other: str
    direction: str
    exposure: float | None = 1.0
    practice: int = 10
    trials: int = 40

    def __post_init__(self) -> None:
        if self.exposure is not None and not SHORTEST <= self.exposure <= LONGEST:
            raise UsageError(f"Pictures are shown for {SHORTEST:g} to {LONGEST:g} seconds, or until the answer.")
        if not (0 <= self.practice <= PRACTICE and 1 <= self.trials <= TRIALS):
            raise UsageError(f"A test has up to {PRACTICE} trials for practice, and 1 to {TRIALS} that count.")

    @property
    def warm_up(self) -> int:
        return 0 if self.other else self.practice


@dataclass(frozen=True)
class Trial:
    """What a participant gets to see. number: counted from 1, within the practice or after it."""

    key: str
    number: int
    practice: bool
    picture: bytes  # PNG, twice as wide as either picture


@dataclass(frozen=True)
class Verdict:
    """What became of an answer. right: whether it was, told in practice alone."""

    right: bool | None


@dataclass
class _Open:
    """A dealt trial with what its participant must not know."""

    trial: Trial
    model_side: Side
    input: int
    since: float


@dataclass
class _Session:
    question: Question
    shows: Shows
    public: str  # in the file of votes: it does not open the session
    answered: int = 0
    for_it: int = 0
    open: _Open | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def counted(self) -> int:
        return max(0, self.answered - self.question.warm_up)


class Ballot:
    """Sessions of a server, whose votes go into the file of ``path``.

    rng: of what nobody may guess; by default the system's.
    """

    def __init__(self, path: Path, rng: random.Random | None = None) -> None:
        self.path, self.rng = path, rng or secrets.SystemRandom()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, question: Question, shows: Shows) -> str:
        """Open a session. Returns its secret, by which alone it can be used."""
        secret = secrets.token_urlsafe(24)
        public = hashlib.sha256(secret.encode()).hexdigest()[:12]
        with self._lock:
            self._sessions[secret] = _Session(question, shows, public)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return secret

    def _session(self, secret: str) -> _Session:
        with self._lock:
            if secret not in self._sessions:
                raise UsageError(GONE)
            self._sessions.move_to_end(secret)
            return self._sessions[secret]

    def question(self, secret: str) -> Question:
        """What a session is asked. Raises UsageError where there is no such session."""
        return self._session(secret).question

    def deal(self, secret: str) -> Trial | None:
        """The trial to be answered next, the same until it is; None after the last one. Raises UsageError."""
        session = self._session(secret)
        question = session.question
        with session.lock:
            if session.open is None and session.counted < question.trials:
                practice = session.answered < question.warm_up
                number = session.answered + 1 - (0 if practice else question.warm_up)
                index = session.shows.draw()
                made, rival = session.shows.pair(index)
                side: Side = self.rng.choice(("left", "right"))
                halves = (made, rival) if side == "left" else (rival, made)
                trial = Trial(secrets.token_urlsafe(12), number, practice, side_by_side(*halves))
                session.open = _Open(trial, side, index, time.monotonic())
            return session.open.trial if session.open else None

    def answer(self, secret: str, key: str, side: str, seconds: float | None = None) -> Verdict | None:
        """Take the answer to a dealt trial: the side that looks real. None, and no vote, where it was answered already.

        seconds: that the participant took, by their own clock; no more than have passed here are believed.
        Raises UsageError for a session or trial that was not dealt, and I2IError where the vote cannot be kept: it can
        then be given again.
        """
        if side not in ("left", "right"):
            raise UsageError("The answer is left or right.")
        session = self._session(secret)
        with session.lock:
            given = session.open
            if given is None or given.trial.key != key:
                return None
            for_it = side == given.model_side
            if not given.trial.practice:
                passed = time.monotonic() - given.since
                took = seconds if isinstance(seconds, int | float) and 0 <= seconds <= passed else passed
                add_vote(self.path, _vote(session, given, for_it, took))
                session.for_it += for_it
            session.open = None
            session.answered += 1
            return Verdict(not for_it if given.trial.practice else None)

    def tally(self, secret: str) -> Tally | None:
        """What the session said so far; None before its first vote."""
        session = self._session(secret)
        asked, count = session.question, session.counted
        if not count:
            return None
        return Tally(asked.model, asked.other, session.for_it, count, 1, asked.direction, asked.exposure)


def _vote(session: _Session, given: _Open, for_it: bool, seconds: float) -> Vote:
    asked = session.question
    chosen = asked.model if for_it else asked.other
    return Vote(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        session=session.public,
        kind="models" if asked.other else "pair",
        model_a=asked.model,
        model_b=asked.other,
        direction=asked.direction,
        exposure=asked.exposure,
        picture=session.shows.name(given.input),
        truth="" if asked.other else TRANSLATED,
        answer=chosen if asked.other else (REAL if for_it else TRANSLATED),
        seconds=round(seconds, 2),
    )
