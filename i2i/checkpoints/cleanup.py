"""Free space in the folder of the runs: remove runs, and prune what finished runs do not need.

Nothing outside the folder of the runs is touched: names are not paths, and a symbolic link is removed without its
target.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from i2i.checkpoints.inventory import folder_size
from i2i.checkpoints.model_file import load_model_info, model_files
from i2i.checkpoints.run import STATE_NAMES, Run, checkpoints_dir, is_run_name
from i2i.checkpoints.shipped import is_shipped, refuse_shipped
from i2i.errors import ModelFileError, RunError, io_errors
from i2i.images.files import is_temporary

RUN_FILES = ("config.json", "weights.safetensors", "best.safetensors", *STATE_NAMES)  # any of them marks a run


@dataclass(frozen=True)
class Removal:
    """A file, folder or link to remove.

    Attributes:
        path: what is removed, below the folder of the runs.
        num_bytes: the space that it frees.
        description: what it is, in words.
        run: the run's folder, which is locked meanwhile; None if there is nothing to lock.
    """

    path: Path
    num_bytes: int
    description: str
    run: Path | None = None


def plan_removal(name: str) -> Removal:
    """Return what the removal of a run would remove.

    Args:
        name: of the run, not a path. A symbolic link is removed without its target.

    Raises:
        RunError: there is no such run, it is a shipped model, or it is being trained.
    """
    name = name.rstrip("/")
    if not is_run_name(name):
        raise RunError(f"{name!r} is no name of a run. `i2i models rm` takes names of `i2i models list`, not paths.")
    folder = checkpoints_dir() / name
    if folder.is_symlink():
        return Removal(folder, 0, f"the link; {folder.readlink()}, to which it points, is kept")
    refuse_shipped(folder, "removed", by_name=True)
    single_file = folder.with_name(f"{name}.safetensors")
    if not folder.exists() and single_file.is_file():
        size = 0 if single_file.is_symlink() else single_file.stat().st_size
        return Removal(single_file, size, "a model file")
    if not folder.is_dir():
        runs = [run for run, path in model_files().items() if not is_shipped(path.parent)]
        raise RunError(f"No run {name!r} in {checkpoints_dir().resolve()}. There are: {', '.join(runs) or 'none'}.")
    if not any((folder / file).exists() for file in RUN_FILES):
        raise RunError(f"{folder} is no run: it has neither a config.json nor a model file. Remove it yourself.")
    _refuse_if_locked(folder)
    return Removal(folder, folder_size(folder), _describe_run(folder), run=folder)


def plan_prune() -> tuple[list[Removal], list[str]]:
    """Return what pruning would remove, and the names of the runs that it skips because they are being trained.

    Pruning removes the training states of finished runs and files that interrupted processes left. Links are kept.
    """
    root = checkpoints_dir()
    removals, skipped = list[Removal](), list[str]()
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.is_symlink() or not folder.is_dir():
            continue
        if folder.name.startswith(".") and folder.name.endswith(_REMOVED):
            removals.append(Removal(folder, folder_size(folder), "left by an interrupted removal"))
        elif Run(folder).exists():
            if Run(folder).is_locked():
                skipped.append(folder.name)
            else:
                removals += _prunable_files(folder)
    return removals, skipped


def remove(removal: Removal) -> None:
    """Remove a planned file, folder or link.

    Raises:
        RunError: the run is being trained since the plan was made.
        I2IError: it cannot be removed.
    """
    with _locked(removal.run), io_errors(removal.path, "could not be removed"):
        if removal.path.is_symlink() or not removal.path.is_dir():
            removal.path.unlink()
            return
        hidden = removal.path
        if not hidden.name.endswith(_REMOVED):  # renamed first: an interrupted removal leaves no half of a run
            hidden = removal.path.with_name(f".{removal.path.name}{_REMOVED}")
            removal.path.rename(hidden)
        shutil.rmtree(hidden)  # does not follow links


_REMOVED = ".removed"


def _prunable_files(folder: Path) -> Iterator[Removal]:
    if _is_finished(folder):
        for name in STATE_NAMES:
            path = folder / name
            if path.is_file() and not path.is_symlink():
                yield Removal(path, path.stat().st_size, "training state of a finished run", run=folder)
    for place in (folder, folder / "samples", folder / "snapshots"):
        for path in sorted(place.glob(".*.part")) if not place.is_symlink() else []:
            if is_temporary(path) and path.is_file() and not path.is_symlink():
                yield Removal(path, path.stat().st_size, "left by an interrupted process", run=folder)


def _is_finished(folder: Path) -> bool:
    """Return whether the model file of a run says that the training reached its end."""
    try:
        info = load_model_info(folder / "weights.safetensors")
    except ModelFileError:
        return False
    return info.steps is not None and info.total_steps is not None and info.steps >= info.total_steps


def _describe_run(folder: Path) -> str:
    if not (folder / "weights.safetensors").is_file():
        return "a run without weights"
    return "a finished run" if _is_finished(folder) else "a run"


def _refuse_if_locked(folder: Path) -> None:
    if Run(folder).is_locked():
        raise RunError(f"{folder} is being trained by another process.")


@contextmanager
def _locked(folder: Path | None) -> Iterator[None]:
    """Hold the lock of a run, so that no training starts meanwhile."""
    if folder is None or not Run(folder).has_lock_file():
        yield
        return
    run = Run(folder)
    run.lock()
    try:
        yield
    finally:
        run.unlock()
