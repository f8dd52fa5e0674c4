"""The hash of everything besides its source that a result of a conversion depends on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from i2i.convert.options import Depth
from i2i.images import Provenance, Writer
from i2i.images.channel_writing import ChannelWriter
from i2i.inference.mask_images import MaskFill

_SETTINGS_VERSION = 1  # increased when the same model and settings give other results
_MASK_VERSION = 2  # increased when the same mask image selects other pixels


def settings_hash(
    model: Provenance | None,
    writer: Writer | ChannelWriter,
    *,
    strength: float | None = None,
    mask: Path | None = None,
    mask_fill: MaskFill = "white",
    max_side: int | None = None,
    blend: float = 1.0,
    grain: float = 0.0,
    protect: Path | None = None,
    depth: Depth = "auto",
    keep_profile: bool = False,
    texture_mask: bool | None = None,
) -> str:
    """Return a hash of everything besides the source that a result depends on.

    Args:
        model: the model and its direction.
        writer: encodes the results.
        strength: the degradation strength given to the model.
        mask: the mask image, or the folder of mask images.
        mask_fill: what the masks mark.
        max_side: the longer side in pixels to which photos are downscaled.
        blend: part of the result in its mixture with the photo.
        grain: σ of the grain.
        protect: the mask image of what stays as it is, or the folder of mask images.
        depth: bits of a channel.
        keep_profile: whether results keep another RGB space than sRGB.
        texture_mask: as in the options.
    """
    settings: list[Any] = [_SETTINGS_VERSION, model and (model.model, model.version), writer.suffix, writer.policy]
    settings.append(writer.provenance is None)
    if strength is not None:
        settings.append(["strength", strength])
    if mask is not None:
        settings.append(["mask", _MASK_VERSION, mask_fill, *_file_stamps(mask)])
    if max_side is not None:
        settings.append(["max_side", max_side])
    if blend != 1:
        settings.append(["blend", blend])
    if grain:
        settings.append(["grain", grain])
    if depth != "auto":
        settings.append(["depth", depth])
    if keep_profile:
        settings.append("keep_profile")
    if texture_mask is not None:
        settings.append(["texture_mask", texture_mask])
    if protect is not None:
        settings.append(["protect", _MASK_VERSION, mask_fill, *_file_stamps(protect)])
    if writer.suffix in (".jpg", ".webp", ".avif"):
        settings.append("lossless" if writer.lossless else writer.quality)
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _file_stamps(mask: Path) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of a file, or of each file in a folder."""
    files = sorted(mask.iterdir()) if mask.is_dir() else [mask]
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
