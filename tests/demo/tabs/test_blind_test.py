"""The tabs "Judge" and "Theatre" as their parts call them, without a browser."""

import base64
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from i2i.demo.model_registry import Models
from i2i.demo.tabs import blind_test, training
from i2i.demo.tabs.blind_test import MODELS, REAL, Judge
from i2i.demo.tabs.training import Theatre
from i2i.errors import UsageError
from i2i.evaluation.votes import read_votes
from tests.demo.conftest import upload, write_model
from tests.demo.drawn_images import halves_of
from tests.demo.test_run_history import drawn, logged, loss


@pytest.fixture
def run(models: Models, unpaired: Path) -> Path:
    """A run that learnt from the pictures of ``unpaired``."""
    return write_model(Path("checkpoints/run"), data={"name": "two"}, steps=40, total_steps=40).parent


def test_no_part_of_a_vote_or_of_a_training_is_offered_to_programs(models: Models) -> None:
    with gr.Blocks() as blocks:
        blind_test.tab(models)
        training.tab(models)
    found: Any = blocks.get_api_info()
    assert not found["named_endpoints"]
    assert not found["unnamed_endpoints"]


def begun(tab: Judge, *, rival: str = "", practice: int = 0, trials: int = 2) -> tuple[str, str]:
    """The secret of a session, and its first trial."""
    what = MODELS if rival else REAL
    secret, _, play = tab.begin(what, "run, A to B (two)", rival, 1.0, False, trials, practice)
    return secret, play["value"]


def answered(tab: Judge, secret: str, shown: str, side: str = "left") -> tuple[Any, ...]:
    key = re.search(r'data-key="([^"]+)"', shown)
    assert key is not None
    return tab.answer(secret, gr.EventData(None, {"key": key[1], "side": side, "seconds": 0.0}))


def test_a_session_goes_from_trial_to_trial_to_its_outcome(models: Models, run: Path) -> None:
    tab = Judge(models)
    choices, start, missing = tab.refresh()
    assert [title for _, title in choices["choices"]] == ["run, A to B (two)", "run, B to A (two)"]
    assert start["interactive"]
    assert "both: it learnt from stripes, and that is not on this machine" in missing["value"]
    secret, first = begun(tab)
    data = re.search(r'base64,([^"]+)"', first)
    assert data is not None
    assert [half.size for half in halves_of(base64.b64decode(data[1]))] == [(16, 16), (16, 16)]
    second = answered(tab, secret, first)[0]["value"]
    assert "Trial 2 of 2" in second
    play, end, outcome = answered(tab, secret, second)
    assert not play["visible"]
    assert end["visible"]
    assert "of 2 trials" in outcome
    (tally,) = read_votes(None, ["run"])
    assert (tally.votes, tally.people, tally.exposure) == (2, 1, 1.0)
    assert tab.votes()[1]["visible"]


def test_an_answer_without_a_trial_is_no_vote(models: Models, run: Path) -> None:
    tab = Judge(models)
    secret, first = begun(tab)
    for nonsense in (None, {}, {"side": 3}):
        with pytest.raises(UsageError, match="left or right"):
            tab.answer(secret, gr.EventData(None, nonsense))
    tab.answer(secret, gr.EventData(None, {"key": ["guessed"], "side": "left"}))
    with pytest.raises(UsageError, match="no longer open"):
        answered(tab, "", first)
    assert read_votes(None, ["run"]) == []


def test_only_models_of_the_list_are_judged(models: Models, run: Path) -> None:
    tab = Judge(models)
    with pytest.raises(UsageError, match="Choose a model"):
        tab.begin(REAL, "../run", "", 1.0, False, 2, 0)
    with pytest.raises(UsageError, match="Choose a model"):
        begun(tab, rival="run, B to A (two)")
    assert "No other model here" in tab.rivals(MODELS, "run, A to B (two)")["info"]
    write_model(Path("checkpoints/rival"), data={"name": "two"})
    assert tab.rivals(MODELS, "run, A to B (two)")["value"] == "rival, A to B (two)"
    assert "Which one looks more like a real picture?" in begun(tab, rival="rival, A to B (two)")[1]


def test_the_theatre_opens_what_a_training_left_and_no_path(models: Models, run: Path) -> None:
    tab = Theatre(models)
    assert tab.runs() == [], "there is nothing to see of models without samples and log"
    drawn(run, 1, 20, 40)
    logged(run, loss(20), loss(40), torn='{"step": 4')
    assert tab.runs() == ["run"]
    slider, frame, state, curves, _, kept, *_ = tab.open("run")
    assert (slider["maximum"], slider["step"], slider["value"]) == (40, 20, 40)
    assert "After 40 steps" in frame
    assert state == "Trained to its end, 40 steps."
    assert curves.count("<svg") == 2
    assert "only its last weights" in kept
    for name in ("../datasets/two", "/etc", "run/../run", "", None):
        with pytest.raises(UsageError):
            tab.show(name, 1)


def test_a_training_that_runs_is_followed_and_one_that_looks_back_is_left_there(models: Models, run: Path) -> None:
    tab = Theatre(models)
    drawn(run, 1, 10)
    logged(run, loss(10))
    seen = tab.open("run")[-1]
    assert all("value" not in each for each in tab.follow("run", 10, seen)), "nothing is new"
    drawn(run, 20)
    logged(run, loss(10), loss(20))
    slider, frame, state, _, now = tab.follow("run", 10, seen)
    assert slider["value"] == 20
    assert "After 20 steps" in frame
    assert isinstance(state, str)
    assert now != seen
    back = tab.follow("run", 1, seen)
    assert "value" not in back[0]
    assert not isinstance(back[1], str), "the samples that are looked at stay"


def test_playing_goes_to_the_end_and_stops_there(models: Models, run: Path) -> None:
    tab = Theatre(models)
    drawn(run, 1, 20, 40)
    first, timer, label = tab.play("run", 40, "Play")
    assert (first, timer.active, label) == (1, True, "Pause")
    at, going = first, []
    for _ in range(2):
        at, timer, _ = tab.tick("run", at)
        going.append((at, timer.active))
    assert going == [(20, True), (40, False)]


def test_a_photo_goes_through_every_checkpoint(models: Models, run: Path) -> None:
    from i2i.images import encode

    header = {"steps": 20, "data": {"name": "two"}}
    write_model(Path("elsewhere"), **header)
    (run / "snapshots").mkdir()
    Path("elsewhere/weights.safetensors").rename(run / "snapshots/0000020.safetensors")
    photo = upload(models.desk, "photo.png", encode(Image.new("RGB", (700, 40), "olive"), ".png"))
    *_, last = Theatre(models).try_all("run", "AtoB", str(photo))
    assert re.findall(r"<code>(run[^<]*)</code>", last) == ["run/snapshots/0000020", "run"]
    assert last.count("<img") == 3
    with pytest.raises(UsageError, match="Only an uploaded file"):
        list(Theatre(models).try_all("run", "AtoB", "/etc/passwd"))
