"""Label maps: images whose pixels are class ids. They are never interpolated and never converted to colours."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images.channels import CLASS_IDS, ChannelImage, read_channel_header, read_channels
from i2i.images.label_classes import LabelClasses
from i2i.images.sample_types import count_channels


@dataclass(frozen=True, eq=False)
class LabelMap(ChannelImage):
    """A label map. Its values are indices (H, W, 1), see ``LabelClasses.to_indices``.

    Args:
        classes: of its pixels.
    """

    classes: LabelClasses = field(default_factory=lambda: LabelClasses(count=2))

    def resize(self, size: tuple[int, int], resample: Image.Resampling = Image.Resampling.NEAREST) -> "LabelMap":
        """Return the label map at another width and height: the nearest pixel, whatever ``resample`` says."""
        if size == self.size:
            return self
        rows, columns = (
            ((np.arange(new) + 0.5) * (old / new)).astype(int).clip(0, old - 1)
            for new, old in ((size[1], self.height), (size[0], self.width))
        )
        return replace(self, values=self.values[rows][:, columns], geo={})

    def one_hot(self) -> np.ndarray:
        """Return levels (H, W, number of classes), uint8: 255 for the pixel's class, else 0."""
        return self.classes.one_hot(self.values)


def to_label_map(image: ChannelImage, classes: LabelClasses, name: str) -> LabelMap:
    """Return an image of class ids as a label map. Raises ImageError unless it has one channel with ids of classes."""
    if image.channels != 1:
        raise ImageError(f"{name} has {count_channels(image.channels)}; a label map has one, of class ids.")
    return LabelMap(classes.to_indices(image.values, name), geo=image.geo, classes=classes)


def read_label_map(path: Path, classes: LabelClasses) -> LabelMap:
    """Read a label map: an image with a palette, or class ids in a grey image, a TIFF or an array.

    Raises:
        ImageError: the file cannot be read, holds no class ids, has ids of no class, or another palette.
    """
    classes.check_palette(read_channel_header(path).palette, str(path))
    return to_label_map(read_channels(path, CLASS_IDS), classes, str(path))
