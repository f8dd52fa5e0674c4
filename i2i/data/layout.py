"""Where a dataset is, and how its folder is laid out."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2i.errors import DatasetError
from i2i.images import FORMATS

Kind = Literal["paired", "unpaired", "clean"]
Item = tuple[Path, ...]  # one picture, or the two files of a pair
SPLITS = ("train", "val", "test")
HINT = "`i2i data list` shows ready-made sets, `i2i data check PATH` looks at a folder."


def roots() -> list[Path]:
    """Folders in which a dataset is looked for by name: ``datasets``, then those of ``$I2I_DATASETS``."""
    others = os.environ.get("I2I_DATASETS", "").split(os.pathsep)
    return [Path("datasets"), *(Path(other).expanduser() for other in others if other)]


def locate(name: str) -> Path | None:
    """The folder of a dataset given as a path or a name, or None where no folder is found. No name is hidden."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or len(path.parts) != 1 or name.startswith("."):
        return None
    return next((root / name for root in roots() if (root / name).is_dir()), None)


def pictures(folder: Path) -> list[Path]:
    """The picture files under ``folder``, at any depth, sorted; what is hidden is left out."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place) / name for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in FORMATS]
    return sorted(found)


@dataclass(frozen=True)
class Layout:
    """What a dataset's folder holds: for each split, the pictures of each domain, or the files of the pairs.

    ``domains[split]`` is (A, B) for unpaired data, and (A,) for clean photos; ``pairs[split]`` has one file
    per pair (side by side) or two. ``source`` names the folder convention that was found.
    """

    root: Path
    kind: Kind
    source: str
    splits: dict[str, tuple[Sequence[Item], ...]]

    def count(self, split: str = "train") -> int:
        """Length of an epoch: the larger domain of unpaired data."""
        return max(len(domain) for domain in self.splits[split])

    def fingerprint(self) -> str:
        """SHA-256 over names and sizes of all training files: changes when a file comes, goes or changes size."""
        digest = hashlib.sha256()
        for domain in self.splits["train"]:
            for path in (path for item in domain for path in item):
                digest.update(f"{path.relative_to(self.root)}\0{path.stat().st_size}\n".encode(errors="replace"))
        return digest.hexdigest()


def layout(root: Path) -> Layout:
    """How ``root`` is laid out. Raises DatasetError where it holds nothing i2i can train on.

    Known layouts: ``trainA/ trainB/`` (unpaired); ``A/ B/``, also below ``train/``, whose files pair by name;
    ``train/`` with side-by-side pairs or clean photos; a plain folder of either.
    """
    names = {path.name for path in root.iterdir() if path.is_dir()}
    if names & {"trainA", "trainB"}:
        return _unpaired(root, names)
    if {"A", "B"} <= names:
        return _two_folders(root)
    if "train" in names:
        if {"A", "B"} <= {path.name for path in (root / "train").iterdir() if path.is_dir()}:
            return _two_folders(root, "train")
        return _joined(root, {split: pictures(root / split) for split in SPLITS if split in names})
    return _joined(root, {"train": pictures(root)})


def _unpaired(root: Path, names: set[str]) -> Layout:
    for name in ("trainA", "trainB"):
        if name not in names:
            found = ", ".join(sorted(names))
            raise DatasetError(
                f"{root} has no {name}/ (it has {found}). Unpaired data needs trainA/ and trainB/. {HINT}"
            )
    splits = {
        split: tuple(_nonempty(root / f"{split}{domain}") for domain in "AB")
        for split in SPLITS
        if {f"{split}A", f"{split}B"} <= names and (split == "train" or _both_filled(root, split))
    }
    return Layout(root, "unpaired", "trainA/ and trainB/", splits)


def _both_filled(root: Path, split: str) -> bool:
    return all(pictures(root / f"{split}{domain}") for domain in "AB")


def _nonempty(folder: Path) -> Sequence[Item]:
    found: list[Item] = [(path,) for path in pictures(folder)]
    if not found:
        raise DatasetError(f"{folder} holds no pictures ({_seen(folder)}). It needs {_kinds()} files. {HINT}")
    return found


def _two_folders(root: Path, *prefix: str) -> Layout:
    splits: dict[str, tuple[Sequence[Item], ...]] = {}
    for split in SPLITS if prefix else ("train",):
        a, b = (root / split / d if prefix else root / d for d in "AB")
        if a.is_dir() and b.is_dir() and (pairs := match_stems(a, b)[0]):
            splits[split] = (pairs,)
    if "train" not in splits:
        raise DatasetError(f"{root}: no file of A/ has a partner of the same name in B/. {HINT}")
    return Layout(root, "paired", "A/ and B/, paired by name", splits)


def match_stems(a: Path, b: Path) -> tuple[list[Item], list[Path]]:
    """The pairs of two folders (same path below them but for the suffix), and the files left alone."""
    files = [{path.relative_to(f).with_suffix(""): path for path in pictures(f)} for f in (a, b)]
    both = sorted(files[0].keys() & files[1].keys())
    alone = [f[stem] for f in files for stem in sorted(f.keys() - set(both))]
    return [(files[0][stem], files[1][stem]) for stem in both], alone


def _joined(root: Path, splits: dict[str, list[Path]]) -> Layout:
    if not splits["train"]:
        folder = root / "train" if (root / "train").is_dir() else root
        raise DatasetError(
            f"{folder} holds no pictures ({_seen(folder)}). Unpaired data needs trainA/ and trainB/, paired "
            f"data train/ with side-by-side pairs (or A/ and B/); pictures are {_kinds()} files. {HINT}"
        )
    kind: Kind = "paired" if _side_by_side(splits["train"]) else "clean"
    source = "side-by-side pairs" if kind == "paired" else "photos"
    if (root / "train").is_dir():
        source += " in train/"
    filled: dict[str, tuple[Sequence[Item], ...]] = {
        split: ([(path,) for path in files],) for split, files in splits.items() if files
    }
    return Layout(root, kind, source, filled)


def _side_by_side(files: Sequence[Path]) -> bool:
    """Whether every one of a few files is twice as wide as high, as joined square pictures are."""
    from i2i.errors import PictureError
    from i2i.images import header

    shapes = []
    for path in files[:: max(1, len(files) // 16)]:
        try:
            shapes.append(header(path)[0])
        except PictureError:
            continue
    return bool(shapes) and all(width == 2 * height for width, height in shapes)


def _seen(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return f"it has {', '.join(names[:4])}{' …' if len(names) > 4 else ''}" if names else "it is empty"


def _kinds() -> str:
    return ", ".join(sorted(FORMATS))
