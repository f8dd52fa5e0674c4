"""The names of results. A name follows from the source alone, whatever other files there are.

1. A source in the format of the results keeps its name: ``a.png`` stays ``a.png``, and ``A.JPEG`` with ``--format jpg``
   stays ``A.JPEG``. The suffix decides, not the content.
2. Any other source keeps its whole name and gets the suffix of the results: ``a.jpg`` becomes ``a.jpg.png``, and
   ``scan`` becomes ``scan.png``. So do files that have several results: ``a.gif.002.png``.
3. A name that is too long for a file system is cut and gets a hash of the whole name.

Two sources can still have the same name: ``a.jpg`` beside ``a.jpg.png``, ``a.png`` of two folders, or names that differ
in case only. One of them gets a number, ``a.jpg-2.png``: sources that keep their name come first, then the order is
alphabetical. A result that the manifest of the output folder records keeps its name, also one that an earlier version
gave: ``a.png`` for ``a.jpg``, or ``a.png.png`` for ``a.png``.
"""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, groupby
from pathlib import Path

from i2i.convert.records import Owner, RecordedResult
from i2i.images.formats import FORMAT_BY_SUFFIX

MAX_NAME_BYTES = 255
_HASH_DIGITS = 8


@dataclass(frozen=True)
class Frame:
    """One image of a source file.

    Attributes:
        source: the file.
        relative: path of the file below the source folder.
        index: index of the image within the file, from 0.
        count: number of results that are made from the file.
        frame_count: number of images, from ``index`` on, that go into one result.
    """

    source: Path
    relative: Path
    index: int
    count: int
    frame_count: int = 1

    @property
    def owner(self) -> Owner:
        return Owner(self.source.absolute(), self.index)


def output_names(frames: Sequence[Frame], kind: str, results: Sequence[RecordedResult]) -> list[Path]:
    """Return a relative output path for each frame. Names that differ only in case are equal.

    Args:
        frames: the images; the frames of a file follow one another.
        kind: file format of the results, such as "png".
        results: the results that the manifest of the output folder records.
    """
    files = [list(group) for _, group in groupby(frames, lambda frame: (frame.source, frame.relative))]
    files.sort(key=lambda file: (not _keeps_name(file, kind), str(file[0].relative), str(file[0].source.absolute())))
    names = _Names(frames, kind, results)
    for find in (names.existing, names.deleted, names.free):
        files = [file for file in files if not names.take(file, find(file))]
    return [names.chosen[frame] for frame in frames]


class _Names:
    """The names that are chosen so far.

    Attributes:
        chosen: the name of each frame.
    """

    def __init__(self, frames: Sequence[Frame], kind: str, results: Sequence[RecordedResult]) -> None:
        self.kind = kind
        self.chosen: dict[Frame, Path] = {}
        folders = {parent for frame in frames for parent in frame.relative.parents}
        self._taken = {comparison_key(folder) for folder in folders}
        self._results: dict[str, RecordedResult] = {}
        self._by_owner: dict[Owner, list[RecordedResult]] = defaultdict(list)
        for result in sorted(results, key=lambda result: result.exists):  # existing ones replace deleted ones
            self._results[comparison_key(result.path)] = result
            self._by_owner[result.owner].append(result)

    def take(self, file: Sequence[Frame], names: Sequence[Path] | None) -> bool:
        """Give a file its names; a recorded one is spelled as in the manifest. Return False if there are none."""
        if names is None:
            return False
        for frame, name in zip(file, names, strict=True):
            key = comparison_key(name)
            self._taken.add(key)
            result = self._results.get(key)
            is_own = result is not None and (result.owner == frame.owner or self._is_successor(frame, name))
            self.chosen[frame] = result.path if result is not None and is_own else name
        return True

    def existing(self, file: Sequence[Frame]) -> list[Path] | None:
        """Return the names of the existing results of a file; None if there are none."""
        return self._recorded(file, lambda result: result.exists)

    def deleted(self, file: Sequence[Frame]) -> list[Path] | None:
        """Return the names of the results of a file that were deleted, or never finished; None if there are none."""
        return self._recorded(file, lambda result: not result.exists)

    def _recorded(self, file: Sequence[Frame], condition: Callable[[RecordedResult], bool]) -> list[Path] | None:
        results = [result for result in self._by_owner.get(file[0].owner, ()) if condition(result)]
        keys = {comparison_key(result.path) for result in results}
        numbers = filter(None, (_number_of(result.path, _ending(file[0], self.kind)) for result in results))
        numbered = (names for number in numbers for names in _numbered_names(file, self.kind, number))
        for names in chain(_plain_names(file, self.kind), numbered):
            if comparison_key(names[0]) in keys and self._are_free(file, names):
                return names
        return None

    def free(self, file: Sequence[Frame]) -> list[Path]:
        """Return names for a file without results; those of the results of its old place, if it was moved."""
        for names in _plain_names(file, self.kind):
            if self._is_successor(file[0], names[0]) and self._are_free(file, names):
                return names
        numbered = (next(_numbered_names(file, self.kind, str(number))) for number in count(2))
        candidates = chain([_preferred_names(file, self.kind)], numbered)
        return next(names for names in candidates if self._are_free(file, names))

    def _are_free(self, file: Sequence[Frame], names: Sequence[Path]) -> bool:
        return not any(self._is_occupied(frame, name) for frame, name in zip(file, names, strict=True))

    def _is_successor(self, frame: Frame, name: Path) -> bool:
        """Return whether a result was made from a file of the same name that does not exist any more."""
        result = self._results.get(comparison_key(name))
        return (
            result is not None
            and result.exists
            and result.owner.frame == frame.index
            and result.owner.source.name == frame.source.name
            and not os.path.exists(result.owner.source)  # noqa: PTH110 (no error for odd names)
        )

    def _is_occupied(self, frame: Frame, name: Path) -> bool:
        """Return whether a name belongs to another source.

        A result belongs to its source also after that was deleted. If a source of the same name has taken its place,
        such as after the folder was moved, the result is that source's.
        """
        key = comparison_key(name)
        result = self._results.get(key)
        if key in self._taken or result is None or not result.exists or result.owner == frame.owner:
            return key in self._taken
        return not self._is_successor(frame, name)


