import html
import re
from pathlib import Path

from PIL import Image

from i2i.demo.blind_test import html as stage
from i2i.demo.blind_test.pairs import side_by_side
from i2i.demo.blind_test.sessions import Ballot, Question, Trial, Verdict
from i2i.evaluation.votes import Tally
from tests.conftest import picture

ASKED = Question(model="secret-run", other="", direction="AtoB", exposure=0.5, practice=2, trials=10)


def dealt(number: int = 3, *, practice: bool = False, turned: bool = False) -> Trial:
    pair = (picture(1), picture(2)) if turned else (picture(2), picture(1))
    return Trial("the-key", number, practice, side_by_side(*pair))


def words(shown: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", shown)).replace("\u00a0", " ")


def test_nothing_but_the_pixels_tells_one_trial_from_another() -> None:
    one, other = (stage.trial(dealt(turned=turned), ASKED) for turned in (False, True))
    assert one != other
    pixels = re.compile(r'data-picture="[^"]*"')
    assert pixels.sub("", one) == pixels.sub("", other)
    assert "secret-run" not in one
    assert "AtoB" not in one


def test_a_trial_says_where_one_is_and_what_is_asked() -> None:
    shown = stage.trial(dealt(), ASKED)
    assert "Trial 3 of 10" in words(shown)
    assert "Which one is real?" in words(shown)
    assert 'data-exposure="500"' in shown
    assert 'data-key="the-key"' in shown
    assert "Practice 1 of 2" in words(stage.trial(dealt(1, practice=True), ASKED))
    free = Question(model="a", other="b", direction="AtoB", exposure=None)
    assert 'data-exposure=""' in stage.trial(dealt(), free)
    assert "Which one looks more like a real picture?" in words(stage.trial(dealt(), free))


def test_only_practice_is_told_right_from_wrong() -> None:
    told = [words(stage.trial(dealt(), ASKED, Verdict(right))) for right in (True, False, None)]
    assert "that one was real" in told[0]
    assert "made by the model" in told[1]
    assert "that one" not in told[2]


def test_the_end_tells_a_rate_with_its_interval_in_words() -> None:
    mine = Tally("run", "", 3, 10, 1)
    shown = words(stage.outcome(mine, [mine, Tally("run", "b<i>", 5, 10, 2, "BtoA", None)], lambda tally: "a → b"))
    assert (
        "You took the translated picture for the real one in 3 of 10 trials: 30 % (95 % interval: 11 % to 60 %)"
        in shown
    )
    assert "3 of 10 votes, 1 person" in shown
    assert "preferred to b<i>" in shown
    assert "a → b, shown until the answer" in shown
    assert "Fewer than 40 votes say next to nothing." in shown


def test_who_stops_at_once_and_who_comes_first_read_sentences() -> None:
    shown = words(stage.outcome(None, [], str))
    assert "nothing was kept" in shown
    assert "Nobody has voted yet." in shown
    assert "None" not in shown


def test_a_session_from_begin_to_end(tmp_path: Path) -> None:
    class Grey:
        def draw(self) -> int:
            return 0

        def name(self, index: int) -> str:
            return "grey"

        def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
            return Image.new("RGB", (8, 8), "grey"), Image.new("RGB", (8, 8), "black")

    ballot, seen = Ballot(tmp_path / "votes.sqlite"), []
    secret, verdict = ballot.begin(ASKED, Grey()), None
    while trial := ballot.deal(secret):
        seen.append(re.search(r"(Practice|Trial) \d+ of \d+", words(stage.trial(trial, ASKED, verdict))))
        verdict = ballot.answer(secret, trial.key, "left")
    assert [found[0] for found in seen if found] == [
        "Practice 1 of 2", "Practice 2 of 2", *(f"Trial {number} of 10" for number in range(1, 11))]  # fmt: skip
