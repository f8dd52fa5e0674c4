"""The command line: in this process, or in another one if the test kills it or checks its imports."""

import hashlib
import io
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from i2i._version import __version__
from i2i.cli import COMMANDS, main
from i2i.cli.method_commands import SUMMARIES
from i2i.errors import DatasetError
from i2i.recipes import RECIPES
from tests.conftest import write_random_images
from tests.forked_process import start

TINY = shlex.split(
    "--recipe tiny --size 16 --resize-scale 1.125 --ngf 2 --blocks 1 --generator resnet --dropout 0.5 --d-ndf 2 "
    "--d-receptive-field 16 --pool-size 5 --ema 0.9 --batch-size 1 --device cpu --precision float32"
)

TRAINING_ARGS = ("--steps", "24", "--save-every-minutes", "0", *TINY)


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process. An error that the command line does not handle is raised."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["i2i", *args])
        try:
            main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())


def test_the_help_lists_the_commands_in_the_order_of_their_use() -> None:
    names = re.findall(r"^│ (\w+) ", run("--help").stdout.partition("Commands")[2], re.MULTILINE)
    assert names == list(COMMANDS)
    names = re.findall(r"^│ (\w+) ", run("models", "--help").stdout.partition("Commands")[2], re.MULTILINE)
    assert (names[:3], names[-2:]) == (["list", "info", "card"], ["rm", "prune"])


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from i2i.cli import main\n"
        "for command in sys.argv[1:]:\n"
        "    sys.argv = ['i2i', *command.split(), '--help']\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "    heavy = {'torch', 'cv2', 'albumentations', 'gradio', 'numpy'} & sys.modules.keys()\n"
        "    if heavy: sys.exit(f'{command} imported {heavy}')"
    )
    words = [sys.executable, "-c", code, "", "train", "convert", "demo", "data check"]
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("Usage: i2i") == 5


