"""Convert files and folders of images with a translator."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from i2i.convert.interfaces import BatchTranslator, ImageReader, SingleImageAdapter
from i2i.convert.manifest import Manifest, NoManifest
from i2i.convert.pending import ExistingPolicy, Remarks, open_manifest, pending_jobs
from i2i.convert.pipeline import Progress, io_threads
from i2i.convert.plan import Job, Plan, make_plan
from i2i.convert.sequences import Frames, fits_one_result
from i2i.convert.shared_ranges import PlanRanges
from i2i.convert.shared_ranges import plan_ranges as find_plan_ranges
from i2i.convert.translation import Translation, reader_for, states_range
from i2i.errors import I2IError, ImageError, io_errors
from i2i.images import DecoderPool, Writer
from i2i.images.channel_writing import ChannelWriter
from i2i.images.files import remove_unfinished
from i2i.images.folders import real_path
from i2i.images.value_range import ValueRanges

if TYPE_CHECKING:
    from i2i.inference.auto import Choice

OutputFormat = Literal["png", "jpg", "webp", "avif", "tif", "gif", "npy"]


@dataclass(repr=False)
class Result:
    """The outcome of a conversion, in the order of the jobs.

    Attributes:
        converted: source and target of each converted image.
        skipped: source, target (None if there is no job for the source) and reason.
        failed: source and reason.
        notices: source and a sentence about what of it is missing or changed in its result.
        seconds: duration.
        stopped: whether the user interrupted the conversion.
        planned: source and target of each image that a dry run would convert.
        choices: source and choice of each image for which ``auto`` chose a model.
    """

    converted: list[tuple[Path, Path]] = field(default_factory=list)
    skipped: list[tuple[Path, Path | None, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    notices: list[tuple[Path, str]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False
    planned: list[tuple[Path, Path]] = field(default_factory=list)
    choices: list[tuple[Path, "Choice"]] = field(default_factory=list)

    def __repr__(self) -> str:
        planned = f"{len(self.planned)} planned, " if self.planned else ""
        counts = f"{len(self.converted)} converted, {len(self.skipped)} skipped, {len(self.failed)} failed"
        return f"<Result: {planned}{counts}>"

    def __add__(self, other: "Result") -> "Result":
        return Result(
            self.converted + other.converted,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self.notices + other.notices,
            self.seconds + other.seconds,
            self.stopped or other.stopped,
            self.planned + other.planned,
            self.choices + other.choices,
        )


def convert(
    translate: BatchTranslator | Callable[[Image.Image], Image.Image],
    sources: Sequence[Path],
    out: Path,
    *,
    kind: OutputFormat = "png",
    frames: Frames = "first",
    overwrite: bool = False,
    batch_size: int = 0,
    reader: ImageReader | None = None,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """Convert images, and all images below folders, into ``out``. The tree below each folder is kept.

    A bad file does not stop the conversion. Source files are never written to.

    Args:
        translate: a translator, or a function from image to image.
        sources: files and folders.
        out: folder for the results.
        kind: file format of the results.
        frames: the frames of animations and pages of documents to convert: "first"; "all", into one result where the
            format holds them; or "each" into its own result.
        overwrite: whether existing results are converted again; otherwise see "continue" in ``convert_jobs``.
        batch_size: see ``convert_jobs``.
        reader: see ``convert_jobs``.
        progress: see ``convert_jobs``.

    Raises: UsageError if a source does not exist or holds no images; KeyboardInterrupt if the user interrupts.
    """
    existing: ExistingPolicy = "overwrite" if overwrite else "continue"
    translator = translate if isinstance(translate, BatchTranslator) else SingleImageAdapter(translate)
    takes_channels = getattr(translator, "takes_channels", False)
    writer = (ChannelWriter if takes_channels else Writer)(suffix=f".{kind}", provenance=translator.provenance)
    with ExitStack() as stack:
        if reader is None:
            reader = stack.enter_context(DecoderPool(io_threads()))
        frame_counter = partial(count_frames, reader=reader) if frames != "first" else None
        plan = make_plan(
            sources,
            out,
            kind,
            count_frames=frame_counter,
            is_joined=lambda path: frames == "all" and fits_one_result(path, kind),
        )
        result = convert_jobs(
            translator, plan, out, writer=writer, existing=existing, batch_size=batch_size, reader=reader,
            progress=progress,
        )  # fmt: skip
    if result.stopped:
        raise KeyboardInterrupt
    return result


def convert_jobs(
    translate: BatchTranslator | Callable[[Image.Image], Image.Image],
    plan: Plan,
    out: Path,
    *,
    writer: Writer | ChannelWriter,
    settings_hash: str = "",
    existing: ExistingPolicy = "continue",
    batch_size: int = 0,
    max_side: int | None = None,
    value_ranges: ValueRanges | None = None,
    plan_ranges: PlanRanges | None = None,
    remarks: Remarks | None = None,
    reader: ImageReader | None = None,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """Convert the images of a plan.

    Threads read and write files while ``translate`` runs in the calling thread.

    Args:
        translate: a translator, or a function from image to image.
        plan: from ``make_plan``.
        out: folder for the results and their manifest.
        writer: encodes the results.
        settings_hash: identifies model and settings; results of other settings are outdated. By default all results
            have equal settings.
        existing: "continue" skips results that are up to date, "skip" all results that exist, "overwrite" none.
        batch_size: images of one padded size that are translated together; 0: the translator's preferred batch size.
        max_side: images with a longer side are downscaled to this many pixels before they are translated; None to keep
            their size.
        value_ranges: black and white by sample type; None for those of the translator. Images of other types share a
            range with their folder.
        plan_ranges: black and white of each image of the plan, if they are known already.
        remarks: see ``Manifest``.
        reader: reads the images; by default a ``DecoderPool``.
        progress: called in the calling thread, first with 0 files done.
    """
    start = time.monotonic()
    skipped: list[tuple[Path, Path | None, str]] = [(path, None, reason) for path, reason in plan.skipped]
    result = Result(failed=list(plan.failed), skipped=skipped)
    translator = translate if isinstance(translate, BatchTranslator) else SingleImageAdapter(translate)
    with ExitStack() as stack:
        if reader is None:
            reader = stack.enter_context(DecoderPool(io_threads()))
        reader = reader_for(reader, translator)
        known = getattr(translate, "value_ranges", {}) if value_ranges is None else value_ranges
        ranges = plan_ranges or find_plan_ranges(plan, reader, known)
        manifest = open_manifest(plan, out, ranges.settings_hash(settings_hash), remarks)
        stack.enter_context(manifest)
        remove_unfinished({job.target.parent for job in plan.jobs})
        jobs = pending_jobs(plan.jobs, manifest, existing, result)
        fingerprints = {job: manifest.fingerprint(job) for job in jobs}  # before the sources are read
        translation = Translation(
            translator, reader, ranges, writer, is_stated=value_ranges is not None or states_range(translator),
            batch_size=batch_size, max_side=max_side,
        )  # fmt: skip
        outcome = translation.run(
            jobs,
            lambda job, data: _write(job, data, fingerprints[job], manifest),
            planned=plan.jobs,
            progress=progress,
        )
    result.converted = [(job.source, job.target) for job in outcome.converted]
    result.failed += [(job.source, reason) for job, reason in outcome.failed]
    result.notices = [*outcome.notices, *ranges.notices, *translation.ranged.notices()]
    result.stopped = outcome.stopped
    result.seconds = time.monotonic() - start
    return result


def count_frames(paths: Sequence[Path], reader: ImageReader) -> list[int]:
    """Count the images of each file. A file that cannot be read counts as 1; the conversion reports it."""

    def count(path: Path) -> int:
        try:
            return reader.probe(path)[1]
        except ImageError:
            return 1

    pool = ThreadPoolExecutor(io_threads(), "i2i-count")
    try:
        return list(pool.map(count, paths))
    except BaseException:
        reader.close()  # the pool waits for its threads, and they wait for the reader
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _write(job: Job, data: bytes, fingerprint: Any, manifest: Manifest | NoManifest) -> None:
    with io_errors(job.target):
        job.target.parent.mkdir(parents=True, exist_ok=True)
        out = real_path(manifest.out)
        folder = real_path(job.target.parent)
        if folder != out and out not in folder.parents:
            raise I2IError(f"{job.target} would be outside of {manifest.out}: one of its parent folders is a link.")
        manifest.write(job, data, fingerprint)
