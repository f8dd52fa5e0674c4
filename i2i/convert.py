"""Folders of pictures through a translator."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image

from i2i.data.folders import pictures
from i2i.errors import UsageError
from i2i.images import FORMATS
from i2i.pipeline import Batched, OneByOne, Pipeline, Progress, Task

Format = Literal["png", "jpg", "webp"]
Job = tuple[Path, Path]  # a source, and where its translation goes


@dataclass
class Result:
    """What became of every source of a batch, in the order of the jobs."""

    converted: list[tuple[Path, Path]] = field(default_factory=list)
    skipped: list[tuple[Path, Path]] = field(default_factory=list)  # the output was there already
    failed: list[tuple[Path, str]] = field(default_factory=list)


def convert(
    translate: Batched | Callable[[Image.Image], Image.Image],
    sources: Sequence[Path],
    out: Path,
    *,
    kind: Format = "png",
    overwrite: bool = False,
    batch: int = 0,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """Translate photos, and all photos below folders, into ``out``; the tree below each folder is kept.

    One bad file does not stop the rest. An output that exists is skipped unless ``overwrite``; a source is never
    written to. Raises UsageError where a source does not exist or holds no pictures. See ``convert_jobs``.
    """
    return convert_jobs(translate, plan(sources, out, kind), overwrite=overwrite, batch=batch, progress=progress)


def convert_jobs(
    translate: Batched | Callable[[Image.Image], Image.Image],
    jobs: Sequence[Job],
    *,
    overwrite: bool = False,
    batch: int = 0,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """As ``convert``, of what ``plan`` gave.

    Files are read and written in threads while ``translate`` runs in the calling one. batch: pictures of one size that
    go through a ``Batched`` together; 0 leaves it to ``at_once``. progress: is called in the calling thread, first
    with 0 done.
    """
    able = translate if isinstance(translate, Batched) else OneByOne(translate)
    tasks = [Task(source, target) for source, target in jobs]
    Pipeline(able, tasks, overwrite, batch, progress).run()
    return Result(
        [(task.source, task.target) for task in tasks if task.state == "converted"],
        [(task.source, task.target) for task in tasks if task.state == "skipped"],
        [(task.source, task.reason) for task in tasks if task.state == "failed"],
    )


def plan(sources: Sequence[Path], out: Path, kind: Format) -> list[Job]:
    """Which file goes where. Raises UsageError for a source that is missing or empty, or would be overwritten."""
    found: list[tuple[Path, Path]] = []  # the file, and its place below ``out``
    inside = out.resolve()
    if out.suffix.lower() in FORMATS and not out.is_dir():
        raise UsageError(f"--out {out} looks like a picture's name; it must be a folder for the results.")
    for source in sources:
        if source.is_dir():
            if inside == source.resolve():
                raise UsageError(f"{source} is also --out: results would lie among the sources. Choose another --out.")
            below = [path for path in pictures(source) if not _within(path, inside)]
            if not below:
                raise UsageError(f"{source} holds no pictures.")
            found += [(path, path.relative_to(source)) for path in below]
        elif source.exists() or source.is_symlink():
            found.append((source, Path(source.name)))
        else:
            raise UsageError(f"{source} does not exist.")
    targets = _targets([place for _, place in found], kind)
    jobs = [(source, out / target) for (source, _), target in zip(found, targets, strict=True)]
    originals = {source.resolve() for source, _ in jobs}
    for source, target in jobs:
        if target.resolve() in originals:
            raise UsageError(f"{source} would be written over {target}, which is a source. Choose another --out.")
    return jobs


def _within(path: Path, folder: Path) -> bool:
    return folder in path.resolve().parents


def _targets(places: Sequence[Path], kind: str) -> list[Path]:
    """One output for each place: its own name with the new suffix; where two would share it, after the old one.

    ``a.jpg`` and ``a.png`` become ``a.jpg.png`` and ``a.png.png``; equal names of several sources are numbered.
    """
    plain = [place.with_suffix(f".{kind}") for place in places]
    counts = Counter(plain)
    taken: set[Path] = set()
    chosen = []
    for place, target in zip(places, plain, strict=True):
        if counts[target] > 1:
            target = place.with_name(f"{place.name}.{kind}")
        number, first = 2, target
        while target in taken:
            target = first.with_stem(f"{first.stem}-{number}")
            number += 1
        taken.add(target)
        chosen.append(target)
    return chosen
