"""Plan a conversion: find the sources, name the targets, and check them before anything is read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from i2i.checkpoints.model_file import list_models
from i2i.convert.ignored import NO_IMAGE, is_raw, is_system_file, reason_to_ignore, summarize_ignored
from i2i.convert.naming import Frame, output_names
from i2i.convert.records import read_owners
from i2i.errors import UsageError
from i2i.images import IMAGE_SUFFIXES
from i2i.images.files import describe_missing
from i2i.images.folders import real_path, walk_folder
from i2i.images.formats import ARRAY_SUFFIXES, HEIC_SUFFIXES
from i2i.images.stacks import StackPattern, stack_files

MAX_FRAMES = 10_000  # of one file
VIDEO_SUFFIXES = {
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv", ".flv", ".3gp",
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """An image to convert.

    Attributes:
        source: its file.
        target: the file of the result.
        frame: index of the image within its file, from 0.
        frame_count: number of images, from ``frame`` on, that go into one result: an animation, or pages.
    """

    source: Path
    target: Path
    frame: int = 0
    frame_count: int = 1


@dataclass
class Plan:
    """The jobs of a conversion; path and reason of everything that is skipped or cannot be converted.

    Attributes:
        jobs: the images to convert.
        skipped: files that are left as they are.
        failed: files that were asked for and cannot be converted.
        folders: the sources that are folders.
        is_named: whether the user named the file of the only result, so that no manifest is written beside it.
    """

    jobs: list[Job] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    is_named: bool = False
    folders: list[Path] = field(default_factory=list)


def is_video(path: Path) -> bool:
    """Return whether a path has the suffix of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def video_jobs(sources: Sequence[Path], out: Path) -> list[Job]:
    """Return a job for each video. Its target is ``out`` if that is the name of a video, else a file below ``out``.

    Raises: UsageError if a video does not exist, if two have the same name, or if ``out`` is the name of a video and
        there is not exactly one source.
    """
    for source in sources:
        if is_video(source) and not source.exists():
            raise UsageError(describe_missing(source))
    if is_video(out) and not out.is_dir():
        if len(sources) != 1 or not is_video(sources[0]):
            raise UsageError(
                f"--out {out} is the name of a video, which needs exactly one video as source: use a folder as --out."
            )
        return [Job(sources[0], out)]
    jobs = [Job(source, out / source.name) for source in sources if is_video(source) and not source.is_dir()]
    if len({job.target for job in jobs}) < len(jobs):
        raise UsageError("Two videos have the same name: convert them one by one.")
    return jobs


def make_plan(
    sources: Sequence[Path],
    out: Path,
    kind: str,
    *,
    patterns: Sequence[str] = (),
    count_frames: Callable[[Sequence[Path]], Sequence[int]] | None = None,
    is_joined: Callable[[Path], bool] = lambda path: False,
    stack: StackPattern | None = None,
) -> Plan:
    """Plan the conversion of images, and of all images below folders. The tree below each folder is kept.

    See ``naming`` for the names of the results.

    Args:
        sources: files and folders.
        out: folder for the results; or the name of an image, for a single photo.
        kind: file format of the results, such as "png".
        patterns: an image in a folder must match one of these. A pattern with a slash is matched with the path below
            the folder, any other with the name.
        count_frames: returns the number of frames of each file; None plans the first frame.
        is_joined: returns whether all frames of a file go into one result; else each gets its own.
        stack: the files in folders that form one image. One that lacks a file gets a job, which fails.

    Raises: UsageError if a source is missing, holds no images, or would be overwritten; or if ``out`` is the name of an
        image and there is not exactly one photo.
    """
    plan = Plan(is_named=is_image_name(out), folders=[source for source in sources if source.is_dir()])
    files: dict[tuple[Path, Path], tuple[Path, Path]] = {}  # each once, also if it is named twice
    for source in sources:
        for path, relative in _source_files(source, out, patterns, plan, stack):
            files.setdefault((path.absolute(), relative), (path, relative))
    frames = _list_frames(list(files.values()), count_frames, is_joined, plan)
    if plan.is_named:
        plan.jobs = [_named_job(sources, frames, out)] if frames else []
    else:
        names = output_names(frames, kind, read_owners(out))
        plan.jobs = [
            Job(frame.source, out / name, frame.index, frame.frame_count)
            for frame, name in zip(frames, names, strict=True)
        ]
    _forbid_overwriting_sources(plan.jobs)
    return plan


def is_image_name(out: Path) -> bool:
    """Return whether ``--out`` names an image, instead of a folder."""
    return out.suffix.lower() in IMAGE_SUFFIXES | HEIC_SUFFIXES | ARRAY_SUFFIXES and not out.is_dir()


def _named_job(sources: Sequence[Path], frames: Sequence[Frame], out: Path) -> Job:
    """Return the job whose result is the image ``out``. Raises UsageError if there is not exactly one photo."""
    if len(sources) == 1 and len(frames) == 1 and not sources[0].is_dir():
        return Job(frames[0].source, out, frames[0].index, frames[0].frame_count)
    found = f"{len(frames)} frames" if len(sources) == 1 and not sources[0].is_dir() else f"{len(sources)} sources"
    if len(sources) == 1 and sources[0].is_dir():
        found = f"the folder {sources[0]}"
    raise UsageError(
        f"--out {out} is the name of an image, which takes one photo; found {found}. Use a folder as --out."
    )


