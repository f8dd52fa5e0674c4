"""A conversion in which each photo gets the models that suit it: ``auto`` in place of a model.

Photos are measured first, in the decoder processes. Where noise is suspected, a denoising model is tried on parts of
the photo. Those with the same choice are then converted together, so that each model is loaded once. The manifest keeps
the measurements: a second run decodes no photo again, and chooses the same as long as photos and models stay the same.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from i2i.convert.api import Result
from i2i.convert.assessment import REMARK, Report, Trials, measure_jobs, measured_of, recorded_measurements
from i2i.convert.conversion import Conversion, decoder_pool, plan_images
from i2i.convert.options import ConvertOptions, inference_options, output_format
from i2i.convert.pipeline import Progress
from i2i.convert.plan import Job, Plan, video_jobs
from i2i.convert.shared_ranges import PlanRanges, plan_ranges
from i2i.device import disable_malloc_trim
from i2i.errors import ImageError, UsageError
from i2i.images import DecoderPool
from i2i.images.value_range import ValueRanges, ranges_to_json, stated_ranges

if TYPE_CHECKING:
    from i2i.inference.auto import Choice
    from i2i.inference.translator import Translator

AUTO = "auto"  # the name in place of a model


@contextmanager
def open_auto_conversion(options: ConvertOptions) -> "Iterator[AutoConversion]":
    """Find the photos and start the decoder processes, which stop at the end of the context.

    Raises: UsageError if a source does not exist or is a video, or if an option is of one model.
    """
    _check_options(options)
    options = replace(options, format=output_format(options.format, options.out))
    if videos := video_jobs(options.sources, options.out):
        raise UsageError(f"auto chooses models for photos; {videos[0].source} is a video. Name a model for it.")
    with decoder_pool(options) as reader:
        plan = plan_images(options, options.sources, reader)
        reader.start()
        yield AutoConversion(options, plan, reader)


def run_auto(options: ConvertOptions, progress: Progress, *, dry_run: bool = False, explain: bool = False) -> Result:
    """Convert, plan or explain with the models that suit each photo.

    Args:
        options: of the conversion.
        progress: called with the number of photos done, failed and in total.
        dry_run: whether to write nothing, and list as ``planned`` what would be converted.
        explain: whether to choose only.

    Raises: UsageError as ``open_auto_conversion`` does; KeyboardInterrupt if the user interrupts.
    """
    with open_auto_conversion(options) as conversion:
        if explain:
            return conversion.explain()
        result = conversion.pending() if dry_run else conversion.convert_images(progress)
    if result.stopped:
        raise KeyboardInterrupt
    return result


def _check_options(options: ConvertOptions) -> None:
    """Raise UsageError if the model is another one, or if an option is given that belongs to one model."""
    if options.model != AUTO:
        raise UsageError(f"--explain says what auto chooses, and the model is {options.model!r}: name auto instead.")
    given = {
        "--direction": options.direction,
        "--degradation-level": options.strength,
        "--mask": options.mask,
        "--texture-mask": options.texture_mask,
    }
    for flag, value in given.items():
        if value is not None:
            raise UsageError(f"auto chooses the model and takes no {flag}: omit it, or name a model.")


@dataclass
class Groups:
    """The jobs of a plan by their choice.

    Attributes:
        choices: by job.
        failed: source and reason of the photos that cannot be measured.
    """

    choices: dict[Job, "Choice"] = field(default_factory=dict)
    failed: list[tuple[Any, str]] = field(default_factory=list)

    def by_model(self) -> Iterator[tuple["Choice", list[Job]]]:
        """Yield one choice of each model or chain, with all jobs of it."""
        jobs_by_model: dict[str, list[Job]] = {}
        for job, choice in self.choices.items():
            jobs_by_model.setdefault(choice.model, []).append(job)
        for model in sorted(jobs_by_model):
            jobs = jobs_by_model[model]
            yield self.choices[jobs[0]], jobs


class AutoConversion:
    """A conversion that chooses the models; see ``open_auto_conversion``.

    Args:
        options: of the conversion.
        plan: the images.
        reader: reads and measures them.
    """

    def __init__(self, options: ConvertOptions, plan: Plan, reader: DecoderPool) -> None:
        from i2i.inference.auto import installed_models

        self._options = options
        self._plan = plan
        self._reader = reader
        self._models = installed_models()
        self._last = Groups()
        self._trials = Trials(options, reader)
        if options.protect is not None:
            self._models = [model for model in self._models if model.task.scale == 1]  # its masks fit no larger result
        stated = {} if options.value_range is None else stated_ranges(options.value_range)
        self._ranges = {_key(stated): plan_ranges(plan, reader, stated)}
        self._first_ranges = self._ranges[_key(stated)]

    def explain(self, progress: Report = lambda done, total: None) -> Result:
        """Choose for each photo, and convert none. The result has the choices, and the files that cannot be read."""
        groups = self._choose(progress)
        return replace(self._plan_result(), choices=_choices(groups), failed=[*self._plan.failed, *groups.failed])

    def pending(self, progress: Report = lambda done, total: None) -> Result:
        """Choose for each photo, and list as ``planned`` those that would be converted. Writes nothing."""
        result = self.explain(progress)
        for conversion in self._conversions(self._last):
            jobs, outcome = conversion.pending()
            result += replace(outcome, planned=[(job.source, job.target) for job in jobs])
        return result

    def convert_images(self, progress: Progress, on_measured: Report = lambda done, total: None) -> Result:
        """Choose for each photo, and convert all photos, model by model.

        Args:
            progress: called with the number of files done, failed and in total.
            on_measured: called while the photos are measured.
        """
        result = self.explain(on_measured)
        total, done = len(self._last.choices), 0
        for conversion in self._conversions(self._last):
            count, failed = conversion.job_count, len(result.failed)

            def report(now: int, lost: int, pending: int, done: int = done + count, failed: int = failed) -> None:
                progress(done - (pending - now), failed + lost, total)

            result += conversion.convert_images(report)
            done += count
            if result.stopped:
                break
        return result

    def _plan_result(self) -> Result:
        return Result(failed=list(self._plan.failed), skipped=[(path, None, why) for path, why in self._plan.skipped])

    def _choose(self, progress: Report) -> Groups:
        """Measure the photos, and choose for each by its measurements."""
        from i2i.inference.auto import choose

        groups = Groups()
        may_enlarge = self._options.protect is None
        known = recorded_measurements(self._plan, self._options, self._first_ranges)
        measured = measure_jobs(self._plan, self._options, self._reader, self._first_ranges, progress, known)
        for job, quality in measured.items():
            if isinstance(quality, ImageError):
                groups.failed.append((job.source, str(quality)))
                continue
            try_model = self._trials.of(job, self._first_ranges, known[job].trial if job in known else None)
            try:
                groups.choices[job] = choose(quality, self._models, may_enlarge=may_enlarge, try_model=try_model)
            except ImageError as error:  # the file has changed or vanished since it was measured
                groups.failed.append((job.source, str(error)))
        self._last = groups
        return groups

    def _conversions(self, groups: Groups) -> Iterator[Conversion]:
        """Yield a conversion for each model or chain; one model is in memory at a time."""
        from i2i.inference.auto.loading import load_choice

        for choice, jobs in groups.by_model():
            translator = load_choice(choice, inference_options(self._options))
            if self._options.compile and not choice.is_unchanged:
                translator.compile()
            if translator.device.type == "cpu":
                disable_malloc_trim()
            strengths = [step.strength for step in choice.steps if step.strength is not None]
            yield Conversion(
                replace(self._options, strength=strengths[0] if strengths else None),
                Plan(jobs, is_named=self._plan.is_named, folders=self._plan.folders),
                [],
                translator,
                self._reader,
                ranges=self._ranges_for(translator),
                remarks={job: self._remark(job, groups.choices[job]) for job in jobs},
            )

    def _ranges_for(self, translator: "Translator") -> PlanRanges:
        """Return black and white of all images of the plan for a model, so that folders share one range as ever."""
        known = translator.value_ranges
        if _key(known) not in self._ranges:
            self._ranges[_key(known)] = plan_ranges(self._plan, self._reader, known)
        return self._ranges[_key(known)]

    def _remark(self, job: Job, choice: "Choice") -> Mapping[str, Any]:
        return {REMARK: {"of": measured_of(job, self._options, self._first_ranges), **choice.to_json()}}


def _choices(groups: Groups) -> list[tuple[Any, "Choice"]]:
    return [(job.source, choice) for job, choice in groups.choices.items()]


def _key(ranges: ValueRanges) -> str:
    return repr(sorted(ranges_to_json(ranges).items()))
