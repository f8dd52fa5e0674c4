"""A dataset's files and what they hold: the input of the audit's checks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from i2i.data.audit.inspect import ImageFault, ImageInfo
from i2i.data.audit.report import Size, join_some
from i2i.data.layout import Item, Kind, Layout
from i2i.data.resize import ResizeMode
from i2i.images.value_range import ValueRange


@dataclass(frozen=True)
class DatasetSnapshot:
    """The files of a dataset.

    Attributes:
        root: the dataset's folder.
        layout: the detected layout, or None if it is unknown.
        images: the readable images by path.
        faults: the unreadable files by path.
        value_range: values of black and white, as the user states them; None if they are not stated.
        needed: the kind of data that the method of a training needs; None if no method is chosen yet.
        resize: how the training resizes its images.
    """

    root: Path
    layout: Layout | None
    images: dict[Path, ImageInfo] = field(default_factory=dict)
    faults: dict[Path, ImageFault] = field(default_factory=dict)
    value_range: ValueRange | None = None
    needed: Kind | None = None
    resize: ResizeMode = "stretch"

    @property
    def two_folders(self) -> bool:
        """Whether each pair is two files."""
        return any(len(item) == 2 for _, _, item in islice(self.items(), 1))

    @property
    def side_by_side(self) -> bool:
        """Whether each pair is one file."""
        return self.layout is not None and self.layout.kind == "paired" and not self.two_folders

    def items_by_domain(self) -> dict[str, dict[str, Sequence[Item]]]:
        """Return the items by split and domain ("A" and "B", "pairs" or "photos"). Empty splits are left out."""
        if self.layout is None:
            return {}
        names = {"unpaired": ("A", "B"), "paired": ("pairs",), "clean": ("photos",)}[self.layout.kind]
        splits = {split: dict(zip(names, items, strict=True)) for split, items in self.layout.splits.items()}
        return {split: domains for split, domains in splits.items() if any(domains.values())}

    def images_by_domain(self) -> dict[str, dict[Path, ImageInfo]]:
        """Return the readable images of all splits by "A" and "B", or "" for one domain or pairs side by side."""
        domains: dict[str, dict[Path, ImageInfo]] = {}
        for _, domain, item in self.items():
            for side, path in enumerate(item):
                name = "AB"[side] if len(item) == 2 else domain if domain in ("A", "B") else ""
                if path in self.images:
                    domains.setdefault(name, {})[path] = self.images[path]
        return dict(sorted(domains.items()))

    def items(self) -> Iterator[tuple[str, str, Item]]:
        """Yield (split, domain, item) for each item."""
        for split, domains in self.items_by_domain().items():
            for domain, items in domains.items():
                for item in items:
                    yield split, domain, item

    def files_by_domain(self) -> dict[str, dict[str, list[Path]]]:
        """Return the files by split and domain. The files of two-folder pairs are in the domains "A" and "B"."""
        files: dict[str, dict[str, list[Path]]] = {}
        for split, domain, item in self.items():
            for name, path in zip("AB" if len(item) == 2 else (domain,), item, strict=True):
                files.setdefault(split, {}).setdefault(name, []).append(path)
        return files

    def paths(self) -> Iterator[Path]:
        """Yield the files of all items."""
        return (path for _, _, item in self.items() for path in item)

    def folders(self) -> list[Path]:
        """Return the folders from which the layout takes its images."""
        if self.layout is None or not self.layout.folders:
            return [self.root]
        return list(dict.fromkeys(folder for folders in self.layout.folders.values() for folder in folders))

    def domain_folder(self, split: str, domain: str) -> str:
        """Return the name of the folder of domain "A" or "B", such as "trainA"."""
        folders = self.layout.folders.get(split, ()) if self.layout is not None else ()
        return self.name(folders["AB".index(domain)]) if len(folders) == 2 else f"{split}{domain}"

    def training_images(self) -> dict[Path, ImageInfo]:
        """Return the readable images of the training split; of super-resolution pairs the larger images."""
        domains = self.files_by_domain().get("train", {})
        if self.layout is not None and self.layout.sizes.scales != (1, 1):
            larger = "AB"[self.layout.sizes.scales[1] > 1]
            domains = {name: paths for name, paths in domains.items() if name == larger}
        files = domains.values()
        return {path: self.images[path] for paths in files for path in paths if path in self.images}

    def input_size(self, image: ImageInfo) -> Size:
        """Return the width and height of one network input: of one half if pairs are side by side."""
        return (image.size[0] // 2, image.size[1]) if self.side_by_side else image.size

    def name(self, path: Path) -> str:
        """Return the path relative to the dataset's folder."""
        return path.relative_to(self.root).as_posix()

    def names(self, paths: Iterable[Path]) -> str:
        """Return the relative paths of the first files as one text."""
        return join_some(map(self.name, paths))
