import json
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.run import Run
from i2i.errors import RunError

CONFIG = {"data": {"size": 8}}


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "-x", ".hidden", "a\n", "é" * 10, "x" * 101])
def test_a_runs_name_cannot_lead_out_of_the_checkpoints_folder(name: str) -> None:
    with pytest.raises(RunError, match="cannot name a run"):
        Run.from_name(name)


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.save_state({"step": step})
    assert run.load_state() == {"step": 3}
    (tmp_path / "state.pt").unlink()
    assert run.load_state() == {"step": 2}
    assert not list(tmp_path.glob("*.part"))


def test_a_state_interrupted_between_its_two_renames_is_loaded(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_state({"step": 1})
    (tmp_path / "state.pt").rename(tmp_path / "state.next.pt")
    assert run.load_state() == {"step": 1}


def test_a_state_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"step": Hostile()}, tmp_path / "state.pt")
    with pytest.raises(RunError, match="No training state of this run can be read"):
        Run(tmp_path).load_state()
    assert not (tmp_path / "owned").exists()


def test_a_start_that_was_killed_while_the_config_was_written_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "run" / "samples").mkdir(parents=True)
    leftover = tmp_path / "run" / ".config.json.123-456.part"
    leftover.write_text('{"met')
    run = Run(tmp_path / "run")
    assert not run.exists()
    run.create({"method": "cut"})
    assert run.load_config() == {"method": "cut"}
    assert not leftover.exists()


def test_a_training_removes_the_temporary_files_that_a_killed_one_left(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create({"method": "cut"})
    run.unlock()
    leftover = run.path / ".state.next.pt.123-456.part"
    leftover.write_bytes(bytes(1000))
    (run.path / "notes.part").write_text("of the user")
    run.lock_for_training()
    assert not leftover.exists()
    assert (run.path / "notes.part").exists()


@pytest.mark.parametrize("content", ["[]", "3", "null", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", '"x"', "\ud800"])
def test_a_config_that_is_no_table_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        Run(tmp_path).load_config()


def test_a_damaged_config_is_replaced_by_its_copy_in_the_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path / "run")
    run.create(CONFIG)
    path = run.path / "config.json"
    text = path.read_text()
    changed = text.replace('"size": 8', '"size": 9')
    path.write_text(changed)
    with pytest.raises(
        RunError, match=r'differs from its checksum \(if you edited it on purpose, remove its line "sha2'
    ):
        Run(run.path).load_config()
    run.save_state({"step": 1})
    for damaged in (changed, text[:20], "", "[]", "1" * 4200, "[" * 100_000):
        path.write_text(damaged)
        caplog.clear()
        assert Run(run.path).load_config() == CONFIG
        assert "Its copy in the last training state is used." in caplog.text
    edited = json.loads(changed)
    del edited["sha256"]
    path.write_text(json.dumps(edited))
    assert Run(run.path).load_config() == {"data": {"size": 9}}
