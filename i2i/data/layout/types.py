"""``Layout``: the files of a dataset, and the names of the layouts."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from i2i.images.folders import real_path
from i2i.images.stacks import file_version

Kind = Literal["paired", "unpaired", "clean"]
LayoutName = Literal["auto", "unpaired", "pairs", "superres", "side-by-side", "photos"]
Item = tuple[Path, ...]  # the file of one image, or the one or two files of a pair
MIN_SUPERRES_RATIO = 1.5  # below it, two sizes differ by cropping or rounding and not by resolution
SPLITS = ("train", "val", "test")
LAYOUT_NAMES: tuple[str, ...] = get_args(LayoutName)
KIND_OF_LAYOUT: dict[str, Kind] = {
    "unpaired": "unpaired",
    "pairs": "paired",
    "superres": "paired",
    "side-by-side": "paired",
    "photos": "clean",
}


@dataclass(frozen=True)
class PairSizes:
    """The sizes of the two images of all pairs, compared.

    Attributes:
        scales: relative size of A and B, such as (1, 4) if B is four times as wide and high; (1, 1) if there is no
            constant factor of 2, 3 or 4.
        smallest: smallest ratio of the width of B to that of A.
        largest: largest ratio.
        examples: the sizes of two pairs, in words.
    """

    scales: tuple[int, int] = (1, 1)
    smallest: float = 1.0
    largest: float = 1.0
    examples: str = ""

    def scale(self, target: int) -> int:
        """Return the size of the target relative to the input, 1 if it is no super-resolution.

        Args:
            target: 1 if B is the target, 0 if A is.
        """
        return max(1, self.scales[target] // self.scales[1 - target])

    def problem(self, target: int = 1) -> str:
        """Return why pairs with larger targets are no super-resolution set, and what to do; "" if all is well.

        Args:
            target: 1 if B is the target, 0 if A is.
        """
        largest = self.largest if target == 1 else 1 / self.smallest
        if largest < MIN_SUPERRES_RATIO or self.scale(target) > 1:
            return ""
        return (
            f"Targets are larger than their inputs by no constant factor of 2, 3 or 4 ({self.examples}). For "
            "super-resolution, make every target exactly 2, 3 or 4 times as wide and high as its input; "
            "`--layout pairs` resizes both images of a pair to --size instead."
        )


@dataclass(frozen=True)
class Layout:
    """The files of a dataset, by split and domain.

    Attributes:
        root: the dataset's folder; for two folders given one by one, the folder that holds both.
        kind: "unpaired", "paired" or "clean" (a single domain of photos).
        source: the arrangement of the folders, in words.
        splits: for each split the items of each domain: (A, B) if unpaired, else one sequence. An item of paired data
            is one file (side by side) or two files (A, B).
        name: of the layout, such as "pairs"; "" if unknown.
        folders: for each split the folders that were read: those of A and of B, or one.
        sizes: of the images of pairs in two files.
        without_partner: images of two domains that belong to no pair.
        title: short name of the dataset, for runs and model cards; "" for the name of ``root``.
        is_remote: whether the files are in shards at an address; a shard is downloaded when it is needed.
    """

    root: Path
    kind: Kind
    source: str
    splits: dict[str, tuple[Sequence[Item], ...]]
    name: str = ""
    folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    sizes: PairSizes = PairSizes()
    without_partner: Sequence[Path] = ()
    title: str = ""
    is_remote: bool = False

    @property
    def eval_split(self) -> str:
        """The split for sample images and validation: test, else val, else train."""
        return next(split for split in ("test", "val", "train") if split in self.splits)

    @property
    def two_folders(self) -> bool:
        """Whether each pair is two files."""
        return self.name in ("pairs", "superres")

    @property
    def data_name(self) -> str:
        """Short name of the dataset, without its path."""
        return self.title or real_path(self.root).name

    def count(self, split: str = "train") -> int:
        """Return the number of items of the largest domain, which is the length of an epoch."""
        return max(len(domain) for domain in self.splits[split])

    def relative_name(self, path: Path) -> str:
        """Return the path of a file below ``root``."""
        return path.relative_to(self.root).as_posix()

    def fingerprint(self) -> str:
        """Return the SHA-256 over the names and sizes of all training files, in hex digits."""
        digest = hashlib.sha256()
        if self.is_remote:  # the sizes would take a download of all shards
            for domain in self.splits["train"]:
                for item in domain:
                    digest.update("\0".join(path.name for path in item).encode(errors="replace") + b"\n")
            return digest.hexdigest()
        for name, path in self._training_files():
            digest.update(f"{name}\0{file_version(path)[0]}\n".encode(errors="replace"))
        return digest.hexdigest()

    def _training_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the name and the path of each training file. Names do not depend on where the dataset is."""
        for index, domain in enumerate(self.splits["train"]):
            for item in domain:
                for side, path in enumerate(item):
                    if not self.title or not self.folders:
                        yield str(path.relative_to(self.root)), path
                        continue
                    number = index + side  # 0 for A, 1 for B
                    yield f"{'AB'[number]}/{path.relative_to(self.folders['train'][number])}", path
