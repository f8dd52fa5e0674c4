"""Find a dataset by path or name, and detect the layout of its folder."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2i.errors import DatasetError, ImageError
from i2i.images import IMAGE_SUFFIXES, read_header

Kind = Literal["paired", "unpaired", "clean"]
Item = tuple[Path, ...]  # the file of one image, or the one or two files of a pair
SPLITS = ("train", "val", "test")
HINT = "`i2i data list` lists the available datasets, `i2i data check PATH` checks a folder."


def dataset_dirs() -> list[Path]:
    """Return the folders that are searched for a dataset name: ``datasets``, then those of ``$I2I_DATASETS``."""
    listed = os.environ.get("I2I_DATASETS", "").split(os.pathsep)
    return [Path("datasets"), *(Path(folder).expanduser() for folder in listed if folder)]


def find_dataset(name: str) -> Path | None:
    """Return the folder of a dataset, or None if no such folder exists.

    Args:
        name: a path, or the name of a folder in one of ``dataset_dirs``. A name must not begin with a dot.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or len(path.parts) != 1 or name.startswith("."):
        return None
    return next((folder / name for folder in dataset_dirs() if (folder / name).is_dir()), None)


def list_images(folder: Path) -> list[Path]:
    """Return the image files under ``folder`` at any depth, sorted. Hidden files and folders are skipped."""
    images: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent) / name for name in names if not name.startswith("."))
        images += [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(images)


@dataclass(frozen=True)
class Layout:
    """The files of a dataset, by split and domain.

    Attributes:
        root: the dataset's folder.
        kind: "unpaired", "paired" or "clean" (a single domain of photos).
        source: the folder convention that was detected, in words.
        splits: for each split the items of each domain: (A, B) if unpaired, else one sequence. An item of paired data
            is one file (side by side) or two files (A, B).
    """

    root: Path
    kind: Kind
    source: str
    splits: dict[str, tuple[Sequence[Item], ...]]

    @property
    def eval_split(self) -> str:
        """The split for sample images and validation: test, else val, else train."""
        return next(split for split in ("test", "val", "train") if split in self.splits)

    def count(self, split: str = "train") -> int:
        """Return the number of items of the largest domain, which is the length of an epoch."""
        return max(len(domain) for domain in self.splits[split])

    def fingerprint(self) -> str:
        """Return the SHA-256 over the names and sizes of all training files, in hex digits."""
        digest = hashlib.sha256()
        for domain in self.splits["train"]:
            for path in (path for item in domain for path in item):
                digest.update(f"{path.relative_to(self.root)}\0{path.stat().st_size}\n".encode(errors="replace"))
        return digest.hexdigest()


def detect_layout(root: Path) -> Layout:
    """Detect how the dataset folder ``root`` is laid out.

    Known layouts: ``trainA/ trainB/`` (unpaired); ``A/ B/``, also below ``train/``, with pairs of equal names;
    ``train/`` with side-by-side pairs or clean photos; a plain folder of either.

    Raises:
        DatasetError: the folder holds no data for training.
    """
    folders = _subfolders(root)
    if folders & {"trainA", "trainB"}:
        return _unpaired_layout(root, folders)
    if {"A", "B"} <= folders:
        return _two_folder_layout(root, ["train"], below_split=False)
    if "train" in folders:
        if {"A", "B"} <= _subfolders(root / "train"):
            return _two_folder_layout(root, SPLITS, below_split=True)
        return _one_folder_layout(root, {split: list_images(root / split) for split in SPLITS if split in folders})
    return _one_folder_layout(root, {"train": list_images(root)})


def _subfolders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def _unpaired_layout(root: Path, folders: set[str]) -> Layout:
    for name in ("trainA", "trainB"):
        if name not in folders:
            existing = ", ".join(sorted(folders))
            raise DatasetError(
                f"{root} has no {name}/ (it has {existing}). Unpaired data needs trainA/ and trainB/. {HINT}"
            )
    splits: dict[str, tuple[Sequence[Item], ...]] = {}
    for split in SPLITS:
        domains = tuple(root / f"{split}{domain}" for domain in "AB")
        complete = all(folder.name in folders for folder in domains)
        if complete and (split == "train" or all(list_images(folder) for folder in domains)):
            splits[split] = tuple(_nonempty_items(folder) for folder in domains)
    return Layout(root, "unpaired", "trainA/ and trainB/", splits)


def _nonempty_items(folder: Path) -> Sequence[Item]:
    items: list[Item] = [(path,) for path in list_images(folder)]
    if not items:
        raise DatasetError(
            f"{folder} holds no images ({_describe_content(folder)}). It needs {_suffixes()} files. {HINT}"
        )
    return items


def _two_folder_layout(root: Path, split_names: Sequence[str], *, below_split: bool) -> Layout:
    splits: dict[str, tuple[Sequence[Item], ...]] = {}
    for split in split_names:
        parent = root / split if below_split else root
        a = parent / "A"
        b = parent / "B"
        if a.is_dir() and b.is_dir() and (pairs := pair_by_stem(a, b)[0]):
            splits[split] = (pairs,)
    if "train" not in splits:
        raise DatasetError(f"{root}: no file of A/ has a partner of the same name in B/. {HINT}")
    return Layout(root, "paired", "A/ and B/, paired by name", splits)


def pair_by_stem(a: Path, b: Path) -> tuple[list[Item], list[Path]]:
    """Pair the images of two folders that have the same relative path without suffix.

    Returns: the pairs (file of ``a``, file of ``b``), and the files without a partner.
    """
    by_stem = [{path.relative_to(folder).with_suffix(""): path for path in list_images(folder)} for folder in (a, b)]
    common = sorted(by_stem[0].keys() & by_stem[1].keys())
    unpaired = [files[stem] for files in by_stem for stem in sorted(files.keys() - set(common))]
    return [(by_stem[0][stem], by_stem[1][stem]) for stem in common], unpaired


def _one_folder_layout(root: Path, files_of_split: dict[str, list[Path]]) -> Layout:
    """Return the layout of side-by-side pairs or clean photos."""
    has_train_folder = (root / "train").is_dir()
    if not files_of_split["train"]:
        folder = root / "train" if has_train_folder else root
        raise DatasetError(
            f"{folder} holds no images ({_describe_content(folder)}). Unpaired data needs trainA/ and trainB/, paired "
            f"data train/ with side-by-side pairs (or A/ and B/); images are {_suffixes()} files. {HINT}"
        )
    kind: Kind = "paired" if _are_side_by_side(files_of_split["train"]) else "clean"
    source = "side-by-side pairs" if kind == "paired" else "photos"
    if has_train_folder:
        source += " in train/"
    splits: dict[str, tuple[Sequence[Item], ...]] = {
        split: ([(path,) for path in files],) for split, files in files_of_split.items() if files
    }
    return Layout(root, kind, source, splits)


def _are_side_by_side(files: Sequence[Path]) -> bool:
    """Return whether about 16 of the files are all twice as wide as high, like two square images side by side."""
    sizes = []
    for path in files[:: max(1, len(files) // 16)]:
        try:
            sizes.append(read_header(path)[0])
        except ImageError:
            continue
    return bool(sizes) and all(width == 2 * height for width, height in sizes)


def _describe_content(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "it is empty"
    return f"it has {', '.join(names[:4])}" + (" …" if len(names) > 4 else "")


def _suffixes() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
