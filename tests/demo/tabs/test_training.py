"""The handlers of the tab "Training", without a browser."""

import re
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo.model_registry import ModelRegistry
from i2i.demo.tabs.training import TrainingTab
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import encode
from tests.demo.conftest import upload, write_model
from tests.demo.test_run_history import loss_row, write_log, write_samples


@pytest.fixture
def tab(registry: ModelRegistry, store: UploadStore, run: Path) -> TrainingTab:
    return TrainingTab(registry, store)


def test_a_run_with_samples_and_log_can_be_opened(tab: TrainingTab, run: Path) -> None:
    assert tab.runs() == [], "models without samples and log are not listed"
    write_samples(run, 1, 20, 40)
    write_log(run, loss_row(20), loss_row(40), torn='{"step": 4')
    assert tab.runs() == ["run"]
    slider, samples, state, curves, _, summary, *_ = tab.open("run")
    assert (slider["maximum"], slider["step"], slider["value"]) == (40, 20, 40)
    assert "After 40 steps" in samples
    assert state == "Finished: 40 steps."
    assert curves.count("<svg") == 2
    assert "only its last weights" in summary


@pytest.mark.parametrize("name", ["../datasets/two", "/etc", "run/../run", "", None])
def test_a_path_is_not_a_run(name: str | None, tab: TrainingTab) -> None:
    with pytest.raises(UsageError):
        tab.show(name, 1)


def test_new_samples_are_shown_unless_the_user_looks_at_earlier_ones(tab: TrainingTab, run: Path) -> None:
    write_samples(run, 1, 10)
    write_log(run, loss_row(10))
    revision = tab.open("run")[-1]
    assert all("value" not in update for update in tab.follow("run", 10, revision)), "nothing is new"
    write_samples(run, 20)
    write_log(run, loss_row(10), loss_row(20))
    slider, samples, state, _, new_revision = tab.follow("run", 10, revision)
    assert slider["value"] == 20
    assert "After 20 steps" in samples
    assert isinstance(state, str)
    assert new_revision != revision
    slider, samples, *_ = tab.follow("run", 1, revision)
    assert "value" not in slider
    assert not isinstance(samples, str), "the earlier samples stay"


def test_playing_stops_at_the_last_samples(tab: TrainingTab, run: Path) -> None:
    write_samples(run, 1, 20, 40)
    first, timer, label = tab.play("run", 40, "Play")
    assert (first, timer.active, label) == (1, True, "Pause")
    step = first
    ticks = []
    for _ in range(2):
        step, timer, _ = tab.tick("run", step)
        ticks.append((step, timer.active))
    assert ticks == [(20, True), (40, False)]


def test_a_photo_is_translated_by_every_checkpoint(tab: TrainingTab, run: Path) -> None:
    write_model(Path("elsewhere"), steps=20, data={"name": "two"})
    (run / "snapshots").mkdir()
    Path("elsewhere/weights.safetensors").rename(run / "snapshots/0000020.safetensors")
    photo = upload(tab.store, "photo.png", encode(Image.new("RGB", (700, 40), "olive"), ".png"))
    first, *_, last = tab.try_all("run", "AtoB", str(photo))
    assert "Trying 20 steps" in first
    assert re.findall(r"<code>(run[^<]*)</code>", last) == ["run/snapshots/0000020", "run"]
    assert last.count("<img") == 3
    with pytest.raises(UsageError, match="Only an uploaded file"):
        list(tab.try_all("run", "AtoB", "/etc/passwd"))
