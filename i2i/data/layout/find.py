"""Find a dataset by path or name."""

import os
from pathlib import Path

from i2i.paths import expand_user

HINT = "`i2i data list` lists the available datasets, `i2i data check PATH` checks a folder."


def dataset_dirs() -> list[Path]:
    """Return the folders that are searched for a dataset name: ``datasets``, then those of ``$I2I_DATASETS``."""
    listed = os.environ.get("I2I_DATASETS", "").split(os.pathsep)
    return [Path("datasets"), *(expand_user(folder) for folder in listed if folder)]


def find_dataset(name: str) -> Path | None:
    """Return the folder of a dataset, or None if no such folder exists.

    Args:
        name: a path, or NAME or NAME/SUBFOLDER of a folder in one of ``dataset_dirs``. A name must not begin with a
            dot, and its path must not lead upwards.
    """
    path = expand_user(name)
    if _is_folder(path):
        return path
    if path.is_absolute() or not path.parts or name.startswith(".") or ".." in path.parts:
        return None
    return next((folder / name for folder in dataset_dirs() if _is_folder(folder / name)), None)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as for a name that is too long
        return False
