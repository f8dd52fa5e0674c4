"""`i2i train`: runs named by --resume, settings from --config and to --save-config."""

import json
import shutil
from pathlib import Path

import pytest

import i2i
from i2i.checkpoints.model_file import load_model_info
from tests.cli.test_cli import TINY, run
from tests.conftest import write_unpaired


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, and with a run of it in "checkpoints"."""
    folder = tmp_path_factory.mktemp("trained")
    write_unpaired(folder / "datasets" / "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("I2I_CHECKPOINTS", raising=False)
        train()
    return folder


def train() -> Path:
    """Train the run "two-cyclegan" for one step, and return its folder."""
    result = run("train", "cyclegan", "--data", "two", "--steps", "1", *TINY)
    assert result.returncode == 0, result.stderr
    return Path("checkpoints/two-cyclegan")


@pytest.fixture
def trained(template: Path, unpaired: Path) -> Path:
    """The folder of a finished run "two-cyclegan" of one step."""
    shutil.copytree(template / "checkpoints", "checkpoints")
    return Path("checkpoints/two-cyclegan")


@pytest.mark.parametrize(
    "words",
    [
        ["--resume", "two-cyclegan"],
        ["--resume=two-cyclegan"],
        ["--resume", "two-cyclegan", "--name", "two-cyclegan"],
        ["--resume", "checkpoints/two-cyclegan/"],
        ["--name", "two-cyclegan", "--resume"],
        ["--data", "two", "--resume"],
    ],
)
def test_a_run_is_resumed_by_name_path_or_data(words: list[str], trained: Path) -> None:
    result = run("train", "cyclegan", *words, "--steps", "2")
    assert result.returncode == 0, result.stderr
    assert "steps 1 to 2" in result.stderr


def test_a_run_elsewhere_is_resumed_by_its_path(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "moved" / "mine"
    shutil.copytree(trained, elsewhere)
    steps = load_model_info(elsewhere / "weights.safetensors").steps + 1
    monkeypatch.chdir(tmp_path)
    result = run("train", "cyclegan", "--resume", "moved/mine", "--steps", str(steps))
    assert result.returncode == 0, result.stderr
    assert "i2i convert moved/mine " in result.stderr
    assert load_model_info(elsewhere / "weights.safetensors").steps == steps
    assert "moved/other is no run" in run("train", "cyclegan", "--resume", "moved/other").stderr
    assert i2i.train("cyclegan", resume=elsewhere, steps=steps + 1, progress=False).step == steps + 1


def test_a_resume_checks_the_method_and_the_names(trained: Path) -> None:
    other = run("train", "cut", "--resume", "two-cyclegan")
    assert (other.returncode, "i2i train cyclegan --resume" in other.stderr) == (2, True)
    assert "Two runs are named" in run("train", "cyclegan", "--resume", "a", "--name", "b").stderr
    assert "checkpoints/missing is no run: there is no such folder" in (
        " ".join(run("train", "cyclegan", "--resume", "missing").stderr.split())
    )
    assert "Leave out --config" in run("train", "cyclegan", "--resume", "two-cyclegan", "--config", "x.json").stderr


def test_the_config_of_a_run_starts_another_and_flags_override_it(unpaired: Path) -> None:
    trained = train()
    result = run("train", "cyclegan", "--config", str(trained / "config.json"), "--name", "b", "--generator", "unet",
                 "--ngf", "4", "--size", "32")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "was changed after" not in result.stderr
    first, second = (json.loads((folder / "config.json").read_text()) for folder in (trained, trained.with_name("b")))
    assert second["training"] == first["training"]
    assert second["data"] == {**first["data"], "size": 32}
    assert second["data_paths"] == first["data_paths"]
    assert first["model"]["generator"]["network"] == "resnet"
    assert (second["model"]["generator"]["network"], second["model"]["generator"]["ngf"]) == ("unet", 4)


def test_saved_settings_give_the_same_training(trained: Path) -> None:
    saved = run("train", "cyclegan", "--data", "two", "--steps", "1", *TINY, "--save-config", "settings.json")
    assert saved.returncode == 0, saved.stderr
    assert "no training was started" in saved.stderr
    config = json.loads((trained / "config.json").read_text())
    del config["data_paths"], config["sha256"]  # where the run found the dataset, and the checksum
    assert json.loads(Path("settings.json").read_text()) == config
    assert [path.name for path in Path("checkpoints").iterdir()] == ["two-cyclegan"]
    again = run("train", "cyclegan", "--config", "settings.json", "--save-config", "settings.json")
    assert (again.returncode, "nothing is overwritten" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "settings.json is no JSON"),
        ("[]", "holds a JSON list, expected a table"),
        ('{"method": "cut"}', "i2i train cut --config settings.json"),
        ('{"network": {}}', "has unknown keys: network. It may have method, recipe, data, model, training."),
        ('{"training": {"stepz": 3}}', "settings.json: TrainingConfig has no option training.stepz; it has steps"),
        ('{"training": {"steps": -3}}', "settings.json: training.steps is -3; it must be 1 or above"),
        ('{"training": {"steps": "many"}}', "settings.json: training.steps is 'many'; it must be"),
        ('{"training": 3}', "training is 3; it must be a table of settings"),
        ('{"recipe": "huge"}', "cyclegan has no recipe 'huge'"),
    ],
)
def test_unusable_settings_are_refused_in_words(text: str, message: str, work_dir: Path) -> None:
    Path("settings.json").write_text(text)
    result = run("train", "cyclegan", "--config", "settings.json", "--data", "two")
    assert result.returncode == 2
    assert message in result.stderr
    assert "could not be read" in run("train", "cyclegan", "--config", "missing.json").stderr


def test_a_file_with_some_settings_takes_the_others_from_its_recipe(work_dir: Path) -> None:
    Path("some.json").write_text('{"recipe": "tiny", "training": {"steps": 3}}')
    result = run("train", "cyclegan", "--config", "some.json", "--save-config", "all.json")
    assert result.returncode == 0, result.stderr
    settings = json.loads(Path("all.json").read_text())
    assert (settings["recipe"], settings["data"]["size"], settings["training"]["steps"]) == ("tiny", 64, 3)
    refused = run("train", "cyclegan", "--config", "some.json", "--recipe", "fast")
    assert "holds settings of the recipe tiny, not fast" in refused.stderr


@pytest.mark.parametrize("words", [["--resume", "auto"], ["--resume=auto"]])
def test_the_same_command_starts_continues_and_finishes_a_run(words: list[str], trained: Path) -> None:
    command = ["train", "cyclegan", "--data", "two", "--name", f"auto{len(words)}", *words, "--steps", "2", *TINY]
    limited = run(*command, "--time-limit", "0.000001s")
    assert limited.returncode == 0
    assert "stopped by --time-limit at step 0" in limited.stderr
    assert "finished. To use the model" in run(*command).stderr
    again = run(*command)
    assert (again.returncode, "is finished" in again.stderr) == (0, True)


def test_a_time_limit_without_a_unit_is_an_error(trained: Path) -> None:
    result = run("train", "cyclegan", "--data", "two", "--name", "never", "--time-limit", "2")
    assert (result.returncode, "is no duration" in result.stderr) == (2, True)
    assert not Path("checkpoints/never").exists()


def test_the_config_of_a_run_finds_its_data_from_another_directory(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (trained / "config.json").absolute()
    values = json.loads(config.read_text())
    values["data"]["data"] = "datasets/two"
    values["data_paths"] = {"datasets/two": str(Path("datasets/two").absolute())}
    config.write_text(json.dumps(values))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = run("train", "cyclegan", "--config", str(config), "--name", "c")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("flags", [["--compile", "on", "--checkpoint-activations"], ["--cuda-graph", "on"]])
def test_flags_that_exclude_each_other_leave_no_run_and_no_change(flags: list[str], trained: Path) -> None:
    new = run("train", "cyclegan", "--data", "two", "--name", "new", "--steps", "1", *TINY, *flags)
    assert (new.returncode, "must be auto or off" in new.stderr) == (2, True)
    assert not Path("checkpoints/new").exists()
    before = (trained / "config.json").read_bytes()
    resumed = run("train", "cyclegan", "--resume", trained.name, "--steps", "2", *flags)
    assert (resumed.returncode, "must be auto or off" in resumed.stderr) == (2, True)
    assert (trained / "config.json").read_bytes() == before


def test_memory_that_runs_out_outside_of_a_step_is_an_error_in_words(
    unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")

    monkeypatch.setattr("i2i.training.trainer.resolve_dtype", build)
    result = run("train", "cyclegan", "--data", "two", "--steps", "1", *TINY)
    assert result.returncode == 1
    assert "Out of memory (DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes)." in (
        result.stderr
    )


@pytest.mark.parametrize("words", [["--resume", "two-cyclegan"], ["--data", "two", "--resume", "auto"]])
def test_a_run_without_its_config_is_resumed_by_the_copy_in_its_state(words: list[str], trained: Path) -> None:
    before = json.loads((trained / "config.json").read_text())
    (trained / "config.json").unlink()
    result = run("train", "cyclegan", *words, "--steps", "2", *(TINY if "auto" in words else ()))
    assert result.returncode == 0, result.stderr
    assert "config.json is missing. Its copy in the last training state is used." in result.stderr
    assert json.loads((trained / "config.json").read_text())["model"] == before["model"]
