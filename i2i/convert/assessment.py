"""Measurements of the photos of a conversion: made in the decoder processes, or taken from the manifest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from i2i.convert.interfaces import ImageReader
from i2i.convert.manifest import Manifest
from i2i.convert.options import ConvertOptions, inference_options
from i2i.convert.pipeline import io_threads
from i2i.convert.plan import Job, Plan
from i2i.convert.records import read_records
from i2i.convert.shared_ranges import PlanRanges
from i2i.errors import ImageError
from i2i.images.downscale import downscale
from i2i.images.quality import PhotoQuality
from i2i.images.value_range import ranges_to_json

if TYPE_CHECKING:
    from i2i.inference.auto import Step, Trial
    from i2i.inference.auto.steps import TryModel

REMARK = "auto"  # key of the measurements and the choice in a line of the manifest
ESTIMATOR_VERSION = 2  # increased when the same photo gets other measurements
Report = Callable[[int, int], None]  # called with the number of photos measured, and in total


@dataclass(frozen=True)
class Measurements:
    """What the manifest holds of a photo.

    Attributes:
        quality: of the photo.
        trial: of a denoising model, if it was tried.
    """

    quality: PhotoQuality
    trial: "Trial | None"


def measure_jobs(
    plan: Plan,
    options: ConvertOptions,
    reader: ImageReader,
    ranges: PlanRanges,
    progress: Report,
    known: Mapping[Job, Measurements],
) -> dict[Job, PhotoQuality | ImageError]:
    """Return the quality of the image of each job, or why it cannot be read.

    Those that are not in ``known`` are measured, in several decoder processes.
    """
    missing = [job for job in plan.jobs if job not in known]

    def measure(job: Job) -> PhotoQuality | ImageError:
        try:
            return reader.assess(
                job.source, job.frame, ranges=ranges.by_source.get(job.source), max_side=options.max_side
            )
        except ImageError as error:
            return error

    measured: dict[Job, PhotoQuality | ImageError] = {}
    progress(0, len(missing))
    pool = ThreadPoolExecutor(io_threads(), "i2i-measure")
    try:
        for job, quality in zip(missing, pool.map(measure, missing), strict=True):
            measured[job] = quality
            progress(len(measured), len(missing))
    except BaseException:
        reader.close()  # the pool waits for its threads, and they wait for the reader
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return {job: known[job].quality if job in known else measured[job] for job in plan.jobs}


class Trials:
    """Tries denoising models on the photos of a conversion.

    Args:
        options: of the conversion.
        reader: reads the photos.
    """

    def __init__(self, options: ConvertOptions, reader: ImageReader) -> None:
        from i2i.inference.auto.trial import TrialTranslators

        self._options = options
        self._reader = reader
        self._translators = TrialTranslators(inference_options(options))

    def of(self, job: Job, ranges: PlanRanges, known: "Trial | None") -> "TryModel":
        """Return a function that tries a model on the image of a job, unless ``known`` is the trial of this model.

        It raises ImageError if the file cannot be read.
        """

        def try_model(step: "Step") -> "Trial":
            if known is not None and known.model == step.name:
                return known
            loaded = self._reader.read(job.source, job.frame, ranges=ranges.by_source.get(job.source))
            max_side = self._options.max_side
            return self._translators(step, loaded if max_side is None else downscale(loaded, max_side))

        return try_model


def recorded_measurements(plan: Plan, options: ConvertOptions, ranges: PlanRanges) -> dict[Job, Measurements]:
    """Return the measurements in the manifest of the images that have not changed since."""
    if plan.is_named:
        return {}
    rows_by_output = read_records(options.out).rows_by_output
    manifest = Manifest(options.out, "")
    found = {}
    for job in plan.jobs:
        rows = rows_by_output.get(job.target.relative_to(options.out).as_posix(), [])
        fingerprint = manifest.fingerprint(job) if rows else None
        for row in reversed(rows):
            measurements = _recorded(row, fingerprint, measured_of(job, options, ranges))
            if measurements is not None:
                found[job] = measurements
                break
    return found


def measured_of(job: Job, options: ConvertOptions, ranges: PlanRanges) -> list[Any]:
    """Return what the measurements of a job depend on besides its file."""
    return [ESTIMATOR_VERSION, options.max_side, ranges_to_json(ranges.by_source.get(job.source, {}))]


def _recorded(row: Mapping[str, Any], fingerprint: Mapping[str, Any] | None, of: Any) -> Measurements | None:
    """Return the measurements of a line of the manifest if they are of the same file; else None."""
    from i2i.inference.auto import Trial

    remark = row.get(REMARK)
    same_file = fingerprint is not None and all(row.get(key) == fingerprint[key] for key in ("from", "source"))
    if not same_file or not isinstance(remark, Mapping) or remark.get("of") != of:
        return None
    try:
        trial = remark["trial"]
        return Measurements(
            PhotoQuality.from_json(remark["measured"]),
            None if trial is None else Trial(str(trial["model"]), float(trial["removed"])),
        )
    except (KeyError, TypeError, ValueError):
        return None
