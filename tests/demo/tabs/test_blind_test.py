"""The handlers of the tab "Blind test", without a browser."""

import base64
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from i2i.demo.model_registry import ModelRegistry
from i2i.demo.tabs import blind_test, training
from i2i.demo.tabs.blind_test import AGAINST_MODEL, AGAINST_REAL, BlindTestTab
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.evaluation.votes import read_votes
from tests.demo.conftest import write_model
from tests.demo.image_halves import image_halves

ATOB_TITLE = "run, A to B (two)"
BTOA_TITLE = "run, B to A (two)"


@pytest.fixture
def tab(registry: ModelRegistry, store: UploadStore, run: Path) -> BlindTestTab:
    return BlindTestTab(registry, store)


def test_blind_test_and_training_are_not_part_of_the_api(registry: ModelRegistry, store: UploadStore) -> None:
    with gr.Blocks() as blocks:
        blind_test.build_tab(registry, store)
        training.build_tab(registry, store)
    api: Any = blocks.get_api_info()
    assert not api["named_endpoints"]
    assert not api["unnamed_endpoints"]


def start_test(tab: BlindTestTab, *, opponent: str = "", practice: int = 0, trials: int = 2) -> tuple[str, str]:
    """Start a session and return its secret and the HTML of its first trial."""
    comparison = AGAINST_MODEL if opponent else AGAINST_REAL
    secret, _, trial = tab.start(comparison, ATOB_TITLE, opponent, 1.0, False, trials, practice)
    return secret, trial["value"]


def answer_trial(tab: BlindTestTab, secret: str, trial: str, side: str = "left") -> tuple[Any, ...]:
    key = re.search(r'data-key="([^"]+)"', trial)
    assert key is not None
    return tab.answer(secret, gr.EventData(None, {"key": key[1], "side": side, "seconds": 0.0}))


def test_models_whose_dataset_is_here_are_candidates(tab: BlindTestTab) -> None:
    choices, start, reasons = tab.refresh()
    assert [title for _, title in choices["choices"]] == [ATOB_TITLE, BTOA_TITLE]
    assert start["interactive"]
    assert "both: the model was trained on stripes, which is not on this machine" in reasons["value"]


def test_a_session_leads_through_its_trials_to_the_result(tab: BlindTestTab) -> None:
    secret, first = start_test(tab)
    data = re.search(r'base64,([^"]+)"', first)
    assert data is not None
    assert [half.size for half in image_halves(base64.b64decode(data[1]))] == [(16, 16), (16, 16)]
    second = answer_trial(tab, secret, first)[0]["value"]
    assert "Trial 2 of 2" in second
    trial, end, result = answer_trial(tab, secret, second)
    assert not trial["visible"]
    assert end["visible"]
    assert "of 2 trials" in result
    (tally,) = read_votes(None, ["run"])
    assert (tally.votes, tally.voters, tally.exposure) == (2, 1, 1.0)
    assert tab.votes()[1]["visible"]


def test_an_answer_without_a_trial_is_no_vote(tab: BlindTestTab) -> None:
    secret, first = start_test(tab)
    for data in (None, {}, {"side": 3}):
        with pytest.raises(UsageError, match="left or right"):
            tab.answer(secret, gr.EventData(None, data))
    tab.answer(secret, gr.EventData(None, {"key": ["guessed"], "side": "left"}))
    with pytest.raises(UsageError, match="no longer open"):
        answer_trial(tab, "", first)
    assert read_votes(None, ["run"]) == []


def test_only_listed_models_take_part(tab: BlindTestTab) -> None:
    with pytest.raises(UsageError, match="Choose a model"):
        tab.start(AGAINST_REAL, "../run", "", 1.0, False, 2, 0)
    with pytest.raises(UsageError, match="Choose a model"):
        start_test(tab, opponent=BTOA_TITLE)


def test_an_opponent_translates_the_same_images_in_the_same_way(tab: BlindTestTab) -> None:
    assert "No other model" in tab.opponents(AGAINST_MODEL, ATOB_TITLE)["info"]
    write_model(Path("checkpoints/rival"), data={"name": "two"})
    assert tab.opponents(AGAINST_MODEL, ATOB_TITLE)["value"] == "rival, A to B (two)"
    _, trial = start_test(tab, opponent="rival, A to B (two)")
    assert "Which one looks more like a real image?" in trial
