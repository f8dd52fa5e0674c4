import json
import shutil
from pathlib import Path

import pytest

from i2i.checkpoints.model_file import load_model_info
from i2i.data.audit import audit
from i2i.errors import DatasetError
from i2i.evaluation.evaluate import _find_layout
from i2i.evaluation.models import resolve_models
from i2i.evaluation.options import EvaluationOptions
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.conftest import write_random_images
from tests.training.test_trainer import Changes, resume, start


def layout_of(name: str, **options: object) -> Path:
    settings = EvaluationOptions(models=[name], **options)  # type: ignore[arg-type]
    return _find_layout(settings, resolve_models(settings.models, "last")).root


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another working directory, from which the runs of the first one are reached."""
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def test_a_run_made_from_a_relative_path_is_resumed_and_evaluated_from_elsewhere(
    unpaired: Path, changes: Changes, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpaired.parent.rename(unpaired.parent.with_name("ds"))
    start("cyclegan", changes("ds/two", steps=1), "run").train()
    monkeypatch.chdir(elsewhere)
    assert layout_of("run") == elsewhere.parent / "ds/two"
    (elsewhere.parent / "checkpoints/run/.lock").unlink()
    trainer = resume("cyclegan", {"training": {"steps": 2}}, "run")
    assert trainer.dataset.layout.root == elsewhere.parent / "ds/two"
    assert json.loads((trainer.run.path / "config.json").read_text())["data"]["data"] == "ds/two"


def test_two_folders_are_kept_in_the_run_and_named_without_paths_in_the_model_file(
    tmp_path: Path, changes: Changes, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, name in enumerate(("x/horses", "y/zebras")):
        write_random_images(tmp_path / name, 3, seed=seed)
    settings = changes("", steps=1)
    settings["data"] |= {"data_a": "x/horses", "data_b": str(tmp_path / "y/zebras")}
    trainer = start("cyclegan", settings, None)
    trainer.train()
    assert trainer.run.path.name == "horses-zebras-cyclegan"
    info = load_model_info(trainer.run.weights_path)
    assert info.data.name == "horses-zebras"
    assert (info.settings["data"]["data_a"], info.settings["data"]["data_b"]) == ("horses", "zebras")
    for path in (trainer.run.weights_path, trainer.run.path / "card.md"):
        assert str(tmp_path).encode() not in path.read_bytes()
    monkeypatch.chdir(elsewhere)
    assert layout_of("horses-zebras-cyclegan") == tmp_path
    trainer.run.unlock()
    assert resume("cyclegan", {"training": {"steps": 2}}, "horses-zebras-cyclegan").dataset.layout.count() == 3


def test_a_new_place_replaces_the_places_of_a_run(tmp_path: Path, unpaired: Path, changes: Changes) -> None:
    settings = changes("", steps=1)
    settings["data"] |= {"data_a": str(unpaired / "trainA"), "data_b": str(unpaired / "trainB")}
    trainer = start("cyclegan", settings, "run")
    trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {"data": {"data": str(unpaired)}, "training": {"steps": 2}}, "run",
                     allow_changed_data=True)  # fmt: skip
    assert resumed.dataset.layout.root == unpaired
    config = json.loads((resumed.run.path / "config.json").read_text())["data"]
    assert (config["data"], config["data_a"]) == (str(unpaired), "")


def test_a_model_whose_data_are_not_here_says_how_to_name_images(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired, steps=1), "run").train()
    unpaired.rename(unpaired.with_name("other"))
    with pytest.raises(DatasetError, match=rf"trained on 'two' \(last in {unpaired}\).*`i2i evaluate run --data"):
        layout_of("run")
    assert layout_of("run", data=str(unpaired.with_name("other"))) == unpaired.with_name("other")
    with pytest.raises(DatasetError, match=r"on 'BSDS500 train and test'.*`i2i evaluate denoise --data path/to/p"):
        layout_of("denoise")


def test_a_training_starts_with_the_warnings_of_the_check(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(unpaired / "trainA/000.png", unpaired / "testA/copy.png")
    for index in range(10, 20):
        write_random_images(unpaired / "trainA" / str(index), 1, seed=index)
    start("cyclegan", changes(unpaired, steps=1), "run")
    warnings = {warning for warning in caplog.messages if warning.startswith("warning: ")}
    checked = [f"warning: {finding.text}" for finding in audit(unpaired).findings if finding.level == "warning"]
    assert warnings == set(checked)
    assert any("trainA/ has 15 images and trainB/ only 4" in warning for warning in warnings)
    assert any("1 image is in two splits" in warning for warning in warnings)


def test_a_large_dataset_is_not_decoded_when_a_training_starts(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(unpaired / "trainA/000.png", unpaired / "testA/copy.png")
    (unpaired / "testB").rename(unpaired / "testC")
    monkeypatch.setattr("i2i.data.audit.MAX_PIXELS_AT_START", 0)
    start("cyclegan", changes(unpaired, steps=1), "run")
    warnings = [warning for warning in caplog.messages if warning.startswith("warning: ")]
    assert [warning.split("/ holds")[0] for warning in warnings] == ["warning: testA", "warning: testC"]


@pytest.mark.parametrize("task", [True, False])
def test_warnings_that_do_not_concern_the_method_are_left_out(
    tmp_path: Path, changes: Changes, caplog: pytest.LogCaptureFixture, task: bool
) -> None:
    write_random_images(tmp_path / "photos", 3, 32)
    write_random_images(tmp_path / "photos/more", 1, seed=1)
    settings = {"data": {"data": "photos", "size": 16}, "training": changes("photos", steps=1)["training"]}
    if task:
        settings["data"]["task"] = {"task": "denoise"}
    launch.new_training("regression" if task else "gan", "tiny", settings if task else {
        **settings, "data": {"data": "photos", "size": 32},
    }, "run", TrainingProgress())  # fmt: skip
    assert [warning for warning in caplog.messages if warning.startswith("warning: ")] == []
    assert any("like side-by-side pairs" in finding.text for finding in audit(tmp_path / "photos").findings)
