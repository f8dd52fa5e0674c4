"""A dataset's folder with what its files hold: what the checks of an audit look at."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from i2i.data.audit.inspect import Fault, Look
from i2i.data.audit.report import Size, listed
from i2i.data.layout import Item, Layout


@dataclass(frozen=True)
class Survey:
    """layout is None where none was recognised. Every picture is in looks or in faults."""

    root: Path
    layout: Layout | None
    looks: dict[Path, Look] = field(default_factory=dict)
    faults: dict[Path, Fault] = field(default_factory=dict)

    @property
    def two_folders(self) -> bool:
        """Whether pairs are two files each."""
        return any(len(item) == 2 for _, _, item in islice(self.items(), 1))

    @property
    def joined(self) -> bool:
        """Whether pairs are one file each, side by side."""
        return self.layout is not None and self.layout.kind == "paired" and not self.two_folders

    def parts(self) -> dict[str, dict[str, Sequence[Item]]]:
        """By split and domain, or all pairs of a split; splits with nothing in them are left out."""
        if self.layout is None:
            return {}
        names = {"unpaired": ("A", "B"), "paired": ("pairs",), "clean": ("photos",)}[self.layout.kind]
        splits = {split: dict(zip(names, items, strict=True)) for split, items in self.layout.splits.items()}
        return {split: parts for split, parts in splits.items() if any(parts.values())}

    def items(self) -> Iterator[tuple[str, str, Item]]:
        """(split, domain, item) of every item."""
        for split, parts in self.parts().items():
            for domain, items in parts.items():
                for item in items:
                    yield split, domain, item

    def domains(self) -> dict[str, dict[str, list[Path]]]:
        """By split and domain, A and B of two-folder pairs among them, the files."""
        found: dict[str, dict[str, list[Path]]] = {}
        for split, domain, item in self.items():
            for name, path in zip("AB" if len(item) == 2 else (domain,), item, strict=True):
                found.setdefault(split, {}).setdefault(name, []).append(path)
        return found

    def paths(self) -> Iterator[Path]:
        return (path for _, _, item in self.items() for path in item)

    def folders(self) -> list[Path]:
        """Where the layout takes its pictures from."""
        if self.layout is None:
            return [self.root]
        if self.layout.kind == "unpaired":
            return [self.root / f"{split}{domain}" for split in self.parts() for domain in "AB"]
        if self.two_folders:
            return [folder for split in self.parts() for folder in self.partners(split)]
        return [self.root / split for split in self.parts()] if (self.root / "train").is_dir() else [self.root]

    def partners(self, split: str) -> tuple[Path, Path]:
        """The two folders of two-folder pairs."""
        beside = (self.root / "A").is_dir() and (self.root / "B").is_dir()
        base = self.root if beside else self.root / split
        return base / "A", base / "B"

    def training(self) -> dict[Path, Look]:
        """The readable pictures of the training split."""
        files = self.domains().get("train", {}).values()
        return {path: self.looks[path] for paths in files for path in paths if path in self.looks}

    def frame(self, look: Look) -> Size:
        """Width and height of what a network sees: of one half where pairs are side by side."""
        return (look.size[0] // 2, look.size[1]) if self.joined else look.size

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def names(self, paths: Iterable[Path]) -> str:
        return listed(map(self.name, paths))