def _keeps_name(file: Sequence[Frame], kind: str) -> bool:
    format = FORMAT_BY_SUFFIX.get(file[0].relative.suffix.lower())
    return file[0].count == 1 and format is FORMAT_BY_SUFFIX[f".{kind}"]


def _preferred_names(file: Sequence[Frame], kind: str) -> list[Path]:
    relative = file[0].relative
    if _keeps_name(file, kind):
        return [relative] * len(file)
    return [_with_hash(relative, relative.name, _ending(frame, kind)) for frame in file]


def _plain_names(file: Sequence[Frame], kind: str) -> Iterator[list[Path]]:
    """Yield the names without a number that the frames of a file may have: today's, and those of earlier versions."""
    relative = file[0].relative
    yield _preferred_names(file, kind)
    for stem in (relative.stem, relative.name):
        yield [_cut(relative, stem, _ending(frame, kind)) for frame in file]


def _numbered_names(file: Sequence[Frame], kind: str, number: str) -> Iterator[list[Path]]:
    """Yield the names with a number that the frames of a file may have: today's, and those of earlier versions."""
    relative = file[0].relative
    for shortened in (_with_hash, _cut):
        yield [shortened(relative, relative.name, f"-{number}{_ending(frame, kind)}") for frame in file]


def _number_of(path: Path, ending: str) -> str | None:
    """Return the number in the name of a result."""
    match = re.fullmatch(rf".*-(\d+){re.escape(ending)}", path.name, re.DOTALL)
    return match[1] if match else None


def _ending(frame: Frame, kind: str) -> str:
    if frame.count == 1:
        return f".{kind}"
    digits = max(3, len(str(frame.count)))
    return f".{frame.index + 1:0{digits}}.{kind}"


def _with_hash(path: Path, stem: str, ending: str) -> Path:
    """Return ``path`` with the name ``stem + ending``; if that is too long, the stem is cut and gets its hash."""
    if len(os.fsencode(stem + ending)) > MAX_NAME_BYTES:
        ending = f"-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:_HASH_DIGITS]}{ending}"
    return _cut(path, stem, ending)


def _cut(path: Path, stem: str, ending: str) -> Path:
    """Return ``path`` with the name ``stem + ending``; the stem is cut if the name is too long for a file system."""
    while len(os.fsencode(stem + ending)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return path.with_name(stem + ending)


def comparison_key(path: Path) -> str:
    """Return a key that is equal for paths that some file system treats as the same."""
    return unicodedata.normalize("NFC", str(path)).casefold()
