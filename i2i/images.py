"""Pictures: files, uint8 arrays and the tensors that networks see.

A picture is an RGB tensor (N, 3, H, W), float, in [-1, 1]: 0 maps to -1 and 255 to 1. ``to_float`` and
``to_uint8`` are the only two places where that scale is spelled out.
"""

import io
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from i2i.errors import PictureError

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm"}
MAX_PIXELS = 89_000_000
# What Pillow raises at files that are not what they should be.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError)
_DECODERS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")


def to_float(pixels: "Tensor") -> "Tensor":
    """uint8 (…) in 0…255 to float32 in [-1, 1]."""
    import torch

    return torch.div(pixels, 127.5).sub_(1)


def to_uint8(picture: "Tensor") -> "Tensor":
    """Float in [-1, 1] to uint8 in 0…255, rounded to the nearest; what lies outside is clipped."""
    import torch

    return ((picture.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def read(path: Path, *, profiles: bool = True) -> Image.Image:
    """The picture in a file as RGB, turned upright by its EXIF orientation.

    profiles: bring the colours of an embedded ICC profile to sRGB; else the numbers stay as they are stored.
    Raises PictureError with the reason where the file is missing, no picture, too large or damaged.
    """
    with _open(path) as image:
        if image.width * image.height > MAX_PIXELS:
            raise PictureError(
                f"{path} has {image.width}x{image.height} pixels; at most {MAX_PIXELS // 10**6} million are read."
            )
        try:
            image.load()
            return upright_rgb(image, profiles=profiles)
        except _BROKEN as error:
            raise PictureError(f"{path} is damaged: {error}.") from error


def header(path: Path) -> tuple[tuple[int, int], str]:
    """Width and height (as stored, before EXIF rotation) and PIL mode, without decoding the pixels.

    Raises PictureError as ``read`` does, except for damage that only decoding finds.
    """
    with _open(path) as image:
        return image.size, image.mode


def _open(path: Path) -> Image.Image:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a FIFO would hang the reader
            raise PictureError(f"{path} is not a regular file.")
        if path.stat().st_size == 0:
            raise PictureError(f"{path} is empty (0 bytes).")
        return Image.open(path, formats=_DECODERS)
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large to be decoded safely: {error}.") from error
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a picture i2i can read"
        raise PictureError(f"{path}: {reason}.") from error


def upright_rgb(image: Image.Image, *, profiles: bool = True) -> Image.Image:
    """As sRGB, turned upright by its EXIF orientation, whatever its mode: 16 bit, float, palette, alpha on white …"""
    upright = ImageOps.exif_transpose(image)
    return _rgb(_srgb(upright) if profiles else upright)


def _srgb(image: Image.Image) -> Image.Image:
    """Colours of an embedded ICC profile (Adobe RGB, Display P3, CMYK …) brought to sRGB."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # a damaged profile: the pixels are taken as they are
        return image
    return converted or image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # PIL's own conversion clips 16 bit to white
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode != "F" else (1.0 if values.max(initial=0.0) <= 1.0 else 255.0)
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")  # on white, so that colour hidden under alpha does not appear
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def encode(image: Image.Image, suffix: str, *, fast: bool = False) -> bytes:
    """The picture as a file's bytes; ``suffix`` such as ".png" names the format.

    fast: PNG of RGB pictures by OpenCV, in a sixth of the time. Raises PictureError where the format cannot hold the
    picture.
    """
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".avif": "AVIF",
             ".tif": "TIFF", ".tiff": "TIFF", ".jp2": "JPEG2000", ".ppm": "PPM"}  # fmt: skip
    if fast and kinds[suffix] == "PNG" and image.mode == "RGB":
        return _fast_png(image)
    buffer = io.BytesIO()
    quality = {"quality": 95} if kinds[suffix] in ("JPEG", "WEBP", "AVIF") else {}
    try:
        image.save(buffer, format=kinds[suffix], **quality)
    except (OSError, ValueError, RuntimeError) as error:
        size = f"{image.width}x{image.height}"
        raise PictureError(f"A picture of {size} pixels cannot be written as {kinds[suffix]}: {error}.") from error
    return buffer.getvalue()


def _fast_png(image: Image.Image) -> bytes:
    # Measured on a photo of 512² and enlarged to 12 MP, time of one core and share of the raw size:
    #   Pillow level 6         71 ms 54.0 %    2.21 s 18.4 %
    #   Pillow level 1         21 ms 59.3 %    0.56 s 23.1 %
    #   OpenCV as it comes      8 ms 59.1 %    0.34 s 27.7 %
    #   OpenCV, Paeth filter   10 ms 53.9 %    0.35 s 18.7 %
    import cv2

    how = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]
    return cv2.imencode(".png", cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), how)[1].tobytes()


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside ``path``, flush to disk, rename: the file is whole or not there."""
    # 50 characters are at most 200 of the 255 bytes that a name may have.
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}-{threading.get_native_id()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename outlast a power cut. Windows cannot open a folder, and has no need to."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def grid(columns: dict[str, "Tensor"]) -> Image.Image:
    """Columns of pictures under their titles. Each (N, 3, H, W) in [-1, 1], all of one shape; N rows.

    A single column is broken into rows of eight, without a title.
    """
    cells = [to_uint8(pictures).permute(0, 2, 3, 1).cpu().numpy() for pictures in columns.values()]
    return sheet(cells, list(columns)) if len(cells) > 1 else tiles(cells[0])


def tiles(pictures: np.ndarray, across: int = 8, gap: int = 2) -> Image.Image:
    """uint8 (N, H, W, 3) in rows of ``across``, in the order of reading, on white."""
    count, height, width = pictures.shape[:3]
    across = min(across, count)
    rows = -(-count // across)
    canvas = np.full((rows * (height + gap) - gap, across * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // across * (height + gap), index % across * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return Image.fromarray(canvas)


def sheet(columns: Sequence[np.ndarray], titles: Sequence[str], gap: int = 2) -> Image.Image:
    """As ``grid``, of uint8 arrays (N, H, W, 3)."""
    rows, height, width = columns[0].shape[:3]
    head = max(14, height // 12)
    canvas = np.full((head + rows * (height + gap), len(columns) * (width + gap) - gap, 3), 255, np.uint8)
    for x, column in enumerate(columns):
        for y, cell in enumerate(column):
            top, left = head + y * (height + gap), x * (width + gap)
            canvas[top : top + height, left : left + width] = cell
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=max(9.0, head * 0.62))
    for x, title in enumerate(titles):
        draw.text((x * (width + gap) + 3, head * 0.12), title, fill="black", font=font)
    return image
