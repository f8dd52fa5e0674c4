"""The options of a conversion: their checks, and their conversion to the types that it needs."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from i2i.config import require
from i2i.convert.api import OutputFormat
from i2i.convert.pending import ExistingPolicy
from i2i.convert.plan import is_image_name
from i2i.convert.sequences import Frames
from i2i.device import Precision
from i2i.errors import UsageError
from i2i.images import MAX_PIXELS, Provenance, Writer
from i2i.images.formats import FORMAT_BY_SUFFIX
from i2i.images.reading import ProfilePolicy
from i2i.images.writing import DEEP_SUFFIXES, MetadataPolicy
from i2i.inference.mask_images import MaskFill
from i2i.inference.options import EngineChoice, InferenceOptions

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

Depth = Literal["auto", "8", "16"]
DEPTHS: dict[str | int, Depth] = {"auto": "auto", 8: "8", 16: "16"}
_PIXELS = re.compile(r"\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*(MP)?\s*", re.IGNORECASE)
_MAX_PIXELS = 2_000_000_000


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
        depth: bits of a channel in png and tif: "8", "16", or "auto" for 16 if the file of the photo has more than 8.
        keep_profile: whether results of photos in another RGB space than sRGB keep it, and its profile.
        patterns: name patterns of the images to convert in folders; () for all.
        stack: files in folders that form one image, see ``StackPattern``; "" for those of the model's training.
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
        blend: 1 for the result as it is, 0 for the photo, a mixture in between.
        grain: σ of film grain that is added to the results, in grey levels.
        protect: mask of the region that stays as it is, or a folder of masks; ``mask_fill`` applies.
        engine: what computes the network on a CPU; None for torch, or for the engine of an exported file.
        network_range: values of black and white that the network of a file of another program takes and returns.
        texture_mask: whether photos stay as they are where the model adds no texture; None as the model says.
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
    depth: Depth = "auto"
    keep_profile: bool = False
    patterns: Sequence[str] = ()
    stack: str = ""
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
    blend: float = 1.0
    grain: float = 0.0
    protect: Path | None = None
    engine: EngineChoice | None = None
    network_range: tuple[float, float] | None = None
    texture_mask: bool | None = None
    batch_size: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("No photo was named. Name at least one photo, folder or video.")
        require(1 <= self.quality <= 100, "quality", self.quality, "from 1 to 100")
        require(self.max_side is None or self.max_side >= 16, "max_side", self.max_side, "16 or above")
        require(self.batch_size >= 0, "batch_size", self.batch_size, "0 (chosen for the device) or above")


def with_options_of(options: ConvertOptions, translator: "Translator") -> ConvertOptions:
    """Return the options with those of a loaded translator, on which the results depend too.

    Raises: UsageError if one of them is given beside the translator.
    """
    defaults = {field.name: field.default for field in fields(ConvertOptions)}
    for name in (
        "direction", "device", "precision", "strength", "mask", "mask_fill",
        "value_range", "blend", "grain", "protect", "engine", "network_range", "texture_mask",
    ):  # fmt: skip
        if getattr(options, name) != defaults[name]:
            raise UsageError(f"{name} is an option of i2i.load, and the translator is loaded already.")
    own = translator.options
    return replace(
        options, strength=own.strength, mask=_to_path(own.mask), mask_fill=own.mask_fill,
        value_range=own.value_range, blend=own.blend, grain=own.grain, protect=_to_path(own.protect),
        texture_mask=own.texture_mask,
    )  # fmt: skip


def inference_options(options: ConvertOptions) -> InferenceOptions:
    """Return the options of the model."""
    return InferenceOptions(
        device=options.device,
        precision=options.precision,
        strength=options.strength,
        mask=options.mask,
        mask_fill=options.mask_fill,
        value_range=options.value_range,
        blend=options.blend,
        grain=options.grain,
        protect=options.protect,
        engine=options.engine,
        network_range=options.network_range,
        texture_mask=options.texture_mask,
    )


def _to_path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def existing_policy(overwrite: bool, skip: bool) -> ExistingPolicy:
    """Return how existing results are treated. Raises UsageError if both flags are set."""
    if overwrite and skip:
        raise UsageError("--overwrite replaces existing results, --skip-existing keeps them: use only one of them.")
    if overwrite:
        return "overwrite"
    return "skip" if skip else "continue"


def parse_pixels(text: str) -> int:
    """Parse a number of pixels, such as "89MP", "2.5e8" or "1000000". Raises UsageError for any other text."""
    match = _PIXELS.fullmatch(text)
    count = float(match[1]) * (1e6 if match[2] else 1) if match else 0.0
    if not 1 <= count <= _MAX_PIXELS:
        raise UsageError(f"--max-pixels is {text!r}; it must be a number such as 200MP or 50000000, at most 2000MP.")
    return int(count)


def output_format(format: OutputFormat | None, out: Path) -> OutputFormat:
    """Return the file format of the results: that of ``--out`` if it is the name of an image, else ``format`` or png.

    Raises: UsageError if i2i does not write the format of the name, or if ``format`` is another one.
    """
    if not is_image_name(out):
        return format or "png"
    suffix = out.suffix.lower()
    named = FORMAT_BY_SUFFIX[suffix].suffixes[0].removeprefix(".") if suffix in FORMAT_BY_SUFFIX else ""
    named = "npy" if suffix == ".npy" else named
    formats = get_args(OutputFormat)
    if named not in formats:
        raise UsageError(
            f"--out {out}: results are written as {', '.join(formats)}, not as {suffix.removeprefix('.')}."
        )
    if format not in (None, named):
        raise UsageError(f"--out {out} and --format {format} name different formats: omit --format.")
    return cast("OutputFormat", named)


def make_writer(
    kind: OutputFormat,
    quality: int,
    lossless: bool,
    depth: Depth,
    policy: MetadataPolicy,
    provenance: Provenance | None,
) -> Writer:
    """Return the writer for results of a file format.

    Args:
        kind: suffix of the format, such as "png".
        quality: 1 to 100, for jpg, webp and avif.
        lossless: whether webp and avif store the pixels as they are.
        depth: bits of a channel.
        policy: whether the metadata of the source are kept.
        provenance: the model, to be named in the metadata; None to omit it.

    Raises: UsageError if the format is always lossy, or does not hold 16 bits.
    """
    if depth == "16" and f".{kind}" not in DEEP_SUFFIXES:
        raise UsageError(f"{kind} holds 8 bits a channel: use --depth 16 with png or tif.")
    if lossless and kind in ("jpg", "gif"):
        raise UsageError(f"{kind} cannot store an image without loss: use --lossless with webp, avif, png or tif.")
    deep = depth == "16"
    return Writer(
        suffix=f".{kind}", quality=quality, lossless=lossless, deep=deep, policy=policy, provenance=provenance
    )


def profile_policy(options: ConvertOptions, translator: "Translator") -> ProfilePolicy:
    """Return how colour profiles are treated.

    A restoration model works on the numbers of any RGB space, so that no colour is lost. Other models were trained on
    the colours of sRGB: their results are converted back.

    Raises: UsageError if the format holds no profile, or if a region is protected from a model of the second kind.
    """
    if not options.keep_profile:
        return "convert"
    if options.format == "gif":
        raise UsageError("gif holds no colour profile: use --keep-profile with another format.")
    if translator.restores:
        return "keep"
    if options.protect is not None:
        raise UsageError(
            f"{translator.name} works in sRGB, so that no region keeps its pixels with --keep-profile: omit it or "
            "--protect."
        )
    return "state"
