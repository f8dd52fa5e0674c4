"""A whole conversion as the command line runs it: sources and model by name, images and videos."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.convert.api import Result, convert_jobs, count_frames
from i2i.convert.channels import check_channel_options, default_suffix, needs_channels, result_format, stack_of
from i2i.convert.manifest import Manifest
from i2i.convert.options import (
    ConvertOptions,
    inference_options,
    make_writer,
    output_format,
    profile_policy,
    with_options_of,
)
from i2i.convert.pending import Remarks, open_manifest, pending_jobs
from i2i.convert.pipeline import Progress, io_threads
from i2i.convert.plan import Job, Plan, is_image_name, make_plan, video_jobs
from i2i.convert.sequences import fits_one_result
from i2i.convert.settings_hash import settings_hash
from i2i.convert.shared_ranges import PlanRanges, plan_ranges
from i2i.device import disable_malloc_trim
from i2i.errors import I2IError, UsageError
from i2i.images import DecoderPool, Writer
from i2i.images.channel_writing import ChannelWriter
from i2i.images.reading import ProfilePolicy, read_header
from i2i.images.stacks import StackPattern
from i2i.images.writing import DEEP_SUFFIXES

if TYPE_CHECKING:
    from i2i.convert.video import VideoResult
    from i2i.inference.translator import Translator

SAMPLED_HEADERS = 50  # of photos, for an estimate of their pixels


@contextmanager
def open_conversion(options: ConvertOptions, translator: "Translator | None" = None) -> "Iterator[Conversion]":
    """Find the sources, start the decoder processes and load the model.

    The decoder processes stop at the end of the context. Videos do not need them.

    Args:
        options: options of the conversion.
        translator: the loaded model, with its own direction, device, precision, strength and mask; None to load
            ``options.model``.

    Raises: UsageError if a source does not exist, before the model is loaded; and what ``load`` raises.
    """
    if translator is not None:
        options = with_options_of(options, translator)
    stack = stack_of(options, translator)
    options, takes_channels = with_format(options, translator, stack)
    videos = video_jobs(options.sources, options.out)
    video_sources = {job.source for job in videos}
    image_sources = [path for path in options.sources if path not in video_sources]
    if videos and options.protect is not None:
        raise UsageError(f"--protect takes photos; {videos[0].source} is a video. Omit --protect.")
    with decoder_pool(options) as reader:
        plan = Plan()
        if image_sources:
            plan = plan_images(options, image_sources, reader, stack)
            reader.start()
        if translator is None:
            # the decoder processes start while this imports torch
            counts = options.engine == "auto" and not videos
            expected = _expected_pixels(plan, options.max_side) if counts else None
            translator = load_model(options, takes_channels=takes_channels, expected_pixels=expected)
        if options.compile:
            translator.compile()
        if translator.device.type == "cpu":
            disable_malloc_trim()
        yield Conversion(options, plan, videos, translator, reader if image_sources else None)


def with_format(
    options: ConvertOptions, translator: "Translator | None" = None, stack: StackPattern | None = None
) -> tuple[ConvertOptions, bool]:
    """Return the options with the file format of the results, and whether the model takes images of other channels.

    Args:
        options: of the conversion.
        translator: the loaded model; None if it is not loaded yet.
        stack: the files in folders that form one image.
    """
    of_channels = result_format(options, translator)
    is_identity = translator is None and options.model == "identity"
    takes_channels = of_channels is not None or (
        is_identity and needs_channels(options.sources, _named_format(options), stack)
    )
    chosen: Any = options.format
    if takes_channels and chosen is None and not is_image_name(options.out):
        chosen = default_suffix(options.sources, of_channels)
    return replace(options, format=output_format(chosen, options.out)), takes_channels


def _named_format(options: ConvertOptions) -> str | None:
    """Return the file format of the results that the user names, if any."""
    return options.format or (options.out.suffix.lower().lstrip(".") if is_image_name(options.out) else None)


def decoder_pool(options: ConvertOptions) -> DecoderPool:
    """Return the decoder processes of a conversion, not started."""
    deep = options.depth != "8" and f".{options.format}" in DEEP_SUFFIXES
    return DecoderPool(io_threads(), max_pixels=options.max_pixels, deep=deep)


def plan_images(
    options: ConvertOptions, sources: Sequence[Path], reader: DecoderPool, stack: StackPattern | None = None
) -> Plan:
    """Return the plan for photos and folders. Raises UsageError as ``make_plan`` does."""
    kind = options.format or "png"
    return make_plan(
        sources,
        options.out,
        kind,
        patterns=options.patterns,
        count_frames=partial(count_frames, reader=reader) if options.frames != "first" else None,
        is_joined=lambda path: options.frames == "all" and fits_one_result(path, kind),
        stack=stack,
    )


def load_model(options: ConvertOptions, *, takes_channels: bool, expected_pixels: int | None = None) -> "Translator":
    """Load the model of a conversion.

    Args:
        options: of the conversion.
        takes_channels: see ``with_format``.
        expected_pixels: of all images that are to be translated; None if unknown.
    """
    from i2i.inference.loading import load_identity_of_channels, load_with_options

    if takes_channels and options.model == "identity":
        return load_identity_of_channels(options.direction, value_range=options.value_range)
    own = replace(inference_options(options), expected_pixels=expected_pixels)
    return load_with_options(options.model, options.direction, own)


def _expected_pixels(plan: Plan, max_side: int | None) -> int:
    """Return about how many pixels the photos of a plan have, from the headers of some."""
    step = max(1, len(plan.jobs) // SAMPLED_HEADERS)
    sizes = []
    for job in plan.jobs[::step]:
        try:
            (width, height), _ = read_header(job.source)
        except I2IError:
            continue
        factor = min(1.0, max_side / max(width, height)) if max_side is not None else 1.0
        sizes.append(width * height * factor**2)
    return int(len(plan.jobs) * sum(sizes) / max(1, len(sizes)))


def _has_alpha(translator: Any) -> bool:
    return translator.output_format is not None and translator.output_format.alpha


class Conversion:
    """A conversion that is ready to run; see ``open_conversion``.

    Attributes:
        translator: the loaded model.
        writer: encodes the results.
        settings_hash: of model and settings, without the value ranges of the images.
    """

    def __init__(
        self,
        options: ConvertOptions,
        plan: Plan,
        videos: Sequence[Job],
        translator: "Translator",
        reader: DecoderPool | None,
        *,
        ranges: PlanRanges | None = None,
        remarks: Remarks | None = None,
    ) -> None:
        """Args:
        options: options of the conversion.
        plan: the images to convert.
        videos: the videos to convert.
        translator: the loaded model.
        reader: reads the images; None if there are none.
        ranges: black and white of the images; None to find them.
        remarks: see ``Manifest``.
        """
        self.translator = translator
        self._options = options
        self._plan = plan
        self._videos = videos
        self._reader = reader
        self._ranges = ranges
        self._remarks = remarks
        self._provenance = translator.provenance if options.provenance else None
        format = options.format or "png"
        self.writer: Writer | ChannelWriter = make_writer(
            format, options.quality, options.lossless, options.depth, options.metadata, self._provenance
        )
        if translator.takes_channels:
            check_channel_options(options, videos, translator.name)
            self.writer = ChannelWriter(
                suffix=f".{format}", depth=options.depth, quality=options.quality, lossless=options.lossless,
                policy=options.metadata, provenance=self._provenance, alpha=_has_alpha(translator),
            )  # fmt: skip
        self.settings_hash = settings_hash(
            translator.provenance,
            self.writer,
            strength=options.strength,
            mask=options.mask,
            mask_fill=options.mask_fill,
            max_side=options.max_side,
            blend=options.blend,
            grain=options.grain,
            protect=options.protect,
            depth=options.depth,
            keep_profile=options.keep_profile,
            texture_mask=options.texture_mask,
        )
        profiles: ProfilePolicy = "convert" if translator.takes_channels else profile_policy(options, translator)
        if reader is not None:
            reader.profiles = profiles
        self.writer = replace(self.writer, converts_back=profiles == "state")

    @property
    def job_count(self) -> int:
        """The number of images of the plan."""
        return len(self._plan.jobs)

    def pending(self) -> tuple[list[Job], Result]:
        """Return the jobs that would be done, and a result with the files that cannot or need not be converted.

        Writes nothing, not even the manifest.
        """
        from i2i.convert.video import pending_videos

        settings = self.settings_hash
        if self._reader is not None:
            ranges = self._ranges or plan_ranges(self._plan, self._reader, self.translator.value_ranges)
            settings = ranges.settings_hash(settings)
        manifest = open_manifest(self._plan, self._options.out, settings)
        if isinstance(manifest, Manifest):
            manifest.load()
        result = Result(failed=self._plan.failed)
        result.skipped = [(path, None, reason) for path, reason in self._plan.skipped]
        jobs = pending_jobs(self._plan.jobs, manifest, self._options.existing, result)
        return jobs + pending_videos(self._videos, self._options.existing, result), result

    def convert_images(self, progress: Progress) -> Result:
        """Convert the images. Call this inside the context of ``open_conversion``.

        Args:
            progress: called with the number of files done, failed and in total.
        """
        if self._reader is None:
            return Result()
        return convert_jobs(
            self.translator,
            self._plan,
            self._options.out,
            writer=self.writer,
            settings_hash=self.settings_hash,
            existing=self._options.existing,
            batch_size=self._options.batch_size,
            max_side=self._options.max_side,
            plan_ranges=self._ranges,
            remarks=self._remarks,
            reader=self._reader,
            progress=progress,
        )

    def convert_videos(
        self, progress: Callable[[int, int], None], on_done: "Callable[[Job, VideoResult], None]"
    ) -> Result:
        """Convert the videos.

        Args:
            progress: called with the number of frames done and in total (0 if unknown).
            on_done: called for each converted video.
        """
        if not self._videos:
            return Result()
        from i2i.convert.video import convert_videos

        return convert_videos(
            self.translator,
            self._videos,
            existing=self._options.existing,
            on_done=on_done,
            stabilize=self._options.stabilize,
            provenance=self._provenance,
            max_pixels=self._options.max_pixels,
            max_side=self._options.max_side,
            progress=progress,
        )
