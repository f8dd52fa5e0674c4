"""How a network sees pictures: padded, with the level or the mask it was trained to have, or as a small copy."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps

from i2i.errors import UsageError
from i2i.images import upright_rgb
from i2i.images.pull_push import filled
from i2i.inference.chroma_transfer import shrunk
from i2i.inference.masks import OPAQUE
from i2i.inference.transfer import put
from i2i.networks import GeneratorConfig, RestorerConfig
from i2i.restoration.inpaint import grey

SMALLEST = 16  # pixels a side to which smaller pictures are padded, so that every layer has some to look at
Size = tuple[int, int]  # width and height


class Sight:
    """What a network of this config, trained on pictures of ``size`` pixels a side, is given for a picture.

    level: in [-1, 1], what it is told of the strength of the damage. pinned: batches are made in memory from which a
    copy to CUDA runs beside the network.
    """

    def __init__(self, config: GeneratorConfig, size: int, level: float = 0.0, *, pinned: bool = False) -> None:
        restorer = config if isinstance(config, RestorerConfig) else RestorerConfig()
        self.shows, self.scale = restorer.shows, restorer.scale
        self.small = size if restorer.answers == "chroma" else None  # shorter side of a copy on which it finds colours
        self.multiple, self.reach = config.multiple(size), restorer.reach if restorer is config else None
        self._level, self._pinned = level, pinned

    def upright(self, image: Image.Image) -> Image.Image:
        """RGB, or RGBA for what fills holes, turned by its EXIF orientation."""
        if self.shows != "mask":
            return upright_rgb(image)
        if image.mode != "RGBA":
            raise UsageError("This model fills what is transparent: it takes RGBA pictures.")
        return ImageOps.exif_transpose(image)

    def padded(self, size: Size) -> Size:
        """Width and height in which the network sees a picture of ``size``."""
        seen = size if self.small is None else shrunk(size, self.small)
        width, height = (-(-max(length, SMALLEST) // self.multiple) * self.multiple for length in seen)
        return width, height

    def laid_out(self, images: Sequence[Image.Image]) -> tuple[torch.Tensor, list[Size]]:
        """uint8 (N, H, W, C) of the padded size they share, and where in it the left top corner of each lies."""
        width, height = self.padded(images[0].size)
        shape = len(images), height, width, len(images[0].getbands())
        batch = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pinned)
        pixels = (self._pixels(image) for image in images)
        return batch, [put(each, place) for each, place in zip(pixels, batch.numpy(), strict=True)]

    def _pixels(self, image: Image.Image) -> np.ndarray:
        """uint8 (H, W, C); what is transparent to a network that fills it is filled from around it to begin with.

        A network that finds colours is shown none, as in its training.
        """
        pixels = np.asarray(image)
        if self.small is not None:
            return grey(pixels)
        if self.shows != "mask":
            return pixels
        return np.concatenate([filled(pixels[..., :3], pixels[..., 3] < OPAQUE), pixels[..., 3:]], 2)

    def given(self, picture: torch.Tensor) -> torch.Tensor:
        """(N, 3 or, with transparency, 4, H, W) in [-1, 1] as the network is to have it."""
        if self.shows == "level":
            return torch.cat([picture, torch.full_like(picture[:, :1], self._level)], 1)
        if self.shows == "mask":
            hole = picture[:, 3:] < 0
            return torch.cat([picture[:, :3], hole * 2.0 - 1.0], 1)
        return picture

    def cropped(self, whole: torch.Tensor, corner: Size, size: Size) -> torch.Tensor:
        """What came of a picture of ``size`` out of what came of it padded, (H, W, 3)."""
        (left, top), (width, height) = ((self.scale * length for length in pair) for pair in (corner, size))
        return whole[top : top + height, left : left + width]
