"""Images in NumPy's files: ``.npy``, and ``.npz`` with one array. Nothing is ever unpickled."""

import io
import math
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from i2i.errors import ImageError
from i2i.images.sample_images import Arrangement, SampleImage, Samples
from i2i.images.sample_types import check_channels, check_memory, sample_type_of

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 10_000


class NumpyImage(SampleImage):
    """An array (H, W) or (H, W, C). An array (C, H, W) is taken too, if only its first side is one of channels."""

    format = "NPY"

    def _open(self) -> None:
        assert self.fp is not None
        with _array_stream(self.fp) as stream:
            shape, _, dtype = _read_header(stream)
        self._shape, self._axes = image_shape(shape)
        self.arrangement = "flat" if len(shape) == 2 else "interleaved" if self._axes is None else "planar"
        self.dtype = np.dtype("uint8") if dtype.kind == "b" else dtype.newbyteorder("=")
        self.sample_type = sample_type_of(self.dtype)
        self._size = (self._shape[1], self._shape[0])
        self.num_channels = self._shape[2]
        self._mode = "L" if self.num_channels < 3 else "RGB"
        if self.num_channels not in (1, 3):
            self.not_a_picture = f"has {self.num_channels} channels"

    def channels(self) -> np.ndarray:
        """Return the array as (H, W, C).

        Raises OSError if the file is cut off.
        """
        assert self.fp is not None
        height, width, count = self._shape
        check_memory(width, height, count, self.dtype.itemsize, self.max_pixels)
        with _array_stream(self.fp) as stream:
            shape, is_fortran, dtype = _read_header(stream)
            length = math.prod(shape) * dtype.itemsize
            data = stream.read(length)
        if len(data) != length:
            raise OSError(f"it has {len(data)} of the {length} bytes of its array")
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
        values = values.reshape(self._shape) if self._axes is None else values.transpose(self._axes)
        return np.ascontiguousarray(values, self.dtype)

    def _decode(self) -> Samples:
        values = self.channels()
        return Samples(values[..., 0] if self.num_channels == 1 else values, self.sample_type)


def image_shape(shape: tuple[int, ...]) -> tuple[tuple[int, int, int], tuple[int, int, int] | None]:
    """Return the shape (H, W, C) of an array, and the order of axes that makes it so; None to reshape it.

    Raises: ImageError if the array is no image.

    >>> image_shape((64, 48))
    ((64, 48, 1), None)
    >>> image_shape((4, 64, 48))
    ((64, 48, 4), (1, 2, 0))
    """
    if len(shape) == 3 and shape[0] <= 16 < min(shape[1:]):
        height, width, count = shape[1], shape[2], shape[0]
        axes = (1, 2, 0)
    elif len(shape) in (2, 3):
        height, width, count = (*shape, 1)[:3]
        axes = None
    else:
        raise ImageError(f"holds an array of shape {shape}; an image is (H, W) or (H, W, C)")
    if 0 in shape:
        raise ImageError(f"holds an empty array, of shape {shape}")
    check_channels(count)
    return (height, width, count), axes


def encode_npy(values: np.ndarray, arrangement: Arrangement = "interleaved") -> bytes:
    """Return samples (H, W, C) as the bytes of a file ``.npy``, see ``ChannelImage`` for the arrangement."""
    if arrangement == "planar":
        values = np.moveaxis(values, 2, 0)
    elif arrangement == "flat" and values.shape[2] == 1:
        values = values[..., 0]
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(values), allow_pickle=False)
    return file.getvalue()


def _array_stream(file: BinaryIO | Any) -> Any:
    """Return a stream of the array in a file: the file itself, or the only array of an archive."""
    file.seek(0)
    if file.read(len(NPY_MAGIC)) == NPY_MAGIC:
        file.seek(0)
        return _Borrowed(file)
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
        names = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise SyntaxError("neither .npy nor .npz") from error
    if len(names) != 1:
        found = ", ".join(name.removesuffix(".npy") for name in names[:5]) or "none"
        raise ImageError(f"holds {len(names)} arrays ({found}); an image is an archive of one array")
    return archive.open(names[0])


class _Borrowed:
    """A stream that stays open after its context."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def __enter__(self) -> "_Borrowed":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type of an array. Raises ImageError for anything but numbers."""
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read(stream, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SyntaxError("not a file of NumPy") from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ImageError(f"holds values of the type {dtype}; an image has integers or floats")
    if any(length < 0 for length in shape):
        raise ImageError(f"holds an array of shape {shape}")
    return shape, is_fortran, dtype
