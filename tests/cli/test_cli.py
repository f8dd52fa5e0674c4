"""The command as a user meets it: in this process, or in one of its own where it is killed or its imports count."""

import hashlib
import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from i2i.cli import main
from i2i.cli.method_commands import SUMMARIES
from i2i.errors import DatasetError
from i2i.recipes import RECIPES
from tests.conftest import write_pictures

TINY = shlex.split(
    "--recipe tiny --size 16 --jitter 1.125 --ngf 2 --blocks 1 --generator resnet --dropout 0.5 --d-ndf 2 "
    "--d-receptive-field 16 --pool 5 --ema 0.9 --batch-size 1 --device cpu --precision float32"
)

COURSE = ("--steps", "40", "--save-minutes", "0", *TINY)


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from i2i.cli import main; main()", *words]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, in this process; an error that would be a traceback is raised."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["i2i", *words])
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['i2i', *sys.argv[1:]]\n"
        "from i2i.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'albumentations', 'gradio', 'numpy'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    for words in (
        ["--help"],
        ["train", "--help"],
        ["convert", "--help"],
        ["demo", "--help"],
        ["data", "check", "--help"],
    ):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "train cyclegan", "train pix2pix", "train regression", "train gan", "bench cyclegan", "convert", "degrade",
        "sample", "demo", "data list", "data get", "data sample", "data check", "data score", "models list",
        "models info", "models export",
    ],
)  # fmt: skip
def test_every_commands_help_has_an_example_that_starts_with_its_own_name(words: str) -> None:
    done = run(*words.split(), "--help")
    assert done.returncode == 0
    assert f"i2i {words}" in done.stdout.split("Example")[1]


