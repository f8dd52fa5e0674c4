"""Conversion of decoded images of any mode to upright 8-bit sRGB and an alpha channel."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from i2i.images.deep import PEAK, DeepImage, image_from_levels
from i2i.images.icc import to_srgb
from i2i.images.sample_images import SampleImage
from i2i.images.samples import read_deep_levels, to_8bit
from i2i.images.value_range import ValueRanges

_ORIENTATION = 0x0112
_TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BLOCK = 4_000_000  # values converted at a time, to bound the memory
_PIL_MODE_BY_COLOUR_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}


def to_upright_srgb(image: Image.Image, ranges: ValueRanges | None = None) -> Image.Image:
    """Return an image of any mode (16-bit, float, palette, alpha …) as upright sRGB, blended on white.

    Args:
        image: an opened image of any mode.
        ranges: black and white by sample type; the range of a type that is missing follows from the image.
    """
    return blend_on_white(*to_upright_srgb_with_alpha(image, ranges=ranges))


def to_upright_srgb_with_alpha(
    image: Image.Image, *, profiles: bool = True, ranges: ValueRanges | None = None
) -> tuple[Image.Image, Image.Image | None]:
    """Return the image as sRGB, rotated upright by its EXIF orientation, and its alpha channel.

    Args:
        image: an opened image of any mode.
        profiles: whether to convert the colours by an embedded ICC profile.
        ranges: black and white by sample type; the range of a type that is missing follows from the image.

    Returns: RGB, with the stored colours also where the image is transparent; and alpha (mode L), None if all of the
        image is opaque.
    """
    if not isinstance(image, SampleImage):
        image.load()  # TIFF knows its orientation only after loading
    profile = image.info.get("icc_profile") if profiles else None
    colours, alpha = _split_alpha(_apply_exif_orientation(to_8bit(image, ranges or {}), image))
    colours = _convert_to_srgb(colours, profile) if profile else colours.convert("RGB")
    colours.info = {}  # a saved copy must not claim the old profile
    has_transparency = alpha is not None and alpha.getextrema()[0] != 255
    return colours, alpha if has_transparency else None


def read_deep_colours(image: Image.Image, *, profiles: bool, ranges: ValueRanges) -> DeepImage | None:
    """Return the colours of an opened image with 16 bits, as ``to_upright_srgb_with_alpha`` does with 8.

    Returns: RGB; None if 8 bits hold the samples of the file, or if its colour profile is converted with 8 bits only.
    """
    levels = read_deep_levels(image, ranges)
    profile = image.info.get("icc_profile") if profiles else None
    if levels is not None and profile and _needs_conversion(profile, "L" if levels.ndim == 2 else "RGB"):
        levels = to_srgb(levels, profile)
    if levels is None:
        return None
    levels = np.repeat(levels[..., None], 3, 2) if levels.ndim == 2 else levels
    return DeepImage(np.ascontiguousarray(to_upright(levels, image)))


def kept_profile(image: Image.Image) -> bytes:
    """Return the ICC profile of an opened image if it fits and is of another RGB space than sRGB; else b""."""
    profile = image.info.get("icc_profile") or b""
    is_rgb = image.mode in ("RGB", "RGBA", "RGBX", "P", "PA")
    if not (profile and is_rgb and _profile_colour_space(profile) == "RGB"):
        return b""
    return bytes(profile) if _srgb_transform(profile, "RGB") is not None else b""


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert RGB or RGBA of 8 bits from sRGB to the colour space of an ICC profile of RGB."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    transform = ImageCms.ImageCmsTransform(srgb, ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGB", "RGB")
    image = image.to_8bit() if isinstance(image, DeepImage) else image
    converted = transform.apply(image.convert("RGB"))
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    converted.info = {}
    return converted


def _needs_conversion(profile: bytes, mode: str) -> bool:
    """Return whether a profile that fits the mode of an image changes its colours."""
    fits = _PIL_MODE_BY_COLOUR_SPACE.get(_profile_colour_space(profile)) in (mode, "RGB")
    return fits and _srgb_transform(profile, mode) is not None


def to_upright(levels: np.ndarray, source: Image.Image) -> np.ndarray:
    """Rotate pixels (H, W, C) upright by the EXIF orientation of the file that they are from."""
    try:
        orientation = source.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises all kinds of errors for damaged EXIF, and the pixels are still right
        return levels
    if orientation in (5, 6, 7, 8):
        levels = levels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        levels = levels[::-1]
    return levels[:, ::-1] if orientation in (2, 3, 6, 7) else levels


def blend_on_white(colours: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Return RGB ``colours`` blended on white by ``alpha``, so that colours hidden under alpha do not appear."""
    if alpha is None:
        return colours
    if isinstance(colours, DeepImage):
        opacity = np.asarray(alpha)[..., None].astype(np.float32) / 255
        return DeepImage((PEAK + (np.asarray(colours) - np.float32(PEAK)) * opacity).round().astype(np.uint16))
    rgba = colours.copy()
    rgba.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), rgba).convert("RGB")


