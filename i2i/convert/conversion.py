"""A whole conversion as the command line runs it: sources and model by name, images and videos."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.config import require
from i2i.convert.api import (
    ExistingPolicy,
    OutputFormat,
    Result,
    convert_jobs,
    count_frames,
    open_manifest,
    pending_jobs,
)
from i2i.convert.manifest import Manifest
from i2i.convert.options import make_writer, output_format, settings_hash
from i2i.convert.pipeline import Progress, io_threads
from i2i.convert.plan import Job, Plan, make_plan, video_jobs
from i2i.convert.sequences import Frames, fits_one_result
from i2i.convert.shared_ranges import plan_ranges
from i2i.device import Precision, disable_malloc_trim
from i2i.errors import UsageError
from i2i.images import MAX_PIXELS, DecoderPool
from i2i.images.writing import MetadataPolicy
from i2i.inference.mask_images import MaskFill

if TYPE_CHECKING:
    from i2i.convert.video import VideoResult
    from i2i.inference.translator import Translator


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of a conversion.

    Args:
        model: name of a run, path of a model file, or "identity".
        sources: images, folders and videos.
        out: folder for the results; or the name of the result of a single photo or video.
        direction: "AtoB" or "BtoA"; None for the model's first direction.
        format: file format of images; None for that of the name ``out``, or png.
        quality: quality of jpg, webp and avif, from 1 to 100.
        lossless: whether webp and avif store the pixels as they are.
        patterns: name patterns of the images to convert in folders; () for all.
        frames: the frames of animations and pages of documents to convert: "first"; "all", into one result where the
            format holds them; or "each" into its own result.
        existing: how existing results are treated, see ``convert_jobs``.
        metadata: whether results keep the metadata of their source.
        provenance: whether results name the model in their metadata.
        max_pixels: pixels of the largest image that is read.
        max_side: photos and frames with a longer side are downscaled to this many pixels before they are translated;
            None to keep their size.
        stabilize: whether to reduce the flicker of videos.
        device: "auto", or the name of a torch device.
        precision: "auto", "float32" or "bfloat16".
        strength: strength of the degradation, for a model that takes it as input.
        mask: mask of an inpainting model, or a folder of masks.
        mask_fill: what the masks mark: "white", "black" or "paint", see ``mask_from_image``.
        value_range: values of black and white of the photos; None for those of the model, else of their type.
        batch_size: images of one size in a batch; 0 for the translator's preferred batch size.
        compile: whether to compile the network.
    """

    model: str
    sources: Sequence[Path]
    out: Path
    direction: str | None = None
    format: OutputFormat | None = None
    quality: int = 95
    lossless: bool = False
    patterns: Sequence[str] = ()
    frames: Frames = "first"
    existing: ExistingPolicy = "continue"
    metadata: MetadataPolicy = "keep"
    provenance: bool = True
    max_pixels: int = MAX_PIXELS
    max_side: int | None = None
    stabilize: bool = False
    device: str = "auto"
    precision: Precision = "auto"
    strength: float | None = None
    mask: Path | None = None
    mask_fill: MaskFill = "white"
    value_range: tuple[float, float] | None = None
    batch_size: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("No photo was named. Name at least one photo, folder or video.")
        require(1 <= self.quality <= 100, "quality", self.quality, "from 1 to 100")
        require(self.max_side is None or self.max_side >= 16, "max_side", self.max_side, "16 or above")
        require(self.batch_size >= 0, "batch_size", self.batch_size, "0 (chosen for the device) or above")


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
    options = replace(options, format=output_format(options.format, options.out))
    if translator is not None:
        options = _with_options_of(options, translator)
    videos = video_jobs(options.sources, options.out)
    video_sources = {job.source for job in videos}
    image_sources = [path for path in options.sources if path not in video_sources]
    with DecoderPool(io_threads(), max_pixels=options.max_pixels) as reader:
        plan = Plan()
        if image_sources:
            frame_counter = partial(count_frames, reader=reader) if options.frames != "first" else None
            plan = make_plan(
                image_sources,
                options.out,
                options.format or "png",
                patterns=options.patterns,
                count_frames=frame_counter,
                is_joined=lambda path: options.frames == "all" and fits_one_result(path, options.format or "png"),
            )
            reader.start()
        if translator is None:
            translator = _load(options)  # the decoder processes start while it imports torch
        if options.compile:
            translator.compile()
        if translator.device.type == "cpu":
            disable_malloc_trim()
        yield Conversion(options, plan, videos, translator, reader if image_sources else None)


def _load(options: ConvertOptions) -> "Translator":
    from i2i.inference.loading import load

    return load(
        options.model,
        options.direction,
        device=options.device,
        precision=options.precision,
        strength=options.strength,
        mask=options.mask,
        mask_fill=options.mask_fill,
        value_range=options.value_range,
    )


def _with_options_of(options: ConvertOptions, translator: "Translator") -> ConvertOptions:
    """Return the options with those of a loaded translator, on which the results depend too.

    Raises: UsageError if one of them is given beside the translator.
    """
    defaults = {field.name: field.default for field in fields(ConvertOptions)}
    for name in ("direction", "device", "precision", "strength", "mask", "mask_fill", "value_range"):
        if getattr(options, name) != defaults[name]:
            raise UsageError(f"{name} is an option of i2i.load, and the translator is loaded already.")
    own = translator.options
    mask = Path(own.mask) if own.mask is not None else None
    return replace(options, strength=own.strength, mask=mask, mask_fill=own.mask_fill, value_range=own.value_range)


class Conversion:
    """A conversion that is ready to run; see ``open_conversion``."""

    def __init__(
        self,
        options: ConvertOptions,
        plan: Plan,
        videos: Sequence[Job],
        translator: "Translator",
        reader: DecoderPool | None,
    ) -> None:
        """Args:
        options: options of the conversion.
        plan: the images to convert.
        videos: the videos to convert.
        translator: the loaded model.
        reader: reads the images; None if there are none.
        """
        self.translator = translator
        self._options = options
        self._plan = plan
        self._videos = videos
        self._reader = reader
        self._provenance = translator.provenance if options.provenance else None
        self._writer = make_writer(
            options.format or "png", options.quality, options.lossless, options.metadata, self._provenance
        )
        self._settings_hash = settings_hash(
            translator.provenance,
            self._writer,
            strength=options.strength,
            mask=options.mask,
            mask_fill=options.mask_fill,
            max_side=options.max_side,
        )

    def pending(self) -> tuple[list[Job], Result]:
        """Return the jobs that would be done, and a result with the files that cannot or need not be converted.

        Writes nothing, not even the manifest.
        """
        from i2i.convert.video import pending_videos

        settings = self._settings_hash
        if self._reader is not None:
            settings = plan_ranges(self._plan, self._reader, self.translator.value_ranges).settings_hash(settings)
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
            writer=self._writer,
            settings_hash=self._settings_hash,
            existing=self._options.existing,
            batch_size=self._options.batch_size,
            max_side=self._options.max_side,
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
