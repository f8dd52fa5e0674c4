"""TIFF in colour whose values are floats, which Pillow does not know: opened as it opens others, decoded by OpenCV."""

from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from i2i.images.colour import eight_bits

_WIDTH, _HEIGHT, _CHANNELS, _KIND, _PROFILE = 256, 257, 277, 339, 34675
_FLOAT = 3


def float_tiff(file: BinaryIO) -> Image.Image | None:
    """The picture, not yet decoded; None where the file is another kind of TIFF, or none."""
    try:
        file.seek(0)
        return _FloatTiff(file)
    except SyntaxError:
        return None


class _FloatTiff(ImageFile.ImageFile):
    format = "TIFF"

    def _open(self) -> None:
        assert self.fp is not None
        directory = ImageFileDirectory_v2(self.fp.read(8))
        self.fp.seek(directory.next)
        directory.load(self.fp)
        kind, channels = directory.get(_KIND, (1,)), directory.get(_CHANNELS, 1)
        if set(kind) != {_FLOAT} or channels not in (3, 4):
            raise SyntaxError("no TIFF in colours of floats")
        self._size, self._mode = (int(directory[_WIDTH]), int(directory[_HEIGHT])), "RGB"
        if _PROFILE in directory:
            self.info["icc_profile"] = bytes(directory[_PROFILE])

    def load(self) -> Any:
        import cv2

        if self._im is None:
            assert self.fp is not None
            self.fp.seek(0)
            values = cv2.imdecode(np.frombuffer(self.fp.read(), np.uint8), cv2.IMREAD_UNCHANGED)
            if values is None or values.shape[:2] != (self.height, self.width) or values.ndim != 3:
                raise OSError("its pixels cannot be decoded")
            self.im = Image.fromarray(eight_bits(values[..., 2::-1])).im
        return Image.Image.load(self)