def unblend_from_white(blended: Image.Image, alpha: Image.Image) -> Image.Image:
    """Return RGBA that looks like ``blended`` on white: c = (blended − (1 − α) · 255) / α, clipped.

    The inverse of ``blend_on_white``, except that the colour is black where alpha is 0.

    Args:
        blended: RGB.
        alpha: mode L, of the same size.
    """
    levels = np.asarray(blended)
    rgba = np.empty((*levels.shape[:2], 4), np.uint8)
    rgba[..., 3] = np.asarray(alpha)
    block_rows = max(1, _BLOCK // (3 * blended.width))
    for top in range(0, blended.height, block_rows):
        block = levels[top : top + block_rows].astype(np.float32)
        opacity = rgba[top : top + block_rows, :, 3:].astype(np.float32) / 255
        block -= (1 - opacity) * 255
        block /= np.maximum(opacity, 1 / 255)
        rgba[top : top + block_rows, :, :3] = block.round().clip(0, 255) * (opacity > 0)
    return Image.fromarray(rgba, "RGBA")


def restore_alpha(result: Image.Image, colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Return a translated image with the transparency of its source, as RGBA.

    c = colours + (result − source) / α, clipped, where ``source`` is on white, as the model has seen it. Where the
    model changed nothing, and where α = 0, the colours are those of the source, bit by bit.

    Args:
        result: RGB, on white.
        colours: RGB, as stored in the source; resized if ``result`` has another size.
        alpha: mode L, of the size of ``colours``.
    """
    if colours.size != result.size:
        colours, alpha = colours.resize(result.size), alpha.resize(result.size)
    source = blend_on_white(colours, alpha)
    peak = PEAK if isinstance(colours, DeepImage) else 255
    opacities = np.asarray(alpha)
    rgba = np.dstack([np.asarray(colours), opacities.astype(np.asarray(colours).dtype) * (peak // 255)])
    block_rows = max(1, _BLOCK // (3 * result.width))
    for top in range(0, result.height, block_rows):
        band = (0, top, result.width, min(result.height, top + block_rows))
        change = np.asarray(result.crop(band)).astype(np.float32) - np.asarray(source.crop(band))
        opacity = opacities[top : band[3], :, None].astype(np.float32) / 255
        changed = rgba[top : band[3], :, :3] + change / np.maximum(opacity, 1 / 255) * (opacity > 0)
        rgba[top : band[3], :, :3] = changed.round().clip(0, peak)
    return image_from_levels(rgba)


def _apply_exif_orientation(image: Image.Image, source: Image.Image) -> Image.Image:
    """Rotate an image upright by the EXIF orientation of the file that it was made from."""
    try:
        method = _TRANSPOSE_BY_ORIENTATION.get(source.getexif().get(_ORIENTATION, 1))
        return image if method is None else image.transpose(method)
    except Exception:  # Pillow raises all kinds of errors for damaged EXIF, and the pixels are still right
        return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Split an image into colours (L, RGB, CMYK, LAB …) and alpha, if it has one."""
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        if image.mode == "La":  # Pillow converts it to LA only
            image = image.convert("LA")
        rgba = image.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    if image.mode in ("P", "1"):
        return image.convert("RGB" if image.mode == "P" else "L"), None
    return image, None


def _convert_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB by an embedded ICC profile (Adobe RGB, Display P3, CMYK …)."""
    colour_space = _profile_colour_space(profile)
    if colour_space == "GRAY" and image.mode == "RGB":  # grey with alpha
        image = image.getchannel("R") if _is_grey(image) else image
    elif colour_space == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if _PIL_MODE_BY_COLOUR_SPACE.get(colour_space) != image.mode:
        return image.convert("RGB")  # the profile does not fit the image: ignore it
    transform = _srgb_transform(profile, image.mode)
    return image.convert("RGB") if transform is None else transform.apply(image)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


@lru_cache(16)
def _profile_colour_space(profile: bytes) -> str:
    """Return the colour space of an ICC profile, such as "RGB"; "" for a damaged profile."""
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return ""


@lru_cache(16)
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to sRGB; None if the profile is damaged or is sRGB under any name."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if mode == "RGB":
        steps = np.linspace(0, 255, 17).round().astype(np.uint8)
        levels = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
    elif mode == "L":
        levels = np.arange(256, dtype=np.uint8)[None]
    else:
        return transform
    transformed = np.asarray(transform.apply(Image.fromarray(levels))).astype(int)
    is_same = np.abs(transformed - levels.reshape(*levels.shape[:2], -1)).max() <= 1
    return None if is_same else transform
