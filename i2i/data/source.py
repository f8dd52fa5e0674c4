"""``DataSource``: where the images of a training or an evaluation come from, as every command takes it."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from i2i.data.cache_folders import cache_dir
from i2i.data.ensure import ensure_dataset
from i2i.data.layout import HINT, Kind, Layout, LayoutName, dataset_dirs, detect_layout, find_dataset
from i2i.data.layout.arrangement import Arrangement, domain_splits, is_domain_name
from i2i.data.layout.detect import two_domain_layout
from i2i.data.layout.pairs import NO_SUFFIXES, Suffixes, check_suffixes
from i2i.data.layout.shards import is_shard_folder, mirror, shard_layout
from i2i.data.layout.types import KIND_OF_LAYOUT
from i2i.errors import DatasetError, UsageError
from i2i.images.folders import list_images, real_path
from i2i.images.stacks import StackPattern
from i2i.paths import expand_user
from i2i.storage import is_address

FOLDERS = ("data", "data_a", "data_b", "test_a", "test_b")
PLACES = (*FOLDERS, "pairs")  # fields that name folders


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """The folders of a dataset, as the user named them, and how they are laid out.

    Give ``data``; or ``data_a`` and ``data_b``; or ``pairs``.

    Args:
        data: a path, or the name of a dataset.
        data_a: folder with the images of domain A.
        data_b: folder with the images of domain B.
        test_a: folder with the test images of domain A.
        test_b: folder with the test images of domain B.
        pairs: the folders of the inputs and of the targets, paired by name.
        layout: a layout of ``i2i.data.layout.LAYOUT_NAMES``; "auto" detects it.
        pair_suffixes: ends of the names of A and B in each pair.
        stack: which files form one image, see ``StackPattern``; "" if every file is an image.
        absolute: absolute path of each folder above when it was last used, by the name that the user gave; None for
            a new source. If a folder is no longer there, a dataset of its name is searched.

    Raises:
        UsageError: the fields exclude each other, or one is missing.
    """

    data: str = ""
    data_a: str = ""
    data_b: str = ""
    test_a: str = ""
    test_b: str = ""
    pairs: tuple[str, str] | None = None
    layout: LayoutName = "auto"
    pair_suffixes: Suffixes | None = None
    stack: str = ""
    absolute: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        _require_both(self.data_a, self.data_b, "--data-a", "--data-b")
        _require_both(self.test_a, self.test_b, "--test-a", "--test-b")
        given = [flag for flag, value in (("--data", self.data), ("--data-a", self.data_a), ("--pairs", self.pairs))
                 if value]  # fmt: skip
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other: each names the dataset. Give one of them.")
        if self.test_a and not self.two_folders:
            raise UsageError("--test-a and --test-b belong to --data-a and --data-b, or to --pairs.")
        _ = self.stack_pattern

    @classmethod
    def from_config(cls, config: Any, absolute: Mapping[str, str] | None = None) -> "DataSource":
        """Return the source that a config of the training data names. ``absolute``: see the class."""
        names = [name for name in cls.__dataclass_fields__ if name != "absolute" and hasattr(config, name)]
        return cls(**{name: getattr(config, name) for name in names}, absolute=absolute)

    @property
    def stack_pattern(self) -> StackPattern | None:
        """The files that form one image, or None."""
        return StackPattern(self.stack) if self.stack else None

    @property
    def two_folders(self) -> tuple[str, str] | None:
        """The folders of A and B if they were given one by one."""
        if self.pairs:
            return self.pairs
        return (self.data_a, self.data_b) if self.data_a else None

    @property
    def is_named(self) -> bool:
        """Whether a dataset was named at all."""
        return bool(self.data or self.two_folders)

    @property
    def names(self) -> list[str]:
        """The folders and names that the user gave."""
        given = [getattr(self, place) for place in FOLDERS]
        return [name for name in [*given, *(self.pairs or ())] if name]

    @property
    def title(self) -> str:
        """Short name of the dataset, without paths: for the run, the model file and its card."""
        if is_address(self.data):
            return self.data.rstrip("/").rpartition("/")[2]
        if not self.two_folders:
            return _last_part(str(self._find(self.data) or self.data))
        a, b = (real_path(self._find(name) or name) for name in self.two_folders)
        if a.parent == b.parent and is_domain_name(a.name) and is_domain_name(b.name):
            return a.parent.name
        return a.name if a.name == b.name else f"{a.name}-{b.name}"

    @property
    def folder(self) -> Path | None:
        """The folder of the dataset, or of A; None if it is not on this machine."""
        name = self.two_folders[0] if self.two_folders else self.data
        if is_address(name):
            return mirror(name, cache_dir().resolve() / "shards")
        return self._find(name) if name else None

    def require_here(self) -> None:
        """Raise DatasetError if no dataset was named, or if it is not on this machine."""
        if self.folder is None:
            raise DatasetError(f"No dataset {(self.names or [''])[0]!r} here. {HINT}")

    def flags(self) -> str:
        """Return the flags that name this source on a command line."""
        words: list[str] = []
        for place in FOLDERS:
            if value := getattr(self, place):
                words += [f"--{place.replace('_', '-')}", value]
        for flag, couple in (("--pairs", self.pairs), ("--pair-suffixes", self.pair_suffixes)):
            words += [flag, *couple] if couple else []
        words += ["--layout", self.layout] if self.layout != "auto" else []
        words += ["--stack", self.stack] if self.stack else []
        return shlex.join(words)

    def with_absolute(self) -> "DataSource":
        """Return the source with the present absolute path of each folder."""
        found = {
            name: folder for name in self.names if not is_address(name) and (folder := self._find(name)) is not None
        }
        return replace(self, absolute={name: str(real_path(folder)) for name, folder in found.items()})

    def shareable(self) -> dict[str, Any]:
        """Return the fields for a model file: names of folders, without their paths."""
        fields: dict[str, Any] = {place: _last_part(getattr(self, place)) for place in FOLDERS if getattr(self, place)}
        if self.data:
            fields["data"] = self.title
        if self.pairs:
            fields["pairs"] = [_last_part(folder) for folder in self.pairs]
        return fields

    def load(self, needed: Kind | None = None, *, download: bool = True) -> Layout:
        """Find the images. A dataset that is not on this machine is generated or downloaded.

        Args:
            needed: the kind of data that the method needs; see ``detect_layout``.
            download: whether datasets are generated and downloaded.

        Raises:
            DatasetError: there is no such dataset, or it has no usable layout.
        """
        if (stack := self.stack_pattern) is not None:
            folders = [self._find(name) for name in self.two_folders or (self.data,)]
            check_has_stacks([folder for folder in folders if folder is not None], stack)
        if self.two_folders:
            return self._load_two_folders(self.two_folders, needed)
        if is_address(self.data):
            self._refuse_stacks_in_shards()
            folder = mirror(self.data, cache_dir().resolve() / "shards")
            return replace(shard_layout(folder, needed, self.title), is_remote=True)
        if not download:
            self.require_here()
        folder = self.folder or self._ensure()
        if is_shard_folder(folder):
            self._refuse_stacks_in_shards()
            return shard_layout(folder, needed)
        return detect_layout(
            folder, needed, name=self.layout, pair_suffixes=self.pair_suffixes, stack=self.stack_pattern
        )

    def with_default_stack(self, stack: str) -> "DataSource":
        """Return the source with a stack, if it states none and its folders hold files of such stacks."""
        folders = [folder for name in self.two_folders or (self.data,) if (folder := self._find(name)) is not None]
        is_usable = bool(stack) and not self.stack and not is_address(self.data)
        return replace(self, stack=stack) if is_usable and _hold_stacks(folders, StackPattern(stack)) else self

    def _refuse_stacks_in_shards(self) -> None:
        if self.stack:
            raise DatasetError(
                f"--stack {self.stack} joins files of a folder, and {self.data} holds shards. Join them first: "
                f"`i2i convert identity FOLDER --stack '{self.stack}' --out JOINED`, then `i2i data pack JOINED`."
            )

    def _find(self, name: str) -> Path | None:
        """Return the folder of a name: where it was last, else as a path, else by its last part as a dataset's name."""
        if self.absolute is None:
            return find_dataset(name)
        last = self._last_place(name)
        if last and Path(last).is_dir():
            return Path(last)
        return find_dataset(name) or find_dataset(Path(name).name)

    def _last_place(self, name: str) -> str:
        return (self.absolute or {}).get(name, "")

    def _ensure(self) -> Path:
        path = expand_user(self.data)
        if path.is_file():
            raise DatasetError(f"{self.data} is a file; a dataset is a folder of images. Unpack an archive first.")
        if self.absolute is None:
            return ensure_dataset(self.data)
        name = Path(self.data).name
        try:
            return ensure_dataset(name)
        except DatasetError as error:
            last = self._last_place(self.data)
            where = f"is no longer at {last}" if last else "is not on this machine"
            raise DatasetError(
                f"The dataset {self.data!r} of this run {where}, and there is no dataset {name!r} in "
                f"{' or '.join(map(str, dataset_dirs()))}. Give its present folder: --data PATH. {HINT}"
            ) from error

    def _load_two_folders(self, couple: tuple[str, str], needed: Kind | None) -> Layout:
        """Return the layout of two folders that were given one by one."""
        if self.layout in ("side-by-side", "photos"):
            raise UsageError(f"--layout {self.layout} is for one folder; {self.flags()} names two. Leave one out.")
        a, b = (self._existing(name) for name in couple)
        splits = domain_splits(a, b)
        if self.test_a:
            splits["test"] = (self._existing(self.test_a), self._existing(self.test_b))
        folders = [folder for folders_of in splits.values() for folder in folders_of]
        if len(set(folders)) < len(folders):
            raise UsageError(f"{self.flags()} names one folder twice. Each folder has one role.")
        root = Path(os.path.commonpath(folders))
        suffixes = self.pair_suffixes or NO_SUFFIXES
        if self.pair_suffixes is not None:
            check_suffixes(self.pair_suffixes)
        is_paired = bool(self.pairs) or suffixes != NO_SUFFIXES or needed == "paired"
        kind = KIND_OF_LAYOUT.get(self.layout) or ("paired" if is_paired else "unpaired")
        arrangement = Arrangement(f"{couple[0]} and {couple[1]}", splits, kind)
        return two_domain_layout(
            root, arrangement, kind, self.layout, suffixes, title=self.title, stack=self.stack_pattern
        )

    def _existing(self, name: str) -> Path:
        folder = self._find(name)
        if folder is None and self.absolute is not None:
            last = self._last_place(name)
            where = f"is no longer at {last}" if last else "is not on this machine"
            present = "--pairs PATH PATH" if self.pairs else "--data-a PATH --data-b PATH"
            tests = " --test-a PATH --test-b PATH" if self.test_a else ""
            raise DatasetError(f"The folder {name} of this run {where}. Give the present folders: {present}{tests}.")
        if folder is None:
            raise DatasetError(f"There is no folder {name}. Give a folder of images. {HINT}")
        return real_path(folder)


def check_has_stacks(folders: Sequence[Path], stack: StackPattern) -> None:
    """Raise DatasetError if the folders of a dataset hold images, and none is a file of a stack."""
    images = [(folder, path) for folder in folders for path in list_images(folder)]
    if images and not _hold_stacks(folders, stack):
        folder, path = images[0]
        raise DatasetError(
            f"No file of {folder} has a name of the form --stack '{stack.text}'; it holds such as "
            f"{path.relative_to(folder).as_posix()}. Give the form of the names, or leave --stack out."
        )


def _hold_stacks(folders: Sequence[Path], stack: StackPattern) -> bool:
    return any(stack.stem(path.name) for folder in folders for path in list_images(folder))


def _require_both(a: str, b: str, flag_a: str, flag_b: str) -> None:
    if bool(a) != bool(b):
        given, missing = (flag_a, flag_b) if a else (flag_b, flag_a)
        raise UsageError(f"{given} needs {missing} too: the folder of the other domain.")


def _last_part(name: str) -> str:
    return real_path(expand_user(name)).name if name else ""
