"""The names of results: a file keeps its name from run to run, whatever files arrive beside it.

1. A result has the name of its source with the suffix of the output format: ``a.jpg`` becomes ``a.png``.
2. If that name belongs to another source, the suffix of the source is kept too: ``a.jpg.png``. If that is not free
   either, a number is added: ``a.jpg-2.png``.
3. A name belongs to the source that the manifest of the output folder records for it. Sources that are not recorded yet
   get their names in alphabetical order.
"""

import os
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path

from i2i.convert.records import Owner
from i2i.images.stacks import image_stem

MAX_NAME_BYTES = 255


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


def output_names(
    frames: Sequence[Frame], kind: str, owners: Mapping[Path, Owner], folders: Collection[Path] = ()
) -> list[Path]:
    """Return a relative output path for each frame.

    The second of twelve frames of ``a.gif`` becomes ``a.002.png``. Names that differ only in case are equal.

    Args:
        frames: the images; the frames of a file follow one another.
        kind: file format of the results, such as "png".
        owners: the owner of each existing result, by its path below the output folder.
        folders: folders of other results, whose names are taken.
    """
    files = [list(group) for _, group in groupby(frames, lambda frame: (frame.source, frame.relative))]
    files.sort(key=lambda file: (str(file[0].relative), str(file[0].source.absolute())))
    taken = {comparison_key(parent) for frame in frames for parent in frame.relative.parents}  # folders of the results
    taken.update(map(comparison_key, folders))
    owner_by_key = {comparison_key(path): owner for path, owner in owners.items()}
    recorded = set(owners.values())
    chosen: dict[Frame, Path] = {}
    later = []
    for file in files:
        names = _recorded_names(file, kind, taken, owner_by_key, recorded)
        if names is None:
            later.append(file)
        else:
            _take(file, names, taken, chosen)
    for file in later:
        free = (
            names
            for names in _candidates(file, kind)
            if not any(_is_occupied(frame, name, taken, owner_by_key) for frame, name in zip(file, names, strict=True))
        )
        _take(file, next(free), taken, chosen)
    return [chosen[frame] for frame in frames]


def _take(file: Sequence[Frame], names: Sequence[Path], taken: set[str], chosen: dict[Frame, Path]) -> None:
    chosen.update(zip(file, names, strict=True))
    taken.update(map(comparison_key, names))


def _recorded_names(
    file: Sequence[Frame], kind: str, taken: set[str], owners: Mapping[str, Owner], recorded: set[Owner]
) -> list[Path] | None:
    """Return the names of the results that were made from a file before; None if there are none."""
    if file[0].owner not in recorded:
        return None
    for number, names in enumerate(_candidates(file, kind)):
        keys = list(map(comparison_key, names))
        if owners.get(keys[0]) == file[0].owner and not taken & set(keys):
            return None if any(_is_occupied(*pair, taken, owners) for pair in zip(file, names, strict=True)) else names
        if number > 1 and keys[0] not in owners:  # numbers have no gaps
            return None
    return None


def _candidates(file: Sequence[Frame], kind: str) -> Iterator[list[Path]]:
    """Yield the names that the frames of a file may have, the preferred ones first."""
    relative = file[0].relative
    yield [_with_short_name(relative, image_stem(relative), _ending(frame, kind)) for frame in file]
    yield [_with_short_name(relative, relative.name, _ending(frame, kind)) for frame in file]
    for number in count(2):
        yield [_with_short_name(relative, relative.name, f"-{number}{_ending(frame, kind)}") for frame in file]


def _is_occupied(frame: Frame, name: Path, taken: set[str], owners: Mapping[str, Owner]) -> bool:
    """Return whether a name belongs to another source.

    A result belongs to its source also after that was deleted. If a source of the same name has taken its place, such
    as after the folder was moved, the result is that source's.
    """
    key = comparison_key(name)
    owner = owners.get(key)
    if key in taken or owner is None or owner == frame.owner:
        return key in taken
    return owner.source.name != frame.source.name or os.path.exists(owner.source)  # noqa: PTH110 (no error for odd names)


def _ending(frame: Frame, kind: str) -> str:
    if frame.count == 1:
        return f".{kind}"
    digits = max(3, len(str(frame.count)))
    return f".{frame.index + 1:0{digits}}.{kind}"


def _with_short_name(path: Path, stem: str, ending: str) -> Path:
    """Return ``path`` with the name ``stem + ending``; the stem is cut if the name is too long for a file system."""
    while len(os.fsencode(stem + ending)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return path.with_name(stem + ending)


def comparison_key(path: Path) -> str:
    """Return a key that is equal for paths that some file system treats as the same."""
    return unicodedata.normalize("NFC", str(path)).casefold()
