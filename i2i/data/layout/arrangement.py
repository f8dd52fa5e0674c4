"""Find the folders of two domains, A and B, in each split of a dataset."""

import re
from dataclasses import dataclass
from pathlib import Path

from i2i.data.layout.find import HINT
from i2i.data.layout.types import SPLITS, Kind
from i2i.errors import DatasetError
from i2i.images import IMAGE_SUFFIXES
from i2i.images.folders import is_visible, list_images, subfolders
from i2i.images.formats import ARRAY_SUFFIXES

# Names of the folders of A and B, in lower case.
DOMAIN_NAMES = (
    ("a", "b"), ("input", "target"), ("inputs", "targets"), ("source", "target"), ("sources", "targets"),
    ("input", "output"), ("inputs", "outputs"), ("lq", "gt"), ("input", "gt"), ("lr", "hr"), ("low", "high"),
    ("small", "large"), ("lowres", "highres"), ("lores", "hires"),
    ("noisy", "clean"), ("blur", "sharp"), ("blurry", "sharp"), ("rainy", "clean"), ("hazy", "clear"),
    ("domaina", "domainb"),
)  # fmt: skip
Folders = dict[str, Path]  # by name in lower case


@dataclass(frozen=True)
class Arrangement:
    """The folders of two domains.

    Attributes:
        words: the folders, in words.
        splits: the folders of A and of B, by split.
        kind: of the data, if the method that uses them does not decide: "clean" if the names say nothing.
    """

    words: str
    splits: dict[str, tuple[Path, Path]]
    kind: Kind

    def __str__(self) -> str:
        return self.words

    def swapped(self) -> "Arrangement":
        """Return the arrangement with A and B exchanged."""
        splits = {split: (b, a) for split, (a, b) in self.splits.items()}
        return Arrangement(f"{self.words}, the second as A", splits, self.kind)


def find_arrangement(root: Path) -> Arrangement | None:
    """Return the two domains of a dataset folder, or None if it has no folders of two domains.

    Names are compared without regard to case, "-", "_" and spaces. In this order:

    1. ``trainA/ trainB/``, optionally ``testA/ testB/`` and ``valA/ valB/``
    2. ``A/ B/``, or other names of DOMAIN_NAMES; images in them, or in ``A/train/ B/train/`` and so on
    3. the same names in ``train/``, ``test/`` and ``val/``
    4. exactly two folders of images with any names, instead of these names

    Raises:
        DatasetError: one folder of two is missing.
    """
    folders = _by_key(root)
    if folders.keys() & {"traina", "trainb"}:
        return _splits_with_domain(root, folders)
    if couple := _named_couple(folders):
        return _with_inner_splits(*couple, kind="paired")
    if "train" in folders:
        return _below_splits(folders)
    if couple := _two_folders(root, folders):
        return _with_inner_splits(*couple, kind="clean")
    return None


def split_folders(root: Path) -> Folders:
    """Return the folders named train, val and test in any case, by the name of the split."""
    return {name: path for name, path in _by_key(root).items() if name in SPLITS}


def domain_splits(a: Path, b: Path) -> dict[str, tuple[Path, Path]]:
    """Return the folders of A and B by split: ``a/train`` and ``b/train`` and so on, else ``a`` and ``b`` for train.

    Raises:
        DatasetError: only one of the two has a folder train.
    """
    inner_a, inner_b = split_folders(a), split_folders(b)
    if "train" in inner_a and "train" in inner_b:
        return {split: (inner_a[split], inner_b[split]) for split in SPLITS if split in inner_a and split in inner_b}
    if "train" in inner_a or "train" in inner_b:
        one, other = (a, b) if "train" in inner_a else (b, a)
        raise DatasetError(
            f"{one} has the folder {split_folders(one)['train'].name}/, {other} has none. Arrange both alike. {HINT}"
        )
    return {"train": (a, b)}


def is_domain_name(name: str) -> bool:
    """Return whether a folder's name says only which domain it is, such as trainA or inputs."""
    return _key(name).removeprefix("train") in {key for couple in DOMAIN_NAMES for key in couple}


def _key(name: str) -> str:
    return re.sub(r"[ _-]", "", name.lower())


def _by_key(folder: Path) -> Folders:
    """Return the visible folders in a folder. Of names with an equal key, the first in the order of names counts."""
    found: Folders = {}
    for path in subfolders(folder):
        found.setdefault(_key(path.name), path)
    return found


def _splits_with_domain(root: Path, folders: Folders) -> Arrangement:
    for key in ("traina", "trainb"):
        if key not in folders:
            existing = ", ".join(sorted(path.name for path in folders.values()))
            raise DatasetError(
                f"{root} has no train{key[-1].upper()}/ (it has {existing}). Unpaired data needs trainA/ and trainB/. "
                f"{HINT}"
            )
    splits = {
        split: (folders[f"{split}a"], folders[f"{split}b"])
        for split in SPLITS
        if f"{split}a" in folders and f"{split}b" in folders
    }
    return Arrangement(_join_names(splits["train"]), splits, "unpaired")


def _named_couple(folders: Folders) -> tuple[Path, Path] | None:
    return next(((folders[a], folders[b]) for a, b in DOMAIN_NAMES if a in folders and b in folders), None)


def _two_folders(parent: Path, folders: Folders) -> tuple[Path, Path] | None:
    """Return the two folders of images if a folder holds exactly these, no split and no images of its own."""
    if any(key.startswith(SPLITS) for key in folders) or _has_images_at_top(parent):
        return None
    holding: list[Path] = []
    for path in folders.values():
        if list_images(path):
            holding.append(path)
        if len(holding) > 2:
            return None
    if len(holding) != 2 or any(_is_two_domains(_by_key(folder)) for folder in holding):
        return None
    has_train = ["train" in split_folders(folder) for folder in holding]
    return (holding[0], holding[1]) if has_train[0] == has_train[1] else None


def _is_two_domains(folders: Folders) -> bool:
    return _named_couple(folders) is not None or bool(folders.keys() & {"traina", "trainb"})


def _has_images_at_top(folder: Path) -> bool:
    names = (path.name for path in folder.iterdir())
    return any(is_visible(name) and Path(name).suffix.lower() in IMAGE_SUFFIXES | ARRAY_SUFFIXES for name in names)


def _with_inner_splits(a: Path, b: Path, kind: Kind) -> Arrangement:
    splits = domain_splits(a, b)
    words = f"{a.name}/ and {b.name}/"
    if splits["train"] != (a, b):
        words += f", each with {', '.join(f'{folder.name}/' for folder, _ in splits.values())}"
    return Arrangement(words, splits, kind)


def _below_splits(folders: Folders) -> Arrangement | None:
    """Return the domains in ``train/``, and those of the same names in the other splits."""
    train = folders["train"]
    inner = _by_key(train)
    kind: Kind = "paired"
    couple = _named_couple(inner)
    if couple is None:
        kind = "clean"
        couple = _two_folders(train, inner)
    if couple is None:
        return None
    keys = [_key(folder.name) for folder in couple]
    splits = {}
    for split in SPLITS:
        if split in folders:
            found = _by_key(folders[split])
            if all(key in found for key in keys):
                splits[split] = (found[keys[0]], found[keys[1]])
    return Arrangement(f"{couple[0].name}/ and {couple[1].name}/ in {train.name}/", splits, kind)


def _join_names(folders: tuple[Path, Path]) -> str:
    return " and ".join(f"{folder.name}/" for folder in folders)
