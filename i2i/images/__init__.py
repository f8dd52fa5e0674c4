"""Pictures: files, uint8 arrays and the tensors that networks see.

A picture is an RGB tensor (N, 3, H, W), float, in [-1, 1]: 0 maps to -1 and 255 to 1. ``to_float`` and
``to_uint8`` are the only two places where that scale is spelled out; ``read`` is the only way from a file to pixels,
``encode`` and ``Writer`` the only ones back.
"""

from i2i.images.colour import off_white, on_white, upright_rgb
from i2i.images.decoders import Decoders, Here
from i2i.images.files import open_regular, write_atomic
from i2i.images.formats import FORMATS, MAX_PIXELS
from i2i.images.image_grid import grid, sheet, tiles
from i2i.images.metadata import Provenance, Source
from i2i.images.reading import Photo, header, look, read, read_photo
from i2i.images.tensors import to_float, to_uint8
from i2i.images.writing import QUALITY, Writer, encode

__all__ = [
    "FORMATS", "MAX_PIXELS", "QUALITY", "Decoders", "Here", "Photo", "Provenance", "Source", "Writer", "encode", "grid",
    "header", "look", "off_white", "on_white", "open_regular", "read", "read_photo", "sheet", "tiles", "to_float",
    "to_uint8", "upright_rgb", "write_atomic",
]  # fmt: skip
