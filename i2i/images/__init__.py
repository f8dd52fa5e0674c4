"""Images: files, uint8 arrays and the tensors that networks take.

An image is an RGB tensor (N, 3, H, W), float, in [-1, 1]: 0 maps to -1 and 255 to 1. Only ``to_float`` and
``to_uint8`` convert between the two scales. Only ``read`` and ``load_image`` decode a file, and only ``encode`` and
``Writer`` encode one.
"""

from i2i.images.colour import blend_on_white, restore_alpha, to_upright_srgb, unblend_from_white
from i2i.images.decoders import DecoderPool
from i2i.images.files import open_regular, write_atomic
from i2i.images.formats import IMAGE_SUFFIXES, MAX_PIXELS
from i2i.images.image_grid import labelled_grid, make_grid, sample_grid
from i2i.images.metadata import Provenance, SourceMetadata
from i2i.images.reading import LoadedImage, load_image, probe, read, read_header
from i2i.images.tensors import to_float, to_uint8
from i2i.images.writing import QUALITY, Writer, encode

__all__ = [
    "IMAGE_SUFFIXES", "MAX_PIXELS", "QUALITY", "DecoderPool", "LoadedImage", "Provenance", "SourceMetadata", "Writer",
    "blend_on_white", "encode", "labelled_grid", "load_image", "make_grid", "open_regular", "probe", "read",
    "read_header", "restore_alpha", "sample_grid", "to_float", "to_uint8", "to_upright_srgb", "unblend_from_white",
    "write_atomic",
]  # fmt: skip
