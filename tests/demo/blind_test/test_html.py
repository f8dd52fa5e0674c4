import html
import re
from pathlib import Path

from PIL import Image

from i2i.demo.blind_test.html import result_html, tally_bars, trial_html
from i2i.demo.blind_test.pairs import side_by_side
from i2i.demo.blind_test.sessions import Answer, SessionSettings, Trial, VotingSessions
from i2i.evaluation.votes import Tally
from tests.conftest import random_image

SETTINGS = SessionSettings(model="secret-run", opponent="", direction="AtoB", exposure=0.5, practice=2, trials=10)


def make_trial(number: int = 3, *, practice: bool = False, swapped: bool = False) -> Trial:
    pair = (random_image(1), random_image(2)) if swapped else (random_image(2), random_image(1))
    return Trial("the-key", number, practice, side_by_side(*pair))


def text_of(markup: str) -> str:
    """Return the text of HTML with single spaces."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", markup))
    return re.sub(r"\s+", " ", text)


def test_two_trials_differ_in_their_pixels_alone() -> None:
    one, other = (trial_html(make_trial(swapped=swapped), SETTINGS) for swapped in (False, True))
    assert one != other
    image = re.compile(r'data-image="[^"]*"')
    assert image.sub("", one) == image.sub("", other)
    assert "secret-run" not in one
    assert "AtoB" not in one


def test_a_trial_has_its_number_its_question_and_its_exposure() -> None:
    markup = trial_html(make_trial(), SETTINGS)
    assert "Trial 3 of 10" in text_of(markup)
    assert "Which one is real?" in text_of(markup)
    assert 'data-exposure="500"' in markup
    assert 'data-key="the-key"' in markup
    assert "Practice 1 of 2" in text_of(trial_html(make_trial(1, practice=True), SETTINGS))


def test_a_comparison_of_models_without_a_time_limit() -> None:
    settings = SessionSettings(model="a", opponent="b", direction="AtoB", exposure=None)
    markup = trial_html(make_trial(), settings)
    assert 'data-exposure=""' in markup
    assert "Which one looks more like a real image?" in text_of(markup)


def test_only_practice_gives_feedback() -> None:
    correct, wrong, counted = (
        text_of(trial_html(make_trial(), SETTINGS, Answer(correct))) for correct in (True, False, None)
    )
    assert "Right, that one was real." in correct
    assert "No, the model made that one." in wrong
    assert "that one" not in counted


def test_the_result_states_the_rate_with_its_interval() -> None:
    own = Tally("run", "", 3, 10, 1)
    other = Tally("run", "b<i>", 5, 10, 2, "BtoA", None)
    markup = result_html(own, [own, other], lambda tally: "a → b")
    text = text_of(markup)
    rate = "in 3 of 10 trials: 30 % (95 % interval: 11 % to 60 %)"
    assert f"You took the translated image for the real one {rate}" in text
    assert "3 of 10 votes, 1 person" in text
    assert "preferred to b<i>" in text
    assert "b<i>" not in markup
    assert "a → b, shown until the answer" in text
    assert "Fewer than 40 votes are too few for a conclusion." in text


def test_the_result_of_few_votes_has_no_interval() -> None:
    own = Tally("run", "", 2, 4, 1)
    markup = result_html(own, [own], str)
    assert "50 % (too few votes for an interval: 4, at least 5 needed)." in text_of(markup)
    assert 'class="bar"' not in markup


def test_the_result_without_votes() -> None:
    text = text_of(result_html(None, [], str))
    assert "no votes were saved" in text
    assert "Nobody has voted yet." in text
    assert "None" not in text
    assert "Nobody has voted yet." in tally_bars([], str)


def test_a_session_numbers_practice_and_counted_trials_separately(tmp_path: Path) -> None:
    class GreyPairs:
        def draw(self) -> int:
            return 0

        def name(self, index: int) -> str:
            return "grey"

        def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
            return Image.new("RGB", (8, 8), "grey"), Image.new("RGB", (8, 8), "black")

    sessions = VotingSessions(tmp_path / "votes.sqlite")
    secret = sessions.open(SETTINGS, GreyPairs())
    answer = None
    headings = []
    while trial := sessions.next_trial(secret):
        heading = re.search(r"(Practice|Trial) \d+ of \d+", text_of(trial_html(trial, SETTINGS, answer)))
        headings.append(heading[0] if heading else "")
        answer = sessions.submit(secret, trial.key, "left")
    assert headings == [
        "Practice 1 of 2", "Practice 2 of 2", *(f"Trial {number} of 10" for number in range(1, 11))]  # fmt: skip
