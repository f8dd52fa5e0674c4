"""The translation of images that are planned: read, translate, encode and deliver, whatever keeps the results."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from i2i.convert.channels import ChannelReader
from i2i.convert.interfaces import BatchTranslator, ImageReader, prepared_reader
from i2i.convert.pipeline import Pipeline, Progress, WorkItem
from i2i.convert.plan import Job
from i2i.convert.sequences import FrameCollector, check_sequence_pixels, loses_times
from i2i.convert.shared_ranges import PlanRanges, RangedReader
from i2i.errors import ImageError
from i2i.images import Writer
from i2i.images.channel_writing import ChannelWriter
from i2i.inference.compositing import compose
from i2i.inference.masks import MaskedPhoto

ALL_FRAMES_ADVICE = " (--frames all takes them)"


@dataclass
class Outcome:
    """What became of the jobs of a translation.

    Attributes:
        converted: the jobs with a result.
        failed: the jobs without one, with the reason.
        notices: source and a sentence about what of it is missing in its result.
        stopped: whether the user interrupted.
    """

    converted: list[Job] = field(default_factory=list)
    failed: list[tuple[Job, str]] = field(default_factory=list)
    notices: list[tuple[Path, str]] = field(default_factory=list)
    stopped: bool = False


def reader_for(reader: ImageReader, translator: BatchTranslator) -> ImageReader:
    """Return the reader for the images that a translator takes: pictures, or images of other channels."""
    return ChannelReader(reader, translator) if getattr(translator, "takes_channels", False) else reader


def states_range(translator: BatchTranslator) -> bool:
    """Return whether the user has stated the value range of the images with the translator."""
    return getattr(getattr(translator, "options", None), "value_range", None) is not None


class Translation:
    """Reads, translates and encodes images.

    Args:
        translator: translates batches.
        reader: from ``reader_for``.
        ranges: black and white of the images.
        writer: encodes the results.
        is_stated: whether the user states the known ranges.
        batch_size: images of one padded size that are translated together; 0: the translator's preferred batch size.
        max_side: images with a longer side are downscaled to this many pixels first; None to keep their size.
    """

    def __init__(
        self,
        translator: BatchTranslator,
        reader: ImageReader,
        ranges: PlanRanges,
        writer: Writer | ChannelWriter,
        *,
        is_stated: bool = False,
        batch_size: int = 0,
        max_side: int | None = None,
    ) -> None:
        self.translator = translator
        self.writer = writer
        self.batch_size = batch_size
        self.ranged = RangedReader(reader, ranges, is_stated=is_stated)
        self._reader = prepared_reader(self.ranged, translator, max_side, deep=writer.deep)

    def run(
        self,
        jobs: Sequence[Job],
        deliver: Callable[[Job, bytes], None],
        *,
        planned: Sequence[Job] | None = None,
        progress: Progress = lambda done, failed, total: None,
    ) -> Outcome:
        """Translate the images of jobs. A bad file does not stop the others.

        Args:
            jobs: the jobs.
            deliver: keeps the encoded result of a job. Called in several threads. If it raises, the job has failed.
            planned: all jobs of the plan that these are a part of; None if they are all.
            progress: called in the calling thread, first with 0 files done.
        """
        outcome = Outcome()
        jobs = [job for job in jobs if self._fits_memory(job, outcome)]
        job_of = {WorkItem(job.source, job.frame + i): job for job in jobs for i in range(job.frame_count)}
        items = list(job_of)
        collector = FrameCollector()

        def write(item: WorkItem, image: Image.Image) -> None:
            job = job_of[item]
            source = item.image
            if source is not None and (isinstance(source, MaskedPhoto) or source.kept is not None):
                image = compose(image, source)
                source = replace(source, alpha=None)  # the result has the transparency that it needs
            if job.frame_count == 1 or isinstance(self.writer, ChannelWriter):
                deliver(job, self.writer(image, source))
            elif frames := collector.add(job, item.frame, image, source):
                deliver(job, self.writer.encode_frames(frames))

        try:
            Pipeline(self.translator, items, self._reader, write, self.batch_size, progress).run()
        except KeyboardInterrupt:
            outcome.stopped = True
        advice = "" if isinstance(self.writer, ChannelWriter) else ALL_FRAMES_ADVICE
        outcome.notices = _notices_of_left_frames(jobs if planned is None else planned, items, advice)
        outcome.notices += [
            (job.source, f"the times of its {job.frame_count} frames are left out: tif does not hold them")
            for job in jobs
            if loses_times(job)
        ]
        _add_outcomes(outcome, job_of)
        return outcome

    def _fits_memory(self, job: Job, outcome: Outcome) -> bool:
        """Return whether the frames of a job fit the memory together. If not, the job is added to the failed ones."""
        if job.frame_count == 1:
            return True
        try:
            check_sequence_pixels(job, self.ranged.probe(job.source)[0], self.translator.scale)
        except ImageError as error:
            outcome.failed.append((job, str(error)))
            return False
        return True


def _add_outcomes(outcome: Outcome, job_of: Mapping[WorkItem, Job]) -> None:
    """Add the jobs that are converted or failed. A job fails with the reason of its first frame that failed."""
    items_of: dict[Job, list[WorkItem]] = {}
    for item, job in job_of.items():
        items_of.setdefault(job, []).append(item)
    for job, items in items_of.items():
        failed = [item for item in items if item.state == "failed"]
        if failed:
            outcome.failed.append((job, failed[0].reason))
        elif all(item.state == "converted" for item in items):
            outcome.converted.append(job)


def _notices_of_left_frames(jobs: Sequence[Job], items: Sequence[WorkItem], advice: str) -> list[tuple[Path, str]]:
    """Return a notice for each converted file that holds more images than the jobs take of it."""
    taken = Counter({job.source: 0 for job in jobs})
    for job in jobs:
        taken[job.source] += job.frame_count
    return [
        (item.source, f"{item.frame_count - 1} of {item.frame_count} frames or pages are left out{advice}")
        for item in items
        if item.state == "converted" and taken[item.source] == 1 < item.frame_count
    ]
