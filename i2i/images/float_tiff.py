"""Float TIFF with colours, which Pillow cannot decode: opened like other images, decoded by OpenCV."""

from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from i2i.images.colour import to_uint8_array

# TIFF tags and the sample format of floats
_WIDTH = 256
_HEIGHT = 257
_CHANNELS = 277
_SAMPLE_FORMAT = 339
_PROFILE = 34675
_FLOAT = 3


def open_float_tiff(file: BinaryIO) -> Image.Image | None:
    """Return the image, not yet decoded; None if the file is not a float TIFF with 3 or 4 channels."""
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
        sample_formats = directory.get(_SAMPLE_FORMAT, (1,))
        if set(sample_formats) != {_FLOAT} or directory.get(_CHANNELS, 1) not in (3, 4):
            raise SyntaxError("not a float TIFF with 3 or 4 channels")
        self._size = (int(directory[_WIDTH]), int(directory[_HEIGHT]))
        self._mode = "RGB"
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
            self.im = Image.fromarray(to_uint8_array(values[..., 2::-1])).im  # BGR(A) to RGB
        return Image.Image.load(self)