def _source_files(
    source: Path, out: Path, patterns: Sequence[str], plan: Plan, stack: StackPattern | None
) -> list[tuple[Path, Path]]:
    """Return the images of a source, each with its path below the source."""
    if source.is_dir():
        paths = _join_stacks(list(_walk_images(source, out, patterns, plan, stack)), plan, stack)
        if not paths and not plan.failed:
            condition = f" that match {' or '.join(patterns)}" if patterns else ""
            ignored = [(path, reason) for path, reason in plan.skipped if reason.startswith(NO_IMAGE)]
            others = f" It holds {summarize_ignored(ignored)}." if ignored else ""
            videos = [path for path, _ in plan.skipped if is_video(path) and source in path.parents]
            if videos:
                others += f" Name its videos one by one, such as {videos[0]}; it holds {len(videos)}."
            raise UsageError(f"{source} holds no images{condition}.{others}")
        return [(path, path.relative_to(source)) for path in paths]
    if is_raw(source) and source.exists():
        plan.failed.append((source, reason_to_ignore(source) or ""))
        return []
    if source.exists() or source.is_symlink() or any(file.exists() for file in stack_files(source)):
        return [(source, Path(source.name))]
    hint = (
        " A model of this name exists: the model is named first, then its sources."
        if str(source) in list_models()
        else ""
    )
    raise UsageError(f"{describe_missing(source)}{hint}")


def _join_stacks(paths: list[Path], plan: Plan, stack: StackPattern | None) -> list[Path]:
    """Return the images of a folder, with stacks in place of their files. Other files beside stacks are skipped."""
    if stack is None:
        return paths
    images = stack.join(paths)
    used = {file for image in images for file in stack_files(image) or [image]}
    plan.skipped += [(path, f"belongs to no stack '{stack.text}'") for path in paths if path not in used]
    return images


def _list_frames(
    files: Sequence[tuple[Path, Path]],
    count_frames: Callable[[Sequence[Path]], Sequence[int]] | None,
    is_joined: Callable[[Path], bool],
    plan: Plan,
) -> list[Frame]:
    counts = count_frames([path for path, _ in files]) if count_frames else [1] * len(files)
    frames: list[Frame] = []
    for (path, relative), count in zip(files, counts, strict=True):
        if count > MAX_FRAMES:
            plan.failed.append((path, f"holds {count} images; at most {MAX_FRAMES} of one file are converted."))
        elif is_joined(path):
            frames.append(Frame(path, relative, 0, 1, frame_count=count))
        else:
            frames += [Frame(path, relative, index, count) for index in range(count)]
    return frames


def _walk_images(
    root: Path, out: Path, patterns: Sequence[str], plan: Plan, stack: StackPattern | None
) -> Iterator[Path]:
    """Yield the images of a folder, sorted. Hidden files and everything in ``out`` are left out silently."""
    if real_path(out) == real_path(root):
        raise UsageError(f"{root} is also --out: results would be mixed with the sources. Choose another --out.")
    listing = walk_folder(root, excluded=out)
    plan.skipped += listing.skipped
    plan.failed += listing.failed
    holds_arrays = not any(path.suffix.lower() in IMAGE_SUFFIXES for path in listing.files)
    for path in listing.files:
        relative = path.relative_to(root)
        if is_system_file(path) or not any(matches(name, patterns) for name in _names_of_image(relative, stack)):
            continue
        if is_video(path):
            plan.skipped.append((path, "is a video: name it as a source to convert it"))
        elif path.suffix.lower() in ARRAY_SUFFIXES and not holds_arrays:
            plan.skipped.append((path, f"{NO_IMAGE}an array of NumPy beside images; name it as a source to convert it"))
        elif (
            path.suffix.lower() in IMAGE_SUFFIXES | HEIC_SUFFIXES | ARRAY_SUFFIXES
            or (reason := reason_to_ignore(path)) is None
        ):
            yield path
        else:
            plan.skipped.append((path, reason))


def _names_of_image(relative: Path, stack: StackPattern | None) -> list[Path]:
    """Return the names that a pattern may match: that of the file, and of the files of its stack if it has one."""
    stem = stack.stem(relative.name) if stack is not None else None
    if stack is None or stem is None:
        return [relative]
    return [relative.with_name(name) for name in (stack.path_name(stem), *stack.names(stem))]


def matches(relative: Path, patterns: Sequence[str]) -> bool:
    """Return whether a path below a source matches one of the patterns, or there are none."""
    return not patterns or any(
        fnmatchcase(relative.as_posix() if "/" in pattern else relative.name, pattern) for pattern in patterns
    )


def _forbid_overwriting_sources(jobs: Sequence[Job]) -> None:
    """Raise UsageError if a target is a source."""
    real_folders: dict[Path, Path] = {}

    def in_real_folder(path: Path) -> Path:
        if path.parent not in real_folders:
            real_folders[path.parent] = real_path(path.parent)
        return real_folders[path.parent] / path.name

    originals = {path for job in jobs for path in (in_real_folder(job.source), real_path(job.source))}
    for job in jobs:
        if in_real_folder(job.target) in originals:
            raise UsageError(
                f"{job.source} would be written over {job.target}, which is a source. Choose another --out."
            )
