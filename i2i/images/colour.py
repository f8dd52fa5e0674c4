"""Every kind of stored picture as 8-bit sRGB, upright, with its transparency beside it."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageOps

_ORIENTATION = 0x0112
_BLOCK = 4_000_000  # values scaled at a time


def upright_rgb(image: Image.Image) -> Image.Image:
    """As sRGB, turned upright by its EXIF orientation, whatever its mode: 16 bit, float, palette, alpha on white …"""
    return on_white(*upright(image))


def upright(image: Image.Image, *, profiles: bool = True) -> tuple[Image.Image, Image.Image | None]:
    """The picture as sRGB, turned upright by its EXIF orientation, and its alpha (L); None where all is opaque.

    The colours are those stored, also where they are transparent. profiles: as in ``read``.
    """
    image.load()  # TIFF knows its orientation only then
    profile = image.info.get("icc_profile") if profiles else None
    colours, alpha = _split(_eight_bits(_turned(image)))
    colours = _srgb(colours, profile) if profile else colours.convert("RGB")
    colours.info = {}  # a saved copy must not claim the profile it had
    return colours, alpha if alpha is not None and alpha.getextrema()[0] != 255 else None


def on_white(colours: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """RGB as it looks on white paper, so that a colour hidden under alpha does not appear."""
    if alpha is None:
        return colours
    whole = colours.copy()
    whole.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), whole).convert("RGB")


def off_white(seen: Image.Image, alpha: Image.Image) -> Image.Image:
    """RGBA that looks like the RGB picture ``seen`` on white: c = (seen − (1 − α) · 255) / α, clipped.

    The inverse of ``on_white``, but for what is hidden: where alpha is 0 the colour is black.
    """
    levels = np.asarray(seen)
    found = np.empty((*levels.shape[:2], 4), np.uint8)
    found[..., 3] = np.asarray(alpha)
    rows = max(1, _BLOCK // (3 * seen.width))
    for top in range(0, seen.height, rows):
        some = levels[top : top + rows].astype(np.float32)
        share = found[top : top + rows, :, 3:].astype(np.float32) / 255
        some -= (1 - share) * 255
        some /= np.maximum(share, 1 / 255)
        found[top : top + rows, :, :3] = some.round().clip(0, 255) * (share > 0)
    return Image.fromarray(found, "RGBA")


def _turned(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # EXIF is parsed by trust: damaged, it raises what it likes, and the pixels are still right
        return image


def _eight_bits(image: Image.Image) -> Image.Image:
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    return Image.fromarray(eight_bits(np.asarray(image)))  # PIL's own conversion clips 16 bit to white


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Integers or floats (h, w, …) as uint8: 0 is black, and white is 1, 255 or 65535, whichever holds all values."""
    top = _top(values)
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _BLOCK // values[0].size)
    for first in range(0, len(values), rows):
        some = np.nan_to_num(values[first : first + rows].astype(np.float64), posinf=top)
        levels[first : first + rows] = (some.clip(0, top) * (255 / top)).round()
    return levels


def _top(values: np.ndarray) -> float:
    """The value that stands for white: of the ranges in use, the smallest that holds the largest value."""
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        ranges = [1.0, 255.0, 65535.0]
    else:
        finite, ranges = values, [65535.0]
    largest = float(finite.max(initial=0))
    return next((top for top in ranges if largest <= top), largest)


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours (L, RGB, CMYK, LAB …) and alpha, if there is any."""
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        whole = image.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if image.mode in ("P", "1"):
        return image.convert("RGB" if image.mode == "P" else "L"), None
    return image, None


def _srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """RGB, by an embedded ICC profile (Adobe RGB, Display P3, CMYK …)."""
    space = _space(profile)
    if space == "GRAY" and image.mode == "RGB":  # grey with alpha
        image = image.getchannel("R") if _is_grey(image) else image
    elif space == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}.get(space) != image.mode:
        return image.convert("RGB")  # the profile is of another kind of picture: the pixels are taken as they are
    change = _to_srgb(profile, image.mode)
    return image.convert("RGB") if change is None else change.apply(image)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


@lru_cache(16)
def _space(profile: bytes) -> str:
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return ""  # damaged


@lru_cache(16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is sRGB under any name, or damaged."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        change = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if mode == "RGB":
        steps = np.linspace(0, 255, 17).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
        changed = np.asarray(change.apply(Image.fromarray(cube)))
        if np.abs(changed.astype(int) - cube).max() <= 1:
            return None
    return change
