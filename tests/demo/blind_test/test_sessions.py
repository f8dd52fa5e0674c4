import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo.blind_test.pairs import Deck
from i2i.demo.blind_test.sessions import SESSIONS, Ballot, Question, Trial
from i2i.errors import I2IError, UsageError
from i2i.evaluation.votes import read_votes, votes_csv
from tests.demo.drawn_images import halves_of

MADE, RIVAL = (200, 0, 0), (0, 0, 200)


class Plain:
    """Pairs of one colour each: red is the model's."""

    def __init__(self, count: int = 6) -> None:
        self.deck = Deck(count, random.Random(0))

    def draw(self) -> int:
        return self.deck.draw()

    def name(self, index: int) -> str:
        return f"picture{index}"

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
        return Image.new("RGB", (16, 16), MADE), Image.new("RGB", (16, 16), RIVAL)


def question(**changes: object) -> Question:
    return Question(**{"model": "run", "other": "", "direction": "AtoB", "practice": 0, "trials": 6, **changes})  # type: ignore[arg-type]


@pytest.fixture
def ballot(tmp_path: Path) -> Ballot:
    return Ballot(tmp_path / "votes.sqlite")


def dealt(ballot: Ballot, secret: str) -> Trial:
    trial = ballot.deal(secret)
    assert trial is not None
    return trial


def sides(trial: Trial) -> tuple[str, str]:
    """Where the model's picture is, and where the other."""
    left, _ = halves_of(trial.picture)
    return ("left", "right") if left.getpixel((0, 0)) == MADE else ("right", "left")


def test_the_side_is_a_matter_of_chance(ballot: Ballot) -> None:
    secret = ballot.begin(question(trials=60), Plain())
    seen = Counter[str]()
    while trial := ballot.deal(secret):
        seen[sides(trial)[0]] += 1
        ballot.answer(secret, trial.key, "left")
    assert 10 <= seen["left"] <= 50  # 2 in 10 million fall outside


def test_what_is_chosen_is_what_is_kept(ballot: Ballot) -> None:
    secret = ballot.begin(question(), Plain())
    for index in range(6):
        trial = dealt(ballot, secret)
        made, real = sides(trial)
        ballot.answer(secret, trial.key, made if index < 4 else real)
    assert ballot.deal(secret) is None
    (found,) = read_votes(ballot.path, ["run"])
    assert (found.for_it, found.votes, found.people) == (4, 6, 1)
    assert found == ballot.tally(secret)
    rows = [line.split(",") for line in votes_csv(ballot.path).splitlines()[1:]]
    assert {row[7] for row in rows} == {f"picture{index}" for index in range(6)}, "every input comes once"


def test_a_preference_names_the_model_whose_picture_was_chosen(ballot: Ballot) -> None:
    secret = ballot.begin(question(other="rival", practice=10, trials=2), Plain())
    first = dealt(ballot, secret)
    assert not first.practice, "nobody knows what is right"
    ballot.answer(secret, first.key, sides(first)[0])
    second = dealt(ballot, secret)
    ballot.answer(secret, second.key, sides(second)[1])
    assert [line.split(",")[9] for line in votes_csv(ballot.path).splitlines()[1:]] == ["run", "rival"]


def test_practice_is_told_at_once_and_not_counted(ballot: Ballot) -> None:
    secret = ballot.begin(question(practice=2, trials=1), Plain())
    for right in (True, False):
        trial = dealt(ballot, secret)
        made, real = sides(trial)
        verdict = ballot.answer(secret, trial.key, real if right else made)
        assert trial.practice
        assert verdict is not None
        assert verdict.right is right
    assert not ballot.path.exists()
    assert ballot.tally(secret) is None
    trial = dealt(ballot, secret)
    assert (trial.practice, trial.number) == (False, 1)
    verdict = ballot.answer(secret, trial.key, "left")
    assert verdict is not None
    assert verdict.right is None, "what counts is not told"
    assert len(votes_csv(ballot.path).splitlines()) == 2


def test_a_trial_takes_one_vote_however_often_it_is_answered(ballot: Ballot) -> None:
    secret = ballot.begin(question(), Plain())
    trial = dealt(ballot, secret)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ballot.answer(secret, trial.key, "left"), range(16)))
    assert sum(verdict is not None for verdict in found) == 1
    assert len(votes_csv(ballot.path).splitlines()) == 2


def test_only_what_was_dealt_can_be_voted_on(ballot: Ballot) -> None:
    mine, yours = (ballot.begin(question(), Plain()) for _ in range(2))
    trial = dealt(ballot, yours)
    assert ballot.answer(mine, trial.key, "left") is None
    assert ballot.answer(yours, "guessed", "left") is None
    for secret in ("", "guessed", votes_session(ballot)):
        with pytest.raises(UsageError, match="no longer open here"):
            ballot.answer(secret, trial.key, "left")
    with pytest.raises(UsageError, match="left or right"):
        ballot.answer(yours, trial.key, "both")


def votes_session(ballot: Ballot) -> str:
    """The name of a session as the file of votes tells it."""
    secret = ballot.begin(question(), Plain())
    ballot.answer(secret, dealt(ballot, secret).key, "left")
    return votes_csv(ballot.path).splitlines()[1].split(",")[1]


def test_a_trial_stays_the_same_until_it_is_answered(ballot: Ballot) -> None:
    secret = ballot.begin(question(), Plain())
    assert dealt(ballot, secret) is dealt(ballot, secret)


def test_two_people_at_once_do_not_mix(ballot: Ballot) -> None:
    def person(choice: int) -> str:
        secret = ballot.begin(question(trials=20), Plain())
        while trial := ballot.deal(secret):
            ballot.answer(secret, trial.key, sides(trial)[choice])
        return secret

    with ThreadPoolExecutor(2) as pool:
        fooled, sharp = (ballot.tally(secret) for secret in pool.map(person, (0, 1)))
    assert fooled is not None
    assert sharp is not None
    assert (fooled.for_it, sharp.for_it) == (20, 0)
    (both,) = read_votes(ballot.path, ["run"])
    assert (both.for_it, both.votes, both.people) == (20, 40, 2)


def test_a_vote_that_could_not_be_kept_can_be_given_again(ballot: Ballot, tmp_path: Path) -> None:
    secret = ballot.begin(question(), Plain())
    trial = dealt(ballot, secret)
    ballot.path.mkdir()
    with pytest.raises(I2IError, match="could not be written"):
        ballot.answer(secret, trial.key, "left")
    ballot.path.rmdir()
    assert ballot.answer(secret, trial.key, "left") is not None


def test_nobody_takes_longer_by_their_own_clock_than_by_that_of_the_server(ballot: Ballot) -> None:
    secret = ballot.begin(question(), Plain())
    for claimed in (1e9, -1.0, float("nan"), 0.0):
        ballot.answer(secret, dealt(ballot, secret).key, "left", claimed)
    assert all(0 <= float(line.split(",")[10]) < 60 for line in votes_csv(ballot.path).splitlines()[1:])


def test_the_session_that_was_not_used_for_longest_makes_room(ballot: Ballot) -> None:
    first = ballot.begin(question(), Plain())
    for _ in range(SESSIONS):
        last = ballot.begin(question(), Plain())
    assert ballot.deal(last) is not None
    with pytest.raises(UsageError, match="Begin another"):
        ballot.deal(first)


@pytest.mark.parametrize("wrong", [{"exposure": 0.1}, {"exposure": 60.0}, {"trials": 0}, {"trials": 10_000}])
def test_a_test_keeps_within_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        question(**wrong)
