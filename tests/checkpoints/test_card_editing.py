"""`i2i models card`: fields and the editor, and where their text goes."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from i2i.checkpoints.card_editing import edit_card, metrics_text, set_fields
from i2i.checkpoints.card_text import read_section
from i2i.checkpoints.importing import save_import
from i2i.checkpoints.model_card import read_card
from i2i.checkpoints.model_file import find_model_file, load_model_file, load_model_info
from i2i.checkpoints.openmodeldb import openmodeldb_record, record_id
from i2i.errors import ImageError, RunError, UsageError
from tests.cli.in_process import run

RUN = Path("checkpoints/zebra")


@pytest.fixture
def model(exportable_model: Path) -> str:
    save_import("zebra", load_model_file(exportable_model))
    return "zebra"


def use_editor(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Make an editor of a Python program that gets the text in ``text`` and leaves it there."""
    code = f"import pathlib,sys; p = pathlib.Path(sys.argv[-1]); text = p.read_text(); {program}; p.write_text(text)"
    Path("editor.py").write_text(code)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {Path('editor.py').absolute()}")


def test_fields_are_set_from_the_command_line(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "models", "card", model, "--set", "licence=CC-BY-4.0", "--set", "limits=One\\nTwo") == 0
    capsys.readouterr()
    assert run(monkeypatch, "models", "card", model) == 0
    output = capsys.readouterr().out
    assert "## Licence\n\nCC-BY-4.0\n" in output
    assert "## Limits\n\nOne\nTwo\n" in output
    assert run(monkeypatch, "models", "card", model, "--set", "limits") == 2
    assert run(monkeypatch, "models", "card", model, "--set", "colour=red") == 2
    assert run(monkeypatch, "models", "card", model, "--url", "http://x") == 2
    assert run(monkeypatch, "models", "card", "denoise", "--set", "licence=MIT") == 2
    assert "It cannot be changed" in " ".join(capsys.readouterr().err.split())


def test_an_editor_changes_the_card(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_editor(monkeypatch, "text = text.replace('Where the model fails. -->', 'x -->\\nAt night.')")
    assert edit_card(model)
    assert read_section(read_card(RUN), "limits") == "At night."
    assert "hint" not in read_card(RUN)
    use_editor(monkeypatch, "pass")
    assert not edit_card(model)


def test_an_editor_does_not_undo_what_a_training_writes_meanwhile(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = (RUN / "card.md").absolute()
    change = f"q = pathlib.Path({str(card)!r}); q.write_text(q.read_text().replace('A cyclegan', 'A newer cyclegan'))"
    use_editor(monkeypatch, f"{change}; text += '\\nMine.\\n'")
    assert edit_card(model)
    assert "A newer cyclegan" in read_card(RUN)
    assert "Mine." in read_card(RUN)


def test_a_failing_editor_changes_nothing(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_card(RUN)
    use_editor(monkeypatch, "p.write_text('x'); sys.exit(3)")
    with pytest.raises(UsageError, match="ended with code 3"):
        edit_card(model)
    monkeypatch.setenv("EDITOR", "no-such-editor --wait")
    with pytest.raises(UsageError, match=r"cannot be started.*--set FIELD=TEXT"):
        edit_card(model)
    assert read_card(RUN) == before


def test_bytes_that_are_no_text_are_kept(model: str) -> None:
    (RUN / "card.md").write_bytes((RUN / "card.md").read_bytes() + b"caf\xe9\n")
    set_fields(model, {"licence": "MIT"})
    assert (RUN / "card.md").read_bytes().count(b"caf\xe9\n") == 1


def test_only_models_with_a_folder_have_a_card_to_change(model: str, exportable_model: Path, tmp_path: Path) -> None:
    shutil.copy(exportable_model, tmp_path / "loose.safetensors")
    with pytest.raises(UsageError, match="no model with a folder of its own"):
        set_fields("loose.safetensors", {"licence": "MIT"})
    with pytest.raises(RunError, match="cannot be changed"):
        set_fields("denoise", {"licence": "MIT"})
    Path("photo.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"photo\.png cannot be read"):
        set_fields(model, {"sample": "photo.png"})


def test_results_of_an_evaluation_become_a_table_with_its_protocol(tmp_path: Path) -> None:
    protocol = {"data": "two", "split": "test", "inputs": 4, "real": 5, "size": "stretched to 16", "damage": "",
                "fingerprint": "0123abcd"}  # fmt: skip
    rows = [
        {"title": "zebra", "metrics": {"fid": 12.345, "kid": 0.1}, "intervals": {"fid": [10, 14], "kid": None}},
        {"title": "input | x", "metrics": {"fid": 20.0}, "intervals": {"fid": None}},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"directions": [{"direction": "AtoB", "rows": rows, "protocol": protocol}]}))
    text = metrics_text(path)
    assert "| zebra | 12.35 (10 to 14) | 0.1 |" in text
    assert "| input   x | 20 |  |" in text
    assert "AtoB on two, test split: 4 inputs, 5 real images, stretched to 16. Protocol 0123abcd" in text
    for content in ("{}", "[]", "no json", '{"directions": [1]}'):
        path.write_text(content)
        with pytest.raises(UsageError, match="holds no results of `i2i evaluate MODEL --json`"):
            metrics_text(path)


def test_a_record_of_openmodeldb_has_the_fields_of_its_schema(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "models", "card", model, "--openmodeldb") == 2
    assert "needs its authors" in " ".join(capsys.readouterr().err.split())
    set_fields(model, {"author": "ann, bob-2", "licence": "CC-BY-4.0", "limits": "At night."})
    assert run(monkeypatch, "models", "card", model, "--openmodeldb", "--url", "https://example.org/w") == 0
    record = json.loads(capsys.readouterr().out)
    required = {"name", "author", "license", "tags", "description", "date", "architecture", "size", "scale",
                "inputChannels", "outputChannels", "resources", "images"}  # fmt: skip
    assert required <= set(record)
    assert record["author"] == ["ann", "bob-2"]
    assert record["license"] == "CC-BY-4.0"
    assert (record["scale"], record["inputChannels"], record["size"]) == (1, 3, ["2nf", "1nb"])
    (resource,) = record["resources"]
    assert resource["size"] == (RUN / "weights.safetensors").stat().st_size
    assert resource["urls"] == ["https://example.org/w"]
    info = load_model_info(find_model_file(model))
    assert record_id("4x-my_Model", replace(info, generator={"network": "compact", "scale": 4})) == "4x-my-Model"
    set_fields(model, {"licence": "for the class only"})
    with pytest.raises(UsageError, match="SPDX"):
        openmodeldb_record(find_model_file(model), model, info, read_card(RUN), [])
