"""Recognise folders that are nearly a dataset, and name the folder that was probably meant."""

from collections.abc import Sequence
from pathlib import Path

from i2i.data.layout.arrangement import find_arrangement, split_folders
from i2i.data.layout.find import HINT
from i2i.errors import DatasetError
from i2i.images import IMAGE_SUFFIXES
from i2i.images.folders import is_visible, real_path, subfolders
from i2i.images.formats import ARRAY_SUFFIXES

MAX_FOLDERS = 1000  # subfolders that are looked into


def check_one_folder_deeper(root: Path) -> None:
    """Raise DatasetError if ``root`` is no dataset itself and holds folders that are.

    A folder counts as a dataset if it has folders of two domains, or a folder train beside a folder test or val.
    """
    if split_folders(root) or _holds_images(root):
        return
    found = [folder for folder in subfolders(root)[:MAX_FOLDERS] if _is_dataset(folder)]
    if len(found) == 1:
        raise DatasetError(f"{root} is no dataset itself: the images are one folder deeper. Give {found[0]}. {HINT}")
    if found:
        names = join_names([folder.name for folder in found])
        raise DatasetError(
            f"{root} holds several datasets ({names}), one folder deeper. Give one of them, such as {found[0]}. {HINT}"
        )


def check_one_folder_higher(root: Path) -> None:
    """Raise DatasetError if ``root`` is one of the two domains of a dataset, such as its folder trainA."""
    real = real_path(root)
    if real.name.lower().replace("_", "").replace("-", "") not in ("traina", "trainb"):
        return
    try:
        arrangement = find_arrangement(real.parent)
    except (DatasetError, OSError):
        return
    if arrangement is not None and real in arrangement.splits["train"]:
        raise DatasetError(f"{root} is one domain of a dataset. Give the folder above it, {real.parent}. {HINT}")


def _holds_images(folder: Path) -> bool:
    names = (path.name for path in folder.iterdir())
    return any(is_visible(name) and Path(name).suffix.lower() in IMAGE_SUFFIXES | ARRAY_SUFFIXES for name in names)


def _is_dataset(folder: Path) -> bool:
    try:
        arrangement = find_arrangement(folder)
    except (DatasetError, OSError):
        return False
    if arrangement is not None and arrangement.kind != "clean":
        return True
    splits = split_folders(folder)
    return "train" in splits and len(splits) > 1


def describe_content(folder: Path) -> str:
    """Return what a folder has, in words."""
    names = sorted(path.name for path in folder.iterdir())
    return f"it has {join_names(names)}" if names else "it is empty"


def join_names(names: Sequence[str]) -> str:
    """Return the first four names as one text."""
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
