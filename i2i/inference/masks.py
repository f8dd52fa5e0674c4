"""Masks for inpainting, from the transparency of a photo and from mask images."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from i2i.errors import ImageError, UsageError
from i2i.images import LoadedImage
from i2i.images.deep import DeepImage
from i2i.images.downscale import downscale
from i2i.inference.mask_files import MaskFiles, ReadImage, load_unblended
from i2i.inference.mask_images import OPAQUE, MaskFill, mask_from_image

ALPHA_THRESHOLD = OPAQUE  # pixels with at least this alpha are known; the others are masked
_LARGE_MASK = 0.6  # fraction of the photo from which a mask image may be inverted by mistake
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class MaskedPhoto(LoadedImage):
    """A photo whose alpha channel is 0 where the network is to predict it, and 255 elsewhere.

    Attributes:
        stored: the photo as stored, RGBA, if it has transparent parts that stay as they are; else None.
        mask: mode L, 255 where the photo is filled; None if ``stored`` is None.
        keeps_photo: whether the result outside of the mask is the photo; else only its transparency is.
    """

    stored: Image.Image | None = None
    mask: Image.Image | None = None
    keeps_photo: bool = True

    def downscaled(self, max_side: int) -> "MaskedPhoto":
        """Return the photo with at most ``max_side`` pixels on its longer side.

        A pixel that covers a masked one is masked, so that no colour leaks out of the mask.
        """
        small = downscale(self, max_side)
        size = small.image.size
        if size == self.image.size:
            return self
        alpha = small.alpha.point(lambda value: 255 * (value == 255)) if small.alpha is not None else None
        stored = self.stored.resize(size, Image.Resampling.BOX) if self.stored is not None else None
        mask = self.mask.resize(size, Image.Resampling.BOX) if self.mask is not None else None
        if mask is not None:
            mask = mask.point(lambda value: 255 * (value > 0))
        return replace(self, image=small.image, alpha=alpha, stored=stored, mask=mask)

    def rgba(self) -> Image.Image:
        """Return the input of an inpainting network: the photo, with alpha 0 where the network is to predict it."""
        rgba = self.image.copy()
        if self.alpha is not None:
            rgba.putalpha(self.alpha)
        return rgba

    def compose(self, filled: Image.Image) -> Image.Image:
        """Return the result: the photo as stored, with the masked region from ``filled`` (RGB).

        Returns: RGBA if the photo has transparent parts that stay as they are, else RGB.
        """
        if self.stored is None:
            return filled if self.deep is None or not self.keeps_photo else self._with_deep_pixels(filled, self.deep)
        if not self.keeps_photo:
            alpha = ImageChops.lighter(self.stored.getchannel("A"), self.mask or Image.new("L", self.stored.size))
            result = filled.convert("RGB")
            result.putalpha(alpha if alpha.size == result.size else alpha.resize(result.size))
            return result
        result = self.stored.copy()
        result.paste(filled.convert("RGBA"), mask=self.mask)
        return result

    def _with_deep_pixels(self, filled: Image.Image, deep: DeepImage) -> Image.Image:
        """Return the photo with 16 bits, and its masked region from ``filled``, which has 8."""
        levels, region = deep.levels.copy(), np.asarray(self.alpha) < ALPHA_THRESHOLD
        levels[region] = DeepImage.from_8bit(filled.convert("RGB")).levels[region]
        return DeepImage(levels)


class MaskReader:
    """Find the regions of photos that are to be filled.

    Without a mask image, pixels whose alpha is below ALPHA_THRESHOLD are filled and the result is opaque. With a mask
    image (see ``mask_from_image``), it alone decides, and transparent pixels outside of the mask stay as they are.

    Args:
        mask: a mask image for all photos, a folder with a mask of the same name for each photo, or None.
        fill: what the mask images mark, see ``mask_from_image``.
        keeps_photo: see ``MaskedPhoto``.

    Raises: UsageError if ``mask`` does not exist, or if it is None and ``fill`` is set.
    """

    def __init__(self, mask: Path | None, *, fill: MaskFill = "white", keeps_photo: bool = True) -> None:
        if mask is None and fill != "white":
            raise UsageError(f"--mask-fill {fill} needs a mask image: name it by --mask.")
        self.mask = mask
        self.fill = fill
        self._keeps_photo = keeps_photo
        self._files = MaskFiles(mask) if mask is not None else None
        self._warned_about: set[str] = set()

    def apply_mask(self, path: Path, photo: LoadedImage, read_mask: ReadImage = load_unblended) -> MaskedPhoto:
        """Return the photo with its mask as alpha channel.

        Args:
            path: path of the photo; its stem selects the mask within a folder.
            photo: the photo, not blended: ``load_image(path, blend=False)``.
            read_mask: reads a mask image, not blended.

        Raises: ImageError if the mask cannot be read, has another size or is no mask, or if nothing or everything is
            masked.
        """
        if self._files is None:
            return self._mask_transparent(path, photo)
        mask_path = self._files.mask_of(path)
        return self.apply_mask_image(str(path), photo, str(mask_path), read_mask(mask_path))

    def _mask_transparent(self, path: Path, photo: LoadedImage) -> MaskedPhoto:
        known = _is_opaque(photo) | _is_kept(photo)
        if known.all():
            raise ImageError(
                f"{path} has no masked region: no pixel is transparent. Make regions transparent, or mask them by"
                " --mask (mask in Python)."
            )
        if not known.any():
            raise ImageError(f"{path} is masked completely: every pixel is transparent.")
        return MaskedPhoto(
            photo.image, _to_image(known), photo.source, grey=photo.grey, deep=photo.deep, keeps_photo=self._keeps_photo
        )

    def apply_mask_image(self, photo_name: str, photo: LoadedImage, mask_name: str, image: LoadedImage) -> MaskedPhoto:
        """Return the photo with the mask of a mask image as alpha channel.

        The transparent pixels of the photo are unknown to the network too, because their colours are not visible.

        Args:
            photo_name: how messages name the photo.
            photo: the photo, not blended.
            mask_name: how messages name the mask image.
            image: the mask image, not blended.

        Raises: ImageError as ``apply_mask`` does.
        """
        mask = mask_from_image(image, photo.image, mask_name, self.fill)
        if not mask.any():
            brightest = image.image.convert("L").getextrema()[1]
            found = f"its brightest pixel has level {brightest} of 255" if image.alpha is None else "it has no paint"
            found = "all of it is white" if self.fill == "black" else found
            raise ImageError(
                f"{photo_name} has no masked region: {mask_name} selects no pixel ({found}). A mask is white where to"
                " fill, and black or transparent elsewhere."
            )
        mask = mask & ~_is_kept(photo)
        known = _is_opaque(photo) & ~mask
        if not known.any():
            raise ImageError(
                f"{photo_name} is masked completely: {mask_name} selects every pixel that is not transparent. White in"
                " a mask means fill and black means keep; --mask-fill black swaps them."
            )
        self._warn_about_large(mask, photo_name, mask_name)
        if photo.alpha is None:
            return MaskedPhoto(
                photo.image, _to_image(known), photo.source, grey=photo.grey, deep=photo.deep,
                keeps_photo=self._keeps_photo,
            )  # fmt: skip
        stored = photo.image.copy()
        stored.putalpha(photo.alpha)
        return MaskedPhoto(
            photo.image, _to_image(known), photo.source, grey=photo.grey, stored=stored, mask=_to_image(mask),
            keeps_photo=self._keeps_photo,
        )  # fmt: skip

    def _warn_about_large(self, mask: np.ndarray, photo_name: str, mask_name: str) -> None:
        """Log a warning, once for each mask image, if most of the photo is masked."""
        fraction = float(mask.mean())
        if self.fill == "white" and fraction >= _LARGE_MASK and mask_name not in self._warned_about:
            self._warned_about.add(mask_name)
            logger.warning(
                "%s masks %.0f %% of %s. White means fill and black means keep; --mask-fill black swaps them.",
                mask_name,
                100 * fraction,
                photo_name,
            )


def _is_kept(photo: LoadedImage) -> np.ndarray:
    """Return bool (H, W), true where the photo stays as it is, or mostly so."""
    if photo.kept is None:
        return np.zeros((photo.image.height, photo.image.width), bool)
    return np.asarray(photo.kept) >= 128


def _is_opaque(photo: LoadedImage) -> np.ndarray:
    """Return bool (H, W), true where the alpha of a photo is at least ALPHA_THRESHOLD."""
    if photo.alpha is None:
        return np.ones((photo.image.height, photo.image.width), bool)
    return np.asarray(photo.alpha) >= ALPHA_THRESHOLD


def _to_image(region: np.ndarray) -> Image.Image:
    """Return bool (H, W) as an image of mode L: 255 where true, else 0."""
    return Image.fromarray(region.astype(np.uint8) * np.uint8(255))
