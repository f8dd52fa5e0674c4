import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo.blind_test.pairs import ShuffledIndices
from i2i.demo.blind_test.sessions import MAX_SESSIONS, SessionSettings, Trial, VotingSessions
from i2i.errors import I2IError, UsageError
from i2i.evaluation.votes import read_votes, votes_csv
from tests.demo.image_halves import image_halves

MODEL_COLOUR = (200, 0, 0)
OTHER_COLOUR = (0, 0, 200)


class ColourPairs:
    """Pairs of plain images: the model's is red, the other one blue."""

    def __init__(self, count: int = 6) -> None:
        self.indices = ShuffledIndices(count, random.Random(0))

    def draw(self) -> int:
        return self.indices.draw()

    def name(self, index: int) -> str:
        return f"image{index}"

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
        return Image.new("RGB", (16, 16), MODEL_COLOUR), Image.new("RGB", (16, 16), OTHER_COLOUR)


def make_settings(**changes: object) -> SessionSettings:
    settings = {"model": "run", "opponent": "", "direction": "AtoB", "practice": 0, "trials": 6, **changes}
    return SessionSettings(**settings)  # type: ignore[arg-type]


@pytest.fixture
def sessions(tmp_path: Path) -> VotingSessions:
    return VotingSessions(tmp_path / "votes.sqlite")


def next_trial(sessions: VotingSessions, secret: str) -> Trial:
    trial = sessions.next_trial(secret)
    assert trial is not None
    return trial


def sides(trial: Trial) -> tuple[str, str]:
    """Return the side of the model's image and the side of the other one."""
    left, _ = image_halves(trial.image)
    return ("left", "right") if left.getpixel((0, 0)) == MODEL_COLOUR else ("right", "left")


def csv_rows(sessions: VotingSessions) -> list[list[str]]:
    return [line.split(",") for line in votes_csv(sessions.path).splitlines()[1:]]


def test_the_side_is_random(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(trials=60), ColourPairs())
    model_sides = Counter[str]()
    while trial := sessions.next_trial(secret):
        model_sides[sides(trial)[0]] += 1
        sessions.submit(secret, trial.key, "left")
    assert 10 <= model_sides["left"] <= 50  # 2 in 10 million fall outside


def test_votes_are_saved_and_counted(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(), ColourPairs())
    for index in range(6):
        trial = next_trial(sessions, secret)
        model_side, real_side = sides(trial)
        sessions.submit(secret, trial.key, model_side if index < 4 else real_side)
    assert sessions.next_trial(secret) is None
    (tally,) = read_votes(sessions.path, ["run"])
    assert (tally.wins, tally.votes, tally.voters) == (4, 6, 1)
    assert tally == sessions.result(secret)
    assert {row[7] for row in csv_rows(sessions)} == {f"image{index}" for index in range(6)}, "each input comes once"


def test_a_preference_names_the_chosen_model(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(opponent="rival", practice=10, trials=2), ColourPairs())
    first = next_trial(sessions, secret)
    assert not first.practice, "the right answer is unknown"
    sessions.submit(secret, first.key, sides(first)[0])
    second = next_trial(sessions, secret)
    sessions.submit(secret, second.key, sides(second)[1])
    assert [row[9] for row in csv_rows(sessions)] == ["run", "rival"]


def test_practice_gives_feedback_and_does_not_count(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(practice=2, trials=1), ColourPairs())
    for correct in (True, False):
        trial = next_trial(sessions, secret)
        model_side, real_side = sides(trial)
        answer = sessions.submit(secret, trial.key, real_side if correct else model_side)
        assert trial.practice
        assert answer is not None
        assert answer.correct is correct
    assert not sessions.path.exists()
    assert sessions.result(secret) is None
    trial = next_trial(sessions, secret)
    assert (trial.practice, trial.number) == (False, 1)
    answer = sessions.submit(secret, trial.key, "left")
    assert answer is not None
    assert answer.correct is None, "a counted trial gives no feedback"
    assert len(csv_rows(sessions)) == 1


def test_a_trial_accepts_one_vote_however_often_it_is_answered(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(), ColourPairs())
    trial = next_trial(sessions, secret)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sessions.submit(secret, trial.key, "left"), range(16)))
    assert sum(answer is not None for answer in answers) == 1
    assert len(csv_rows(sessions)) == 1


def test_only_an_issued_trial_of_the_own_session_accepts_a_vote(sessions: VotingSessions) -> None:
    own, other = (sessions.open(make_settings(), ColourPairs()) for _ in range(2))
    trial = next_trial(sessions, other)
    assert sessions.submit(own, trial.key, "left") is None
    assert sessions.submit(other, "guessed", "left") is None
    for secret in ("", "guessed", public_session_id(sessions)):
        with pytest.raises(UsageError, match="no longer open"):
            sessions.submit(secret, trial.key, "left")
    with pytest.raises(UsageError, match="left or right"):
        sessions.submit(other, trial.key, "both")


def public_session_id(sessions: VotingSessions) -> str:
    """Return the name of a session in the file of votes."""
    secret = sessions.open(make_settings(), ColourPairs())
    sessions.submit(secret, next_trial(sessions, secret).key, "left")
    return csv_rows(sessions)[0][1]


def test_a_trial_stays_the_same_until_it_is_answered(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(), ColourPairs())
    assert next_trial(sessions, secret) is next_trial(sessions, secret)


def test_simultaneous_sessions_are_separate(sessions: VotingSessions) -> None:
    def vote(choice: int) -> str:
        secret = sessions.open(make_settings(trials=20), ColourPairs())
        while trial := sessions.next_trial(secret):
            sessions.submit(secret, trial.key, sides(trial)[choice])
        return secret

    with ThreadPoolExecutor(2) as pool:
        fooled, not_fooled = (sessions.result(secret) for secret in pool.map(vote, (0, 1)))
    assert fooled is not None
    assert not_fooled is not None
    assert (fooled.wins, not_fooled.wins) == (20, 0)
    (both,) = read_votes(sessions.path, ["run"])
    assert (both.wins, both.votes, both.voters) == (20, 40, 2)


def test_a_vote_that_could_not_be_saved_can_be_submitted_again(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(), ColourPairs())
    trial = next_trial(sessions, secret)
    sessions.path.mkdir()
    with pytest.raises(I2IError, match="could not be written"):
        sessions.submit(secret, trial.key, "left")
    sessions.path.rmdir()
    assert sessions.submit(secret, trial.key, "left") is not None


def test_a_claimed_time_is_accepted_only_up_to_the_time_on_the_server(sessions: VotingSessions) -> None:
    secret = sessions.open(make_settings(), ColourPairs())
    for claimed in (1e9, -1.0, float("nan"), 0.0):
        sessions.submit(secret, next_trial(sessions, secret).key, "left", claimed)
    assert all(0 <= float(row[10]) < 60 for row in csv_rows(sessions))


def test_the_least_recently_used_session_is_closed_first(sessions: VotingSessions) -> None:
    first = sessions.open(make_settings(), ColourPairs())
    for _ in range(MAX_SESSIONS):
        last = sessions.open(make_settings(), ColourPairs())
    assert sessions.next_trial(last) is not None
    with pytest.raises(UsageError, match="Start another"):
        sessions.next_trial(first)


@pytest.mark.parametrize("invalid", [{"exposure": 0.1}, {"exposure": 60.0}, {"trials": 0}, {"trials": 10_000}])
def test_settings_out_of_bounds_are_refused(invalid: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        make_settings(**invalid)