def test_the_subcommands_of_train_are_the_objectives_of_the_recipes() -> None:
    assert SUMMARIES.keys() == RECIPES.keys()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    (root / "empty").mkdir()
    write_pictures(root / "half" / "trainA", 2)
    for domain in ("trainA", "trainB"):
        write_pictures(root / "text" / domain, 2)
        write_pictures(root / "good" / domain, 2)
    (root / "text" / "trainA" / "notes.jpg").write_text("not a picture")
    write_pictures(root / "pairs" / "train", 2, width=32)
    write_pictures(root / "photos", 2)
    return root


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cyclegan --data nowhere", ["No dataset 'nowhere'", "i2i data list"]),
        ("cyclegan --data half", ["has no trainB/"]),
        ("cyclegan --data empty", ["holds no pictures", "it is empty"]),
        ("cyclegan --data text", ["notes.jpg", "1 files are no pictures"]),
        ("cyclegan --data good --recipe best", ["no recipe 'best'", "paper, fast, tiny"]),
        ("cyclegan --data good --size 30 --generator resnet", ["multiple of 4", "30"]),
        ("cyclegan --data good --size 16 --generator resnet", ["at least 24 px", "--d-receptive-field 34"]),
        ("pix2pix --data pairs --size 48", ["32, 64, 128", "48"]),
        ("pix2pix --data good", ["unpaired data", "i2i train cyclegan"]),
        ("cyclegan --data pairs", ["paired data", "i2i train pix2pix"]),
        ("cyclegan --data photos", ["clean data", "i2i train gan", "trainA/ and trainB/"]),
        ("gan --data good", ["unpaired data", "--data good/trainA"]),
        ("gan --data pairs", ["paired data", "i2i train pix2pix"]),
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
def test_bad_input_is_one_clear_message_and_exit_code_2(
    words: str, said: list[str], places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(places)
    monkeypatch.setattr(sys, "argv", ["i2i", "train", *words.split()])
    if words == "cyclegan":  # no flags at all shows the help
        sys.argv += ["--size", "64"]
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert all(part in told for part in said), told
    assert not (places / "checkpoints").exists()


def test_a_message_has_no_traceback_unless_debugging() -> None:
    words = ["train", "cyclegan", "--data", "nowhere"]
    plain = subprocess.run(command(*words), capture_output=True, text=True, check=False)
    assert plain.returncode == 2
    assert "No dataset 'nowhere'" in plain.stderr
    assert "Traceback" not in plain.stderr
    with pytest.raises(DatasetError, match="nowhere"):
        run(*words, "--debug")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a dataset and an uninterrupted run of 40 steps, "whole"."""
    root = tmp_path_factory.mktemp("work")
    for place, name in enumerate(("trainA", "trainB", "testA", "testB")):
        write_pictures(root / "two" / name, 6, seed=place)
    before = Path.cwd()
    os.chdir(root)
    done = run("train", "cyclegan", "--data", "two", "--name", "whole", *COURSE)
    assert done.returncode == 0, done.stderr
    yield root
    os.chdir(before)


def digest(root: Path, name: str) -> str:
    return hashlib.sha256((root / "checkpoints" / name / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_cut_off_anywhere_and_resumed_ends_with_the_same_bytes(
    how: signal.Signals, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    name = how.name.lower()
    words = ["train", "cyclegan", "--data", "two", "--name", name, *COURSE]
    training = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
    state = workplace / "checkpoints" / name / "state.pt"
    while not state.exists() and training.poll() is None:
        time.sleep(0.005)
    time.sleep(random.random() * 0.1)  # anywhere after the first state; the end result is the same wherever
    training.send_signal(how)
    assert training.stderr is not None
    said = training.stderr.read()
    code = training.wait()
    if how != signal.SIGKILL and code != 0:  # 0: it was done before the signal came
        assert code == 128 + how
        assert f"--name {name} --resume" in said
    assert run("train", "cyclegan", "--name", name, "--resume").returncode == 0
    assert digest(workplace, name) == digest(workplace, "whole")


@pytest.mark.slow
def test_a_sigterm_to_the_whole_process_group_stops_a_training_with_workers_saved(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    words = ["train", "cyclegan", "--data", "two", "--name", "group", *COURSE, "--steps", "100000", "--workers", "1"]
    training = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, start_new_session=True)
    previous = workplace / "checkpoints" / "group" / "state.previous.pt"
    while not previous.exists() and training.poll() is None:
        time.sleep(0.01)
    os.killpg(training.pid, signal.SIGTERM)
    _, said = training.communicate()
    assert training.returncode == 128 + signal.SIGTERM, said
    assert "everything is saved" in said


def test_convert_reports_a_bad_file_converts_the_rest_and_exits_1(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    write_pictures(tmp_path / "in" / "deep", 2)
    (tmp_path / "in" / "notes.jpg").write_text("not a picture")
    done = run(
        "convert", "whole", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--direction", "BtoA", "--json"
    )
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert len(told["converted"]) == 2
    assert told["failed"][0]["source"].endswith("notes.jpg")
    assert "notes.jpg" in done.stderr
    assert (tmp_path / "out" / "deep" / "001.png").is_file()


def test_models_can_be_listed_and_looked_at(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    assert "whole" in run("models", "list").stdout
    told = run("models", "info", "whole").stdout
    assert "40" in told
    assert "AtoB BtoA" in told
    exported = run("models", "export", "whole", "--out", "shared")
    assert exported.returncode == 0, exported.stderr
    assert (
        Path("shared/weights.safetensors").stat().st_size < Path("checkpoints/whole/weights.safetensors").stat().st_size
    )
    assert "nothing is overwritten" in run("models", "export", "whole", "--out", "shared").stderr
    unknown = run("models", "info", "nothing")
    assert unknown.returncode == 2
    assert "whole" in unknown.stderr


def test_a_gan_is_trained_shown_and_sampled_and_its_shapes_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("data", "sample", "shapes", "--size", "16", "--train", "4", "--test", "0").returncode == 0
    small = shlex.split("--recipe tiny --size 16 --latent 4 --ngf 2 --d-ndf 2 --batch-size 2 --steps 1 --device cpu")
    trained = run("train", "gan", "--data", "shapes", *small)
    assert "i2i sample shapes-gan" in trained.stderr
    assert "sample" in run("models", "info", "shapes-gan").stdout
    refused = run("convert", "shapes-gan", "datasets", "--out", "out")
    assert (refused.returncode, "i2i sample shapes-gan" in refused.stderr) == (2, True)
    done = run("sample", "shapes-gan", "--count", "3", "--out", "grid.png", "--separate", "painted")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in Path("painted").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    assert run("sample", "shapes-gan", "--interpolate", "0", "2", "--steps", "4", "--out", "grid.png").returncode == 2
    told = run("data", "score", "painted", "--data", "shapes", "--json")
    assert json.loads(told.stdout)["pictures"] == 3
