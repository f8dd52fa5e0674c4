"""Encode several images into one file: an animation (GIF, WebP, PNG, AVIF), or the pages of a TIFF."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, PngImagePlugin

from i2i.errors import ImageError
from i2i.images.formats import Format
from i2i.images.grey import grey_profile
from i2i.images.metadata import srgb_profile

_GIF_BACKGROUND = 2  # disposal: a transparent frame must not show the frame before it


@dataclass(frozen=True, kw_only=True)
class SequenceMetadata:
    """What is written beside the frames of an animation.

    Args:
        durations: of each frame, in milliseconds.
        plays: how often the animation plays; 0 for ever.
        exif: an EXIF block; may be empty.
        xmp: an XMP packet; may be empty.
        profile: an ICC profile; empty for that of sRGB or grey.
        comment: a text for formats that cannot store XMP.
    """

    durations: Sequence[float]
    plays: int
    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    comment: str = ""


def encode_animation(
    frames: Sequence[Image.Image], format: Format, lossy_options: dict[str, Any], metadata: SequenceMetadata
) -> bytes:
    """Encode the frames of an animation, of one size. Raises ImageError if the format cannot store them.

    Equal frames that follow one another may become one frame with the sum of their durations.

    Args:
        frames: RGB or RGBA; also L or LA, for formats of grey images.
        format: GIF, WebP, PNG or AVIF.
        lossy_options: Pillow's arguments for the quality.
        metadata: times and metadata.
    """
    mode = _common_mode({frame.mode for frame in frames})
    first, *others = (frame.convert(mode) for frame in frames)
    options = lossy_options | _options_by_format(format.name, mode, metadata)
    options["duration"] = [round(duration) for duration in metadata.durations]
    buffer = io.BytesIO()
    try:
        first.save(buffer, format.name, save_all=True, append_images=others, **options)
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        size = f"{first.width}x{first.height}"
        raise ImageError(
            f"{len(frames)} frames of {size} pixels cannot be written as {format.name}: {error}."
        ) from error
    return buffer.getvalue()


def _common_mode(modes: set[str]) -> str:
    """Return the mode that holds images of several modes without loss."""
    if modes <= {"L", "LA"}:
        return "LA" if "LA" in modes else "L"
    return "RGBA" if modes & {"RGBA", "LA"} else "RGB"


def _options_by_format(format_name: str, mode: str, metadata: SequenceMetadata) -> dict[str, Any]:
    """Return Pillow's arguments for loops, disposal and metadata."""
    if format_name == "GIF":
        options: dict[str, Any] = {"comment": metadata.comment} if metadata.comment else {}
        if metadata.plays != 1:  # a GIF states how often it is repeated, and one that plays once states nothing
            options["loop"] = max(0, metadata.plays - 1)
        return options | ({"disposal": _GIF_BACKGROUND} if mode == "RGBA" else {})
    options = {
        "exif": metadata.exif,
        "icc_profile": metadata.profile or (grey_profile() if mode in ("L", "LA") else srgb_profile()),
    }
    if format_name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        if metadata.xmp:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    else:
        options["xmp"] = metadata.xmp
    if format_name in ("PNG", "WEBP"):
        options["loop"] = metadata.plays
    if format_name == "WEBP" and mode == "RGBA":
        # All key frames: libwebp crops a frame to its visible part, and drops the alpha if that part is opaque.
        options["kmin"] = options["kmax"] = 1
    return {key: value for key, value in options.items() if value or key == "loop"}
