"""Photos with parts that are to be filled in: those that are transparent, or that a second picture marks."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

from i2i.data.layout import pictures
from i2i.errors import PictureError, UsageError
from i2i.images import Photo, off_white, read, read_photo

OPAQUE = 128  # alpha from which a pixel is known


class HoleReader:
    """Reads a photo as RGBA whose alpha is 0 where it is to be filled in, and 255 elsewhere.

    mask: a picture whose light parts are the holes of every photo; or a folder with one of each photo's name. What is
    transparent, by half or more, is a hole as well. Raises UsageError where there is no such mask.
    """

    def __init__(self, mask: Path | None) -> None:
        if mask is not None and not mask.exists():
            raise UsageError(f"{mask} does not exist. --mask is a picture, or a folder with one of each photo's name.")
        self.mask = mask
        self.masks = {path.stem: path for path in pictures(mask)} if mask is not None and mask.is_dir() else None

    def __call__(self, path: Path) -> Image.Image:
        """Raises PictureError where photo or mask cannot be read, do not fit each other, or there is no hole."""
        photo = self.marked(path, read_photo(path))
        whole = photo.image.copy()
        if photo.alpha is not None:
            whole.putalpha(photo.alpha)
        return whole

    def marked(self, path: Path, photo: Photo, read: Callable[[Path], Image.Image] = read) -> Photo:
        """The photo of a file with the holes as its alpha, and its colours as they are wherever they are seen at all.

        read: reads its mask. Raises PictureError as calling it does.
        """
        known = photo.alpha or Image.new("L", photo.image.size, 255)
        if self.mask is not None:
            known = ImageChops.darker(known, self._unmarked(path, photo.image.size, read))
        known = known.point(lambda value: 255 if value >= OPAQUE else 0)
        if known.getextrema() == (255, 255):
            how = "nothing in it is transparent" + ("" if self.mask is None else ", and its mask is black")
            raise PictureError(f"{path} has no hole to fill: {how}. Make parts transparent, or mark them by --mask.")
        if known.getextrema() == (0, 0):
            how = "transparent" if self.mask is None else "transparent or white in its mask"
            raise PictureError(f"{path} is one hole: all of it is {how}. Black in a mask is what stays.")
        colours = off_white(photo.image, photo.alpha).convert("RGB") if photo.alpha else photo.image
        return Photo(colours, known, photo.source)

    def _unmarked(self, path: Path, size: tuple[int, int], read: Callable[[Path], Image.Image]) -> Image.Image:
        mask = self.mask if self.masks is None else self.masks.get(path.stem)
        if mask is None:
            raise PictureError(f"{path} has no mask: {self.mask} holds none of its name.")
        marked = read(mask).convert("L")
        if marked.size != size:
            found, wanted = (f"{width}x{height}" for width, height in (marked.size, size))
            raise PictureError(f"{mask} is {found}; a mask must have the size of its photo, {wanted}.")
        return ImageOps.invert(marked)
