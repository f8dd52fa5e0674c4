"""Regions of a photo that a user has painted or sent as a mask: to be filled, or to stay as they are."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

from i2i.demo.uploads import UploadStore
from i2i.errors import ImageError, UsageError
from i2i.images import LoadedImage, blend_on_white, restore_alpha

# The part of a message about a mask that names a flag of the command line, which this user does not have.
_FLAG_ADVICE = re.compile(r"[.;][^.;]*--mask[^.;]*(?=\.)")
_THRESHOLD = 128  # alpha of an editor's layer from which a pixel is painted


@dataclass(frozen=True)
class Selection:
    """The region that a user has selected.

    Args:
        mask: an uploaded mask of the photo's size, see ``i2i.inference.mask_images.mask_from_image``.
        layers: the layers of an image editor, of any size: transparent where nothing is painted.
        name: how messages name the mask.
    """

    mask: str | Path | None = None
    layers: Sequence[str | Path] = ()
    name: str = "The mask"

    def region(self, store: UploadStore, photo: LoadedImage) -> Image.Image | None:
        """Return an image of mode L, 255 in the region; None if there is neither a mask nor paint.

        Args:
            store: reads the uploads.
            photo: the photo, not blended.

        Raises:
            ImageError: an upload cannot be decoded, or the mask has another size or is no mask.
        """
        size = photo.image.size
        region = Image.new("L", size, 0)
        for layer in self.layers:
            loaded = store.read(layer, blend=False)
            alpha = loaded.alpha or Image.new("L", loaded.image.size, 255)
            region = ImageChops.lighter(region, alpha.resize(size, Image.Resampling.BILINEAR))
        region = region.point(lambda value: 255 if value >= _THRESHOLD else 0)
        if self.mask:
            from i2i.inference.mask_images import mask_from_image

            uploaded = store.read(self.mask, blend=False)
            with _without_flags():
                mask = mask_from_image(uploaded, photo.image, self.name)
            region = ImageChops.lighter(region, Image.fromarray(mask).convert("L"))
        elif not region.getbbox():
            return None
        return region


def with_region_to_fill(photo: LoadedImage, region: Image.Image | None) -> LoadedImage:
    """Return the photo with a region, or without one its transparent part, masked for an inpainting model.

    Args:
        photo: the photo, not blended.
        region: mode L, 255 where to fill.

    Returns: a ``MaskedPhoto``.

    Raises:
        UsageError: there is nothing to fill.
        ImageError: the region is empty, or everything is to be filled.
    """
    from i2i.inference.masks import MaskReader

    reader = MaskReader(None)
    if region is not None:
        with _without_flags():
            return reader.apply_mask_image("The photo", photo, "The mask", LoadedImage(region.convert("RGB")))
    if photo.alpha is None:
        raise UsageError(
            "This model fills missing parts, and nothing in this photo is transparent. Paint what it is to fill, erase "
            "a part of the photo, or add a mask that is white where it is to be filled."
        )
    return reader.apply_mask(Path("The photo"), photo)


@contextmanager
def _without_flags() -> Iterator[None]:
    """Leave out of a message about a mask what it says about flags of the command line."""
    try:
        yield
    except ImageError as error:
        raise ImageError(_FLAG_ADVICE.sub("", str(error))) from error


def blended(photo: LoadedImage) -> Image.Image:
    """Return a photo as RGB, on white where it is transparent."""
    return photo.image if photo.alpha is None else blend_on_white(photo.image, photo.alpha)


def compose(output: Image.Image, photo: LoadedImage, kept: Image.Image | None = None) -> Image.Image:
    """Return the result of a photo: the output of the model with the photo's transparency and its kept region.

    Args:
        output: RGB.
        photo: the photo, not blended.
        kept: mode L of the photo's size, 255 where the result has the pixels of the photo as they are stored.

    Returns: RGBA if the photo is transparent somewhere, else RGB.
    """
    result = output
    if photo.alpha is not None:
        result = restore_alpha(output, photo.image, photo.alpha)
    if kept is None:
        return result
    stored = photo.image.copy()
    if photo.alpha is not None:
        stored.putalpha(photo.alpha)
    result = result.copy()
    result.paste(stored, (0, 0), kept)
    return result
