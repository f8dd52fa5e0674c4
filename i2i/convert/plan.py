"""Which file goes where: found, named and checked before anything is read."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from i2i.errors import UsageError
from i2i.images import FORMATS
from i2i.images.formats import HEIC

LONGEST_NAME = 255  # bytes
MOST_FRAMES = 10_000  # of one file
CLIPS = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv", ".flv", ".3gp"}
# Folders that systems and programs fill with pictures of their own.
_NOT_OURS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


@dataclass(frozen=True)
class Job:
    """A picture, and where its translation goes. frame: which of a file's pictures, counted from 0."""

    source: Path
    target: Path
    frame: int = 0


@dataclass
class Plan:
    """What is to be done, and what is left out, with the reason."""

    jobs: list[Job] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


def is_clip(path: Path) -> bool:
    """Whether a path's ending is that of a clip."""
    return path.suffix.lower() in CLIPS


def clip_jobs(sources: Sequence[Path], out: Path) -> list[Job]:
    """Where clips go: ``out`` itself if it is a clip's name, else below it under their own names.

    Raises UsageError where ``out`` is a clip's name and there is more than one clip to go there, or two share a name.
    """
    for source in sources:
        if is_clip(source) and not source.exists():
            raise UsageError(f"{source} does not exist.")
    if is_clip(out) and not out.is_dir():
        if len(sources) != 1 or not is_clip(sources[0]):
            raise UsageError(f"--out {out} is a clip's name, and takes one clip: name a folder for the results.")
        return [Job(sources[0], out)]
    jobs = [Job(source, out / source.name) for source in sources if is_clip(source) and not source.is_dir()]
    if len({job.target for job in jobs}) < len(jobs):
        raise UsageError("Two clips have the same name: convert them one by one.")
    return jobs


def plan(
    sources: Sequence[Path],
    out: Path,
    kind: str,
    *,
    patterns: Sequence[str] = (),
    count_frames: Callable[[Sequence[Path]], Sequence[int]] | None = None,
) -> Plan:
    """Jobs for photos and for all photos below folders; in ``out`` the tree below each folder is kept.

    kind: of the results, such as "png". patterns: of names, or of paths below a folder where they have a slash; a photo
    must fit one. count_frames: given, every frame of a file has a job of its own; it tells how many there are. The same
    files give the same names, in any order. Raises UsageError for a source that is missing or empty, or that would be
    written over.
    """
    if out.suffix.lower() in FORMATS and not out.is_dir():
        raise UsageError(f"--out {out} looks like a picture's name; it must be a folder for the results.")
    found, places = Plan(), list[tuple[Path, Path]]()
    for source in sources:
        if source.is_dir():
            below = list(_below(source, out, patterns, found))
            if not below and not found.failed:
                wanted = f" that fit {' or '.join(patterns)}" if patterns else ""
                raise UsageError(f"{source} holds no pictures{wanted}.")
            places += [(path, path.relative_to(source)) for path in below]
        elif source.exists() or source.is_symlink():
            places.append((source, Path(source.name)))
        else:
            raise UsageError(f"{source} does not exist.")
    counts = count_frames([path for path, _ in places]) if count_frames else [1] * len(places)
    framed = []
    for (path, place), count in zip(places, counts, strict=True):
        if count > MOST_FRAMES:
            found.failed.append((path, f"holds {count} pictures; at most {MOST_FRAMES} are taken from one file."))
        else:
            framed += [(path, place, frame, count) for frame in range(count)]
    names = _targets([(place, frame, count) for _, place, frame, count in framed], kind)
    found.jobs = [Job(path, out / name, frame) for (path, _, frame, _), name in zip(framed, names, strict=True)]
    _keep_sources(found.jobs)
    return found


def _below(root: Path, out: Path, patterns: Sequence[str], found: Plan) -> Iterator[Path]:
    """The pictures of a folder, sorted; what is hidden, and what is in ``out``, is left out without a word."""
    inside, home = out.resolve(), root.resolve()
    if inside == home:
        raise UsageError(f"{root} is also --out: results would lie among the sources. Choose another --out.")

    def unlisted(error: OSError) -> None:
        found.failed.append((Path(error.filename), f"its files cannot be listed: {error.strerror}"))

    paths = []
    for place, folders, names in os.walk(root, onerror=unlisted):
        here = home / Path(place).relative_to(root)
        ours = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_OURS)
        folders[:] = [name for name in ours if here / name != inside and not _is_link(Path(place, name), home, found)]
        wanted = (Path(place, name) for name in names if not name.startswith("."))
        wanted = (path for path in wanted if _fits(path.relative_to(root), patterns))
        for path in wanted:
            if path.suffix.lower() in FORMATS | HEIC:
                paths.append(path)
            elif is_clip(path):
                found.skipped.append((path, "is a clip: name it, and it is translated"))
    for path in sorted(paths):
        if path.is_symlink() and path.exists() and home not in path.resolve().parents:
            found.skipped.append((path, f"is a link that leads out of {root}"))
        else:
            yield path


def _is_link(folder: Path, home: Path, found: Plan) -> bool:
    if not folder.is_symlink():
        return False
    inside = home in folder.resolve().parents
    reason = "what it leads to is converted where it lies" if inside else "leads out of the folder"
    found.skipped.append((folder, f"is a link to a folder: {reason}"))
    return True


def _fits(place: Path, patterns: Sequence[str]) -> bool:
    return not patterns or any(
        fnmatchcase(place.as_posix() if "/" in pattern else place.name, pattern) for pattern in patterns
    )


def _targets(places: Sequence[tuple[Path, int, int]], kind: str) -> list[Path]:
    """One output for each place: its own name with the new suffix; where two would share it, after the old one.

    ``a.jpg`` and ``a.png`` become ``a.jpg.png`` and ``a.png.png``; equal names of several sources are numbered.
    The second frame of twelve of ``a.gif`` becomes ``a.002.png``. Names that differ in case alone are taken as equal.
    """
    tails = [f".{kind}" if n == 1 else f".{frame + 1:0{max(3, len(str(n)))}}.{kind}" for _, frame, n in places]
    plain = [_named(place, place.stem, tail) for (place, *_), tail in zip(places, tails, strict=True)]
    counts = Counter(map(_key, plain))
    taken = {_key(parent) for place, _, _ in places for parent in place.parents}  # where a folder will be
    chosen = []
    for (place, *_), target, tail in zip(places, plain, tails, strict=True):
        stem, number = place.stem, 2
        if counts[_key(target)] > 1 or _key(target) in taken:
            stem = place.name
            target = _named(place, stem, tail)
        while _key(target) in taken:
            target = _named(place, stem, f"-{number}{tail}")
            number += 1
        taken.add(_key(target))
        chosen.append(target)
    return chosen


def _named(place: Path, stem: str, tail: str) -> Path:
    """A name beside ``place``, its stem cut short where a disk would not take it."""
    while len(os.fsencode(stem + tail)) > LONGEST_NAME:
        stem = stem[:-1]
    return place.with_name(stem + tail)


def _key(path: Path) -> str:
    """What is equal for paths that some disk takes for one."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _keep_sources(jobs: Sequence[Job]) -> None:
    """Raise UsageError where a result would be written over a source."""
    folders: dict[Path, Path] = {}

    def real(path: Path) -> Path:
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        return folders[path.parent] / path.name

    originals = {place for job in jobs for place in (real(job.source), job.source.resolve())}
    for job in jobs:
        if real(job.target) in originals:
            raise UsageError(
                f"{job.source} would be written over {job.target}, which is a source. Choose another --out."
            )
