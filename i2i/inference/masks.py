"""Masks for inpainting, from the transparency of a photo and from mask images."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

from i2i.data.layout import list_images
from i2i.errors import ImageError, UsageError
from i2i.images import LoadedImage, read, unblend_from_white

ALPHA_THRESHOLD = 128  # pixels with at least this alpha are known; the others are masked


class MaskReader:
    """Give photos an alpha channel that is 0 where they are to be filled, and 255 elsewhere.

    Pixels whose alpha is below ALPHA_THRESHOLD are masked, and pixels that are light in the mask image.

    Args:
        mask: a mask image for all photos, a folder with a mask of the same name for each photo, or None.

    Raises: UsageError if ``mask`` does not exist.
    """

    def __init__(self, mask: Path | None) -> None:
        if mask is not None and not mask.exists():
            raise UsageError(
                f"{mask} does not exist. --mask takes an image, or a folder with an image of each photo's name."
            )
        self.mask = mask
        self.mask_by_stem = None
        if mask is not None and mask.is_dir():
            self.mask_by_stem = {path.stem: path for path in list_images(mask)}

    def apply_mask(
        self, path: Path, photo: LoadedImage, read_mask: Callable[[Path], Image.Image] = read
    ) -> LoadedImage:
        """Return the photo with its mask as alpha channel, and with unblended colours where it is half-transparent.

        Args:
            path: path of the photo; its stem selects the mask within a folder.
            photo: the photo.
            read_mask: reads a mask image.

        Raises: ImageError if the mask cannot be read or has another size, or if nothing or everything is masked.
        """
        known = photo.alpha or Image.new("L", photo.image.size, 255)
        if self.mask is not None:
            known = ImageChops.darker(known, self._known_region(path, photo.image.size, read_mask))
        known = known.point(lambda value: 255 if value >= ALPHA_THRESHOLD else 0)
        if known.getextrema() == (255, 255):
            reason = "no pixel is transparent" + ("" if self.mask is None else ", and its mask is black")
            raise ImageError(
                f"{path} has no masked region: {reason}. Make regions transparent, or mask them by --mask."
            )
        if known.getextrema() == (0, 0):
            reason = "transparent" if self.mask is None else "transparent or white in its mask"
            raise ImageError(f"{path} is masked completely: every pixel is {reason}. Black in a mask means keep.")
        colours = unblend_from_white(photo.image, photo.alpha).convert("RGB") if photo.alpha else photo.image
        return LoadedImage(colours, known, photo.source)

    def rgba(self, path: Path, photo: LoadedImage) -> Image.Image:
        """Return a photo as RGBA that is transparent where it is to be filled.

        Raises: ImageError as ``apply_mask`` does, and UsageError if there is neither a mask nor an alpha channel.
        """
        if self.mask is None and photo.alpha is None:
            raise UsageError(
                "This model fills transparent regions. It takes RGBA images, or a mask (mask in i2i.load); found an "
                "image without transparency."
            )
        masked = self.apply_mask(path, photo)
        rgba = masked.image.copy()
        assert masked.alpha is not None
        rgba.putalpha(masked.alpha)
        return rgba

    def _known_region(self, path: Path, size: tuple[int, int], read_mask: Callable[[Path], Image.Image]) -> Image.Image:
        """Return the mask of a photo, inverted: an image of mode L that is light where the photo is known."""
        mask_path = self.mask if self.mask_by_stem is None else self.mask_by_stem.get(path.stem)
        if mask_path is None:
            raise ImageError(f"{path} has no mask: {self.mask} holds no image of the name {path.stem}.")
        mask = read_mask(mask_path).convert("L")
        if mask.size != size:
            actual = f"{mask.width}x{mask.height}"
            raise ImageError(f"{mask_path} is {actual}; a mask must have the size of its photo, {size[0]}x{size[1]}.")
        return ImageOps.invert(mask)
