import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.checkpoints.shipped import SHIPPED_MODELS
from i2i.cli import console
from i2i.data.ensure import ensure_dataset
from i2i.data.layout import detect_layout
from i2i.errors import DatasetError
from tests.conftest import write_model_file, write_random_images

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process. Returns exit code, standard output and standard error."""

    def call(*args: str) -> tuple[int, str, str]:
        from i2i.cli import main

        monkeypatch.setattr(sys, "argv", ["i2i", *args])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as error:
            main()
        output = capsys.readouterr()
        return int(error.value.code or 0), output.out, output.err

    return call


def test_a_synthetic_dataset_is_generated_listed_checked_and_scored(run: Run, work_dir: Path) -> None:
    assert run("data", "generate", "stripes", "--num-train", "3", "--num-test", "2", "--size", "32")[0] == 0
    code, output, _ = run("data", "list", "--json")
    folders = {row["name"]: row["here"] for row in json.loads(output)}
    assert code == 0
    assert folders["stripes"] == "datasets/stripes"
    assert folders["horse2zebra"] is None or "horse2zebra" in folders["horse2zebra"]
    code, output, _ = run("data", "check", "stripes", "--json")
    assert code == 0
    assert json.loads(output)["kind"] == "unpaired"

    targets = work_dir / "datasets" / "stripes" / "truth" / "AtoB"
    code, output, _ = run("data", "score", str(targets), "--json")
    assert json.loads(output)["inside"] == 100.0
    code, output, _ = run("data", "score", "datasets/stripes/testA")
    assert "gain +0.00" in output


def test_check_exits_with_1_if_a_problem_would_stop_a_training(run: Run, work_dir: Path) -> None:
    for domain in ("trainA", "trainB"):
        write_random_images(work_dir / "mine" / domain, 2)
    (work_dir / "mine" / "trainA" / "notes.jpg").write_text("not an image")
    code, output, _ = run("data", "check", "mine")
    assert code == 1
    assert "notes.jpg" in output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("data check nowhere", "No dataset 'nowhere'"),
        ("data generate zebras", "stripes, outlines, leaves"),
        ("data download zebras", "horse2zebra"),
        ("data score nowhere --data nothing", "No dataset 'nothing'"),
        ("data score nowhere", "`i2i data generate stripes` makes it"),
        ("models info nowhere", "No model 'nowhere'"),
        ("models info denoize", "Did you mean denoise?"),
        ("convert nowhere photo.png --out out", "photo.png does not exist"),
        ("convert identity photo.png", "--out / -o: It is missing"),
        ("convert identity denoise --out out", "denoise does not exist. A model of this name exists"),
        ("models info denoise:AtoB", "follow a member of a chain"),
        ("convert identity photo.png --out out --max-side 4", "'--max-side': found '4'; it must be a whole number, 16"),
        ("convert identity photo.png --out out --format jpeg", "Invalid value for '--format': 'jpeg' is not one of"),
        ("models export denoise --out zebra.tflite", "exports no .tflite files"),
    ],
)
def test_bad_input_gives_one_clear_message_and_exit_code_2(args: str, message: str, run: Run) -> None:
    code, _, log = run(*args.split())
    assert code == 2
    assert message in log
    assert "Traceback" not in log


def test_a_synthetic_dataset_is_generated_on_first_use(
    monkeypatch: pytest.MonkeyPatch, work_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "i2i.data.synthetic.generate", lambda name, folder: write_random_images(folder / "train", 1)[0].parent.parent
    )
    assert detect_layout(ensure_dataset("leaves")).count() == 1
    assert "datasets/leaves" in caplog.messages[0]


def test_an_unknown_dataset_is_an_error_that_lists_the_searched_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_DATASETS", "/one:/two")
    with pytest.raises(DatasetError, match="datasets, /one, /two"):
        ensure_dataset("nothing")


def test_identity_converts_without_a_model(run: Run, work_dir: Path) -> None:
    (path,) = write_random_images(work_dir / "in", 1)
    assert run("convert", "identity", "in", "--out", "out", "--device", "cpu")[0] == 0
    with Image.open(path) as source, Image.open("out/000.png") as output:
        assert np.array_equal(np.asarray(source), np.asarray(output))


def test_convert_json_is_one_document_and_the_only_output(run: Run, work_dir: Path) -> None:
    write_random_images(work_dir / "in", 2)
    run("convert", "identity", "in", "--out", "out", "--device", "cpu")
    code, output, _ = run("convert", "identity", "in", "--out", "out", "--device", "cpu", "--json")
    assert code == 0
    report = json.loads(output)
    assert report.pop("seconds") >= 0
    assert {key: len(rows) for key, rows in report.items()} == {
        "converted": 0, "skipped": 2, "failed": 0, "notices": 0,
    }  # fmt: skip


def test_a_model_file_with_odd_metadata_does_not_break_the_list(
    run: Run, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.stdout, "width", 200)  # one line for each model
    usable = {"size": 16, "directions": ["AtoB"], "generator": {"network": "resnet"}}
    for name, changes in (("odd", {"data": "hi[/b]", "steps": [1]}), ("minimal", {}), ("markup", {"recipe": "[/b]"})):
        write_model_file(work_dir / "checkpoints" / name / "weights.safetensors", {**usable, **changes}, {})
    code, output, errors = run("models", "list")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == [
        "name",
        "markup",
        "minimal",
        *SHIPPED_MODELS,
    ]
    assert "data is 'hi[/b]'; it must be a table" in errors.replace("\n", "")


def test_a_preview_is_written_also_for_a_task_and_overwrites_nothing(run: Run, paired: Path) -> None:
    options = ("--size", "16", "--num-images", "2", "--augmentations", "photo")
    code, _, log = run("data", "preview", str(paired), *options, "--out", "sheet.png")
    assert code == 0
    assert "sheet.png" in log
    with Image.open("sheet.png") as sheet:
        assert sheet.width == 4 * 130 - 2
    code, _, log = run("data", "preview", str(paired), *options, "--out", "sheet.png")
    assert code == 2
    assert "exists already" in log
    task = ("--layout", "photos", "--task", "denoise", "--sigma", "40", "50")
    assert run("data", "preview", str(paired), *options, *task, "--out", "task.png")[0] == 0
    code, _, log = run("data", "preview", str(paired), "--augmentations", "foto", "--out", "other.png")
    assert code == 2
    assert "Did you mean photo?" in log
