"""The image formats that i2i reads and writes. Pillow's other formats are not allowed."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MAX_PIXELS = 89_000_000


@dataclass(frozen=True)
class Format:
    """An image format.

    Args:
        name: Pillow's name.
        suffixes: file name suffixes, the usual one first.
        alpha: whether it can store alpha.
        grey: whether i2i writes grey images of one channel in it.
        frames: whether it may contain several images.
        lossy: whether it has a quality from 1 to 100.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = False
    grey: bool = False
    frames: bool = False
    lossy: bool = False


_FORMATS = (
    Format("PNG", (".png", ".apng"), alpha=True, grey=True, frames=True),
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), grey=True, lossy=True),
    Format("WEBP", (".webp",), alpha=True, frames=True, lossy=True),
    Format("AVIF", (".avif", ".avifs"), alpha=True, frames=True, lossy=True),
    Format("TIFF", (".tif", ".tiff"), alpha=True, grey=True, frames=True),
    Format("BMP", (".bmp",)),
    Format("JPEG2000", (".jp2", ".j2k", ".jpx"), alpha=True),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    Format("GIF", (".gif",), alpha=True, grey=True, frames=True),
    Format("TGA", (".tga",), alpha=True),
)
FORMAT_BY_SUFFIX = {suffix: format for format in _FORMATS for suffix in format.suffixes}
FORMAT_BY_NAME = {format.name: format for format in _FORMATS}
HEIC_SUFFIXES = {".heic", ".heif"}
HAS_HEIC = find_spec("pillow_heif") is not None
ARRAY_SUFFIXES = {".npy", ".npz"}  # of NumPy's files
# Files with these suffixes count as images when a folder is listed.
IMAGE_SUFFIXES = set(FORMAT_BY_SUFFIX) | (HEIC_SUFFIXES if HAS_HEIC else set())


def allowed_decoders(path: Path) -> list[str]:
    """Return Pillow's names of the decoders that may open a file.

    TGA files have no signature, and the TGA decoder accepts almost any bytes. It is allowed only for .tga files.
    """
    return [format.name for format in _FORMATS if format.name != "TGA" or path.suffix.lower() in format.suffixes]
