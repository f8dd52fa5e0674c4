"""The mask images that belong to photos, and the regions that they protect."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from i2i.data.layout import list_images
from i2i.errors import ImageError, UsageError
from i2i.images import LoadedImage, load_image
from i2i.inference.mask_images import MaskFill, soft_mask_from_image

ReadImage = Callable[[Path], LoadedImage]
load_unblended = partial(load_image, blend=False)


class MaskFiles:
    """Finds the mask image of a photo.

    Args:
        mask: a mask image for all photos, or a folder with a mask of the same name for each photo.
        flag: that names the masks, for messages.

    Raises: UsageError if ``mask`` does not exist.
    """

    def __init__(self, mask: Path, flag: str = "--mask") -> None:
        if not mask.exists():
            raise UsageError(
                f"{mask} does not exist. {flag} takes an image, or a folder with an image of each photo's name."
            )
        self.mask = mask
        self._masks_in_folder = list_images(mask) if mask.is_dir() else None

    def mask_of(self, path: Path) -> Path:
        """Return the path of a photo's mask. Raises ImageError if the folder has none, or several."""
        if self._masks_in_folder is None:
            return self.mask
        masks = [mask for mask in self._masks_in_folder if mask.stem == path.stem]
        if len(masks) > 1:  # prefer a mask in a subfolder of the same name as the photo's
            parents = {mask: mask.relative_to(self.mask).parent.parts for mask in masks}
            masks = [mask for mask in masks if path.parent.parts[-len(parents[mask]) :] == parents[mask]] or masks
        if len(masks) > 1:
            raise ImageError(f"{path} has {len(masks)} masks: {masks[0]} and {masks[1]}. Keep one of them.")
        if not masks:
            raise ImageError(f"{path} has no mask: {self.mask} holds no image of the name {path.stem}.")
        return masks[0]


class ProtectedRegions:
    """The regions of photos that stay as they are.

    Args:
        mask: a mask image for all photos, or a folder with a mask of the same name for each photo.
        fill: what the mask images mark, see ``mask_from_image``.

    Raises: UsageError if ``mask`` does not exist.
    """

    def __init__(self, mask: Path, *, fill: MaskFill = "white") -> None:
        self.fill = fill
        self._files = MaskFiles(mask, "--protect")

    def add_to(self, path: Path, photo: LoadedImage, read_mask: ReadImage = load_unblended) -> LoadedImage:
        """Return the photo with its protected region as ``kept``.

        Args:
            path: path of the photo; its stem selects the mask within a folder.
            photo: the photo.
            read_mask: reads a mask image, not blended.

        Raises: ImageError if the mask cannot be read, has another size or is no mask.
        """
        mask_path = self._files.mask_of(path)
        stored = photo.image if photo.unblended is None else photo.unblended
        kept = soft_mask_from_image(read_mask(mask_path), stored, str(mask_path), self.fill)
        return replace(photo, kept=Image.fromarray(kept))


def load_protection(
    mask: str | os.PathLike[str] | None, fill: MaskFill, model: str, scale: int
) -> ProtectedRegions | None:
    """Return the regions that a model leaves as they are; None if ``mask`` is None.

    Args:
        mask: see ``ProtectedRegions``.
        fill: see ``ProtectedRegions``.
        model: name of the model, for messages.
        scale: size of its results relative to the photos.

    Raises: UsageError if the model changes the size of the photos.
    """
    if mask is None:
        return None
    if scale != 1:
        raise UsageError(
            f"{model} changes the size of a photo, so no region can stay as it is: omit --protect (protect in Python)."
        )
    return ProtectedRegions(Path(mask), fill=fill)