def test_python_m_i2i_runs_the_command_line() -> None:
    process = subprocess.run([sys.executable, "-m", "i2i", "--version"], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == __version__


@pytest.mark.parametrize(
    "name",
    [
        "train cyclegan", "train cut", "train pix2pix", "train regression", "train gan", "bench cyclegan", "convert",
        "degrade", "sample", "evaluate", "demo", "data list", "data download", "data generate", "data check",
        "data score", "models list", "models info", "models export", "models rm", "models prune",
    ],
)  # fmt: skip
def test_the_help_of_every_command_has_an_example_of_the_command(name: str) -> None:
    result = run(*name.split(), "--help")
    assert result.returncode == 0
    assert f"i2i {name}" in result.stdout.split("Example")[1]


def test_the_help_has_a_panel_for_each_task_and_names_the_defaults_of_shared_flags() -> None:
    help = run("train", "regression", "--help-all").stdout
    assert "─ Task denoise ─" in help
    assert "─ Task oldphoto ─" in help
    assert "0.0 3.0 (deblur)" in help


@pytest.mark.parametrize("method", SUMMARIES)
def test_the_help_of_a_method_shows_some_twenty_settings_and_names_the_flag_for_all(method: str) -> None:
    short, full = (
        set(re.findall(r"^│ (--[\w-]+)", run("train", method, flag).stdout, re.MULTILINE))
        for flag in ("--help", "--help-all")
    )
    assert {"--data", "--size", "--steps", "--resume", "--config", "--help-all"} <= short <= full
    assert len(short) < 36 < len(full)


def test_the_help_with_a_task_shows_the_settings_of_the_task() -> None:
    assert "--noise-level-input" not in run("train", "regression", "--help").stdout
    help = run("train", "regression", "--task", "denoise", "--help").stdout
    assert "--noise-level-input" in help
    assert "--rain-density" not in help


def test_the_subcommands_of_train_are_the_methods_of_the_recipes() -> None:
    assert SUMMARIES.keys() == RECIPES.keys()


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good and bad datasets."""
    root = tmp_path_factory.mktemp("bad")
    (root / "empty").mkdir()
    write_random_images(root / "half" / "trainA", 2)
    for domain in ("trainA", "trainB"):
        write_random_images(root / "text" / domain, 2)
        write_random_images(root / "good" / domain, 2)
    (root / "text" / "trainA" / "notes.jpg").write_text("not an image")
    write_random_images(root / "pairs" / "train", 2, width=32)
    write_random_images(root / "photos", 2)
    return root


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        ("cyclegan --data nowhere", ["No dataset 'nowhere'", "i2i data list"]),
        ("cyclegan --data half", ["has no trainB/"]),
        ("cyclegan --data empty", ["holds no images", "it is empty"]),
        ("cyclegan --data text", ["notes.jpg", "1 file cannot be read as an image"]),
        ("cyclegan --data good --recipe best", ["no recipe 'best'", "paper, fast, tiny"]),
        ("cyclegan --data good --size 30 --generator resnet", ["multiple of 4", "30"]),
        ("cyclegan --data good --size 16 --generator resnet", ["at least 24 px", "--d-receptive-field 34"]),
        ("pix2pix --data pairs --size 48", ["32, 64, 128", "48"]),
        ("pix2pix --data good", ["unpaired data", "i2i train cyclegan"]),
        ("cyclegan --data pairs", ["paired data", "i2i train pix2pix"]),
        ("cyclegan --data photos", ["clean data", "i2i train gan", "trainA/ and trainB/"]),
        ("distill --data photos --teacher denoise", ["needs unpaired data", "add its --task"]),
        ("cyclegan --data good --adversarial wgangp", ["'--adversarial': 'wgangp' is not one of 'minimax'"]),
        ("gan --data good", ["unpaired data", "--data good/trainA"]),
        ("gan --data pairs --layout side-by-side", ["paired data", "i2i train pix2pix"]),
        ("gan --data photos --size 48", ["32, 64, 128", "48"]),
        ("gan --data photos --adversarial wgan-gp", ["batch norm", "--d-norm instance"]),
        ("cyclegan --data good --lr -1", ["lr is -1.0", "above 0"]),
        ("cyclegan --data good --name a/b", ["cannot name a run"]),
        ("cyclegan --data good --device abacus", ["'abacus'", "--device auto"]),
        ("pix2pix --data pairs --adversarial wgan-gp", ["batch norm", "--d-norm instance"]),
        ("cyclegan --data good --resume", ["is no run", "without --resume"]),
        ("cyclegan", ["--data NAME"]),
    ],
)
def test_bad_input_gives_one_clear_message_and_exit_code_2(
    args: str, parts: list[str], datasets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(datasets)
    monkeypatch.setattr(sys, "argv", ["i2i", "train", *args.split()])
    if args == "cyclegan":  # a command without any flag shows its help
        sys.argv += ["--size", "64"]
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert all(part in message for part in parts), message
    assert not (datasets / "checkpoints").exists()


@pytest.mark.parametrize("group", ["train", "bench"])
def test_options_without_a_method_are_answered_by_the_command_with_one(group: str) -> None:
    result = run(group, "--data", "photos")
    assert result.returncode == 2
    assert f"`i2i {group} cyclegan --data photos`" in result.stderr
    assert all(method in result.stderr for method in SUMMARIES)


def test_an_error_has_a_traceback_only_with_debug() -> None:
    args = ["train", "cyclegan", "--data", "nowhere"]
    result = run(*args)
    assert result.returncode == 2
    assert "No dataset 'nowhere'" in result.stderr
    assert "Traceback" not in result.stderr
    with pytest.raises(DatasetError, match="nowhere"):
        run(*args, "--debug")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a dataset and an uninterrupted run of 24 steps, named "whole"."""
    root = tmp_path_factory.mktemp("work")
    for seed, name in enumerate(("trainA", "trainB", "testA", "testB")):
        write_random_images(root / "two" / name, 6, seed=seed)
    previous = Path.cwd()
    os.chdir(root)
    result = run("train", "cyclegan", "--data", "two", "--name", "whole", *TRAINING_ARGS)
    assert result.returncode == 0, result.stderr
    yield root
    os.chdir(previous)


def digest(root: Path, name: str) -> str:
    return hashlib.sha256((root / "checkpoints" / name / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("stop_signal", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_at_any_time_and_resumed_ends_with_the_same_weights(
    stop_signal: signal.Signals, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    name = stop_signal.name.lower()
    args = ["train", "cyclegan", "--data", "two", "--name", name, *TRAINING_ARGS]
    training = start("-m", "i2i", *args)
    state = workspace / "checkpoints" / name / "state.pt"
    while not state.exists() and training.poll() is None:
        time.sleep(0.005)
    time.sleep(random.random() * 0.1)  # at any time after the first saved state
    training.send_signal(stop_signal)
    _, log = training.communicate()
    code = training.returncode
    if stop_signal != signal.SIGKILL and code != 0:  # 0: the training finished before the signal arrived
        assert code == 128 + stop_signal
        assert f"--name {name} --resume" in log
    assert run("train", "cyclegan", "--name", name, "--resume").returncode == 0
    assert digest(workspace, name) == digest(workspace, "whole")


@pytest.mark.slow
def test_a_training_with_workers_is_saved_on_a_sigterm_to_its_process_group(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    args = [
        "train",
        "cyclegan",
        "--data",
        "two",
        "--name",
        "group",
        *TRAINING_ARGS,
        "--steps",
        "100000",
        "--workers",
        "1",
    ]
    training = start("-m", "i2i", *args, new_session=True)
    previous = workspace / "checkpoints" / "group" / "state.previous.pt"
    while not previous.exists() and training.poll() is None:
        time.sleep(0.01)
    os.killpg(training.pid, signal.SIGTERM)
    _, log = training.communicate()
    assert training.returncode == 128 + signal.SIGTERM, log
    assert "the run is saved" in log


def test_convert_reports_a_bad_file_converts_the_rest_and_exits_1(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    write_random_images(tmp_path / "in" / "deep", 2)
    (tmp_path / "in" / "notes.jpg").write_text("not an image")
    result = run(
        "convert", "whole", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--direction", "BtoA", "--json"
    )
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert len(report["converted"]) == 2
    assert report["failed"][0]["source"].endswith("notes.jpg")
    assert "notes.jpg" in result.stderr
    assert (tmp_path / "out" / "deep" / "001.png").is_file()


def test_models_can_be_listed_inspected_and_exported(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    assert "whole" in run("models", "list").stdout
    (listed,) = (model for model in json.loads(run("models", "list", "--json").stdout) if model["name"] == "whole")
    assert listed["steps"] == 24
    assert listed["bytes"] > Path("checkpoints/whole/state.pt").stat().st_size
    assert listed["date"].startswith("20")
    assert not listed["shipped"]
    refused = run("models", "rm", "whole")
    assert (refused.returncode, "Give --yes" in refused.stderr) == (2, True)
    assert "checkpoints/whole" in run("models", "rm", "whole", "--dry-run").stdout
    assert "nothing was removed" in run("models", "prune", "--dry-run").stderr.lower()
    assert Path("checkpoints/whole/state.pt").exists()
    info = run("models", "info", "whole").stdout
    assert "24" in info
    assert "AtoB BtoA" in info
    exported = run("models", "export", "whole", "--out", "shared")
    assert exported.returncode == 0, exported.stderr
    assert (
        Path("shared/weights.safetensors").stat().st_size < Path("checkpoints/whole/weights.safetensors").stat().st_size
    )
    assert "nothing is overwritten" in run("models", "export", "whole", "--out", "shared").stderr
    unknown = run("models", "info", "nothing")
    assert unknown.returncode == 2
    assert "whole" in unknown.stderr


def test_a_gan_is_trained_inspected_and_sampled_and_its_shapes_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("data", "generate", "shapes", "--size", "16", "--num-train", "4", "--num-test", "0").returncode == 0
    tiny = shlex.split("--recipe tiny --size 16 --latent 4 --ngf 2 --d-ndf 2 --batch-size 2 --steps 1 --device cpu")
    trained = run("train", "gan", "--data", "shapes", *tiny)
    assert "i2i sample shapes-gan" in trained.stderr
    assert "sample" in run("models", "info", "shapes-gan").stdout
    refused = run("convert", "shapes-gan", "datasets", "--out", "out")
    assert (refused.returncode, "i2i sample shapes-gan" in refused.stderr) == (2, True)
    sampled = run("sample", "shapes-gan", "--num-images", "3", "--out", "grid.png", "--out-dir", "generated")
    assert sampled.returncode == 0, sampled.stderr
    assert sorted(path.name for path in Path("generated").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    interpolation = ("--interpolate", "0", "2", "--interpolation-steps", "4")
    assert run("sample", "shapes-gan", *interpolation, "--out", "grid.png").returncode == 2  # the file exists
    assert run("sample", "shapes-gan", *interpolation, "--out", "row.png").returncode == 0
    scored = run("data", "score", "generated", "--data", "shapes", "--json")
    assert json.loads(scored.stdout)["pictures"] == 3
