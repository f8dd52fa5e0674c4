import os
from collections.abc import Callable
from pathlib import Path

import pytest

from i2i.checkpoints.cleanup import plan_prune, plan_removal, remove
from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import ModelInfo
from i2i.checkpoints.run import Run
from i2i.errors import RunError

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(work_dir: Path) -> MakeRun:
    """A function that writes a run of ``steps`` of 10 steps with two states."""

    def make(name: str, steps: int = 10) -> Path:
        folder = work_dir / "checkpoints" / name
        (folder / "samples").mkdir(parents=True)
        info = ModelInfo(size=16, directions=("AtoB",), generator={"network": "resnet"}, steps=steps, total_steps=10)
        save_model_file(folder / "weights.safetensors", ModelFile(info, {}))
        for file in ("config.json", "state.pt", "state.previous.pt", ".lock"):
            (folder / file).write_bytes(b"1234")
        return folder

    return make


def prune() -> list[str]:
    removals, _ = plan_prune()
    for removal in removals:
        remove(removal)
    return [removal.path.name for removal in removals]


def test_a_run_is_removed_whole(make_run: MakeRun) -> None:
    folder, other = make_run("run"), make_run("other")
    removal = plan_removal("run/")
    assert removal.num_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    remove(removal)
    assert [path.name for path in other.parent.iterdir()] == ["other"]


@pytest.mark.parametrize("name", ["..", ".", "", "../outside", "run/samples", "/tmp", "samples/..", ".hidden"])
def test_a_path_is_no_name_of_a_run(name: str, make_run: MakeRun) -> None:
    make_run("run")
    with pytest.raises(RunError, match="is no name of a run"):
        plan_removal(name)


def test_what_is_no_run_is_not_removed(make_run: MakeRun) -> None:
    checkpoints = make_run("run").parent
    (checkpoints / "photos").mkdir()
    (checkpoints / "photos" / "a.jpg").write_bytes(b"photo")
    with pytest.raises(RunError, match="is no run"):
        plan_removal("photos")
    with pytest.raises(RunError, match=r"No run 'rum' in .*There are: run\."):
        plan_removal("rum")


def test_a_shipped_model_is_not_removed(work_dir: Path, make_run: MakeRun) -> None:
    with pytest.raises(RunError, match=r"denoise is a model that comes with i2i\. It cannot be removed"):
        plan_removal("denoise")
    make_run("denoise")
    remove(plan_removal("denoise"))  # the user's own run of that name
    assert not (work_dir / "checkpoints" / "denoise").exists()


def test_links_are_removed_without_their_targets(work_dir: Path, make_run: MakeRun) -> None:
    run = make_run("run")
    outside = work_dir / "outside"
    run.rename(outside)
    run.symlink_to(outside)
    removal = plan_removal("run")
    assert "is kept" in removal.description
    remove(removal)
    assert not run.is_symlink()
    inner = make_run("inner")
    (inner / "linked").symlink_to(outside)
    remove(plan_removal("inner"))
    assert (outside / "weights.safetensors").exists()


def test_pruning_removes_the_states_of_finished_runs_and_leftovers_only(make_run: MakeRun) -> None:
    finished, unfinished = make_run("finished"), make_run("unfinished", steps=9)
    (finished / "samples" / ".0000001.png.12-34.part").write_bytes(b"part")
    (finished / "weights.part").write_bytes(b"of the user")
    (finished.parent / ".old.removed").mkdir()
    assert prune() == [".old.removed", "state.pt", "state.previous.pt", ".0000001.png.12-34.part"]
    assert sorted(path.name for path in finished.iterdir()) == [
        ".lock", "config.json", "samples", "weights.part", "weights.safetensors"]  # fmt: skip
    assert (unfinished / "state.previous.pt").exists()
    assert prune() == []


def test_pruning_follows_no_link(work_dir: Path, make_run: MakeRun) -> None:
    outside = work_dir / "outside"
    make_run("run").rename(outside)
    (work_dir / "checkpoints" / "link").symlink_to(outside)
    run = make_run("run")
    (run / "state.pt").unlink()
    (run / "state.pt").symlink_to(outside / "state.pt")
    (run / ".lock").unlink()
    (run / ".lock").symlink_to(outside / "state.pt")
    (run / "samples").rmdir()
    (outside / ".x.part").write_bytes(b"part")
    (run / "samples").symlink_to(outside)
    assert prune() == ["state.previous.pt"]
    assert (outside / "state.pt").read_bytes() == b"1234"
    assert (outside / ".x.part").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
def test_a_run_that_is_being_trained_is_left_as_it_is(make_run: MakeRun) -> None:
    run = Run(make_run("run"))
    run.lock()
    with pytest.raises(RunError, match="is being trained by another process"):
        plan_removal("run")
    assert plan_prune() == ([], ["run"])
    run.unlock()
    assert len(plan_prune()[0]) == 2
