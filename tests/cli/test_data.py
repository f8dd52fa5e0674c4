import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.checkpoints.run import Bundle, save_bundle
from i2i.data.ensure import prepare
from i2i.data.layout import layout
from i2i.errors import DatasetError
from tests.conftest import write_pictures

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line inside this process: words to exit code, standard output and standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        from i2i.cli import main

        monkeypatch.setattr(sys, "argv", ["i2i", *words])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stopped:
            main()
        told = capsys.readouterr()
        return int(stopped.value.code or 0), told.out, told.err

    return call


def test_a_drawn_set_is_listed_checked_and_scored(run: Run, own_place: Path) -> None:
    assert run("data", "sample", "stripes", "--train", "3", "--test", "2", "--size", "32")[0] == 0
    code, told, _ = run("data", "list", "--json")
    here = {row["name"]: row["here"] for row in json.loads(told)}
    assert code == 0
    assert here["stripes"] == "datasets/stripes"
    assert here["horse2zebra"] is None or "horse2zebra" in here["horse2zebra"]
    code, told, _ = run("data", "check", "stripes", "--json")
    assert code == 0
    assert json.loads(told)["kind"] == "unpaired"

    truth = own_place / "datasets" / "stripes" / "truth" / "AtoB"
    code, told, _ = run("data", "score", str(truth), "--json")
    assert json.loads(told)["inside"] == 100.0
    code, told, _ = run("data", "score", "datasets/stripes/testA")
    assert "gain +0.00" in told


def test_check_exits_1_where_something_would_stop_a_training(run: Run, own_place: Path) -> None:
    for domain in ("trainA", "trainB"):
        write_pictures(own_place / "mine" / domain, 2)
    (own_place / "mine" / "trainA" / "notes.jpg").write_text("not a picture")
    code, told, _ = run("data", "check", "mine")
    assert code == 1
    assert "notes.jpg" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data check nowhere", "No dataset 'nowhere'"),
        ("data sample zebras", "stripes, outlines, leaves"),
        ("data get zebras", "horse2zebra"),
        ("data score nowhere --data nothing", "No dataset 'nothing'"),
        ("models info nowhere", "No model 'nowhere'"),
        ("convert nowhere photo.png --out out", "photo.png does not exist"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(words: str, said: str, run: Run) -> None:
    code, _, told = run(*words.split())
    assert code == 2
    assert said in told
    assert "Traceback" not in told


def test_a_set_that_i2i_draws_is_drawn_when_it_is_first_named(monkeypatch: pytest.MonkeyPatch, own_place: Path) -> None:
    monkeypatch.setattr(
        "i2i.data.synthetic.make", lambda name, folder: write_pictures(folder / "train", 1)[0].parent.parent
    )
    told: list[str] = []
    assert layout(prepare("leaves", told.append)).count() == 1
    assert "datasets/leaves" in told[0]


def test_a_name_that_nobody_knows_is_refused_with_the_places_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_DATASETS", "/one:/two")
    with pytest.raises(DatasetError, match="datasets, /one, /two"):
        prepare("nothing", print)


def test_identity_converts_without_a_model(run: Run, own_place: Path) -> None:
    (path,) = write_pictures(own_place / "in", 1)
    assert run("convert", "identity", "in", "--out", "out", "--device", "cpu")[0] == 0
    with Image.open(path) as source, Image.open("out/000.png") as output:
        assert np.array_equal(np.asarray(source), np.asarray(output))


def test_convert_prints_one_json_document_and_nothing_else_on_standard_output(run: Run, own_place: Path) -> None:
    write_pictures(own_place / "in", 2)
    run("convert", "identity", "in", "--out", "out", "--device", "cpu")
    code, told, _ = run("convert", "identity", "in", "--out", "out", "--device", "cpu", "--json")
    assert code == 0
    found = json.loads(told)
    assert found.pop("seconds") >= 0
    assert {key: len(rows) for key, rows in found.items()} == {"converted": 0, "skipped": 2, "failed": 0}


def test_one_odd_bundle_does_not_hide_the_other_models(run: Run, own_place: Path) -> None:
    for name, header in (("odd", {"data": "hi[/b]", "steps": [1], "directions": 7}), ("empty", {})):
        folder = own_place / "checkpoints" / name
        folder.mkdir(parents=True)
        save_bundle(folder / "weights.safetensors", Bundle(header, {}))
    code, told, _ = run("models", "list")
    assert code == 0
    assert "odd" in told
    assert "empty" in told
    assert run("models", "info", "odd")[0] == 2
