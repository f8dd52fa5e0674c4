"""Training images that cannot be read any more: named, counted, and replaced by others up to a limit."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from i2i.data.layout import Item, Layout
from i2i.errors import ImageError
from i2i.images import read

logger = logging.getLogger(__name__)

MAX_PERCENT = 1  # of the training images that may be unreadable
NUM_NAMED = 5  # files that a message names


class UnreadableImage(NamedTuple):
    """A file that could not be read, and the file that took its place."""

    file: str  # relative to the dataset
    reason: str  # a sentence that names the file
    replacement: str


class UnreadableImages:
    """The files that a training could not read.

    Args:
        layout: of the dataset.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.total = len(training_files(layout))
        self.limit = max_unreadable(layout)
        self.reasons: dict[str, str] = {}  # by file, in the order in which they were found
        self._reported: set[str] = set()

    def add(self, image: UnreadableImage) -> bool:
        """Count a file, and log a warning. Return whether the file is new.

        Raises:
            ImageError: the file is one too many. It is not counted.
        """
        if image.file in self.reasons:
            return False
        if len(self.reasons) >= self.limit:
            raise too_many_unreadable({**self.reasons, image.file: image.reason}, self.limit, self.total)
        self.reasons[image.file] = image.reason
        if image.file not in self._reported:  # a training that returned to an earlier state finds it again
            self._reported.add(image.file)
            logger.warning(
                "%s It is left out, and %s takes its place: %d of at most %d of the %d training images.",
                image.reason, image.replacement, len(self.reasons), self.limit, self.total,
            )  # fmt: skip
        return True

    def summary(self) -> str:
        """Return a sentence with the number and the names of the files, or "" if there are none."""
        if not self.reasons:
            return ""
        return (
            f"{len(self.reasons)} of {self.total} training images could not be read and were replaced by others: "
            f"{_names(self.reasons)}."
        )

    def state_dict(self) -> dict[str, str]:
        return dict(self.reasons)

    def load_state_dict(self, state: Mapping[str, str]) -> None:
        """Restore the files. Those that can be read again, or are gone from the dataset, are not counted any more."""
        files = {file_name(path, self.layout): path for path in training_files(self.layout)}
        self.reasons = {
            str(name): str(reason)
            for name, reason in state.items()
            if name in files and (name in self._reported or not _is_readable(files[name]))
        }


def training_files(layout: Layout) -> list[Path]:
    """Return the files of all training images, each once."""
    return list(dict.fromkeys(path for domain in layout.splits["train"] for item in domain for path in item))


def max_unreadable(layout: Layout) -> int:
    """Return how many training images may be unreadable: MAX_PERCENT of them, and at least one."""
    return max(1, len(training_files(layout)) * MAX_PERCENT // 100)


def file_name(path: Path, layout: Layout) -> str:
    """Return the name of a file in a message: relative to its dataset if it lies in it."""
    return path.relative_to(layout.root).as_posix() if path.is_relative_to(layout.root) else str(path)


def unreadable_files(item: Item, error: Exception, layout: Layout) -> list[tuple[str, str]]:
    """Return the name of each unreadable file of an item, with the reason.

    Args:
        item: the file, or the two files of a pair.
        error: what reading them raised.
        layout: of the dataset.
    """
    failed = [path for path in item if str(path) in str(error)] or list(item)
    names = {path: file_name(path, layout) for path in failed}
    return [(name, str(error).replace(str(path), name)) for path, name in names.items()]


def too_many_unreadable(reasons: Mapping[str, str], limit: int, total: int) -> ImageError:
    """Return the error for more unreadable files than ``limit``."""
    share = f"more than {MAX_PERCENT} %" if limit > 1 else "more than one"
    reason = list(reasons.values())[-1]
    return ImageError(
        f"{len(reasons)} of the {total} training images cannot be read, {share}: {_names(reasons)}. {reason} "
        "Replace these files and continue with --resume; if they are to be left out, remove them and add "
        "--allow-changed-data."
    )


def _names(files: Iterable[str]) -> str:
    names = list(files)
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return ", ".join(names[:NUM_NAMED]) + more


def _is_readable(path: Path) -> bool:
    try:
        read(path)
    except (ImageError, OSError):
        return False
    return True
