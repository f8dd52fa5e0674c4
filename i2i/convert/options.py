"""Check the options of a conversion and convert them to the types that it needs."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, cast, get_args

from i2i.convert.api import ExistingPolicy, OutputFormat
from i2i.convert.plan import is_image_name
from i2i.errors import UsageError
from i2i.images import Provenance, Writer
from i2i.images.formats import FORMAT_BY_SUFFIX
from i2i.images.writing import MetadataPolicy
from i2i.inference.mask_images import MaskFill

_SETTINGS_VERSION = 1  # increased when the same model and settings give other results
_MASK_VERSION = 2  # increased when the same mask image selects other pixels
_PIXELS = re.compile(r"\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*(MP)?\s*", re.IGNORECASE)
_MAX_PIXELS = 2_000_000_000


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
    formats = get_args(OutputFormat)
    if named not in formats:
        raise UsageError(
            f"--out {out}: results are written as {', '.join(formats)}, not as {suffix.removeprefix('.')}."
        )
    if format not in (None, named):
        raise UsageError(f"--out {out} and --format {format} name different formats: omit --format.")
    return cast("OutputFormat", named)


def make_writer(
    kind: OutputFormat, quality: int, lossless: bool, policy: MetadataPolicy, provenance: Provenance | None
) -> Writer:
    """Return the writer for results of a file format.

    Args:
        kind: suffix of the format, such as "png".
        quality: 1 to 100, for jpg, webp and avif.
        lossless: whether webp and avif store the pixels as they are.
        policy: whether the metadata of the source are kept.
        provenance: the model, to be named in the metadata; None to omit it.

    Raises: UsageError if the format is always lossy.
    """
    if lossless and kind in ("jpg", "gif"):
        raise UsageError(f"{kind} cannot store an image without loss: use --lossless with webp, avif, png or tif.")
    return Writer(suffix=f".{kind}", quality=quality, lossless=lossless, policy=policy, provenance=provenance)


def settings_hash(
    model: Provenance | None,
    writer: Writer,
    *,
    strength: float | None = None,
    mask: Path | None = None,
    mask_fill: MaskFill = "white",
    max_side: int | None = None,
) -> str:
    """Return a hash of everything besides the source that a result depends on.

    Args:
        model: the model and its direction.
        writer: the writer of the results.
        strength: the degradation strength given to the model.
        mask: the mask image, or the folder of mask images.
        mask_fill: what the masks mark.
        max_side: the longer side in pixels to which photos are downscaled.
    """
    settings: list[Any] = [_SETTINGS_VERSION, model and (model.model, model.version), writer.suffix, writer.policy]
    settings.append(writer.provenance is None)
    if strength is not None:
        settings.append(["strength", strength])
    if mask is not None:
        settings.append(["mask", _MASK_VERSION, mask_fill, *_file_stamps(mask)])
    if max_side is not None:
        settings.append(["max_side", max_side])
    if writer.suffix in (".jpg", ".webp", ".avif"):
        settings.append("lossless" if writer.lossless else writer.quality)
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _file_stamps(mask: Path) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of a file, or of each file in a folder."""
    files = sorted(mask.iterdir()) if mask.is_dir() else [mask]
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
