"""The picture formats that are read and written: a list of those allowed, whatever Pillow could do besides."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MAX_PIXELS = 89_000_000


@dataclass(frozen=True)
class Format:
    """name: Pillow's. suffixes: the first is the usual one. alpha: can hold it. frames: may hold more than one."""

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = False
    frames: bool = False
    lossy: bool = False  # has a quality from 1 to 100


_FORMATS = (
    Format("PNG", (".png", ".apng"), alpha=True, frames=True),
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), lossy=True),
    Format("WEBP", (".webp",), alpha=True, frames=True, lossy=True),
    Format("AVIF", (".avif", ".avifs"), alpha=True, frames=True, lossy=True),
    Format("TIFF", (".tif", ".tiff"), alpha=True, frames=True),
    Format("BMP", (".bmp",)),
    Format("JPEG2000", (".jp2", ".j2k", ".jpx"), alpha=True),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    Format("GIF", (".gif",), frames=True),
    Format("TGA", (".tga",), alpha=True),
)
BY_SUFFIX = {suffix: format for format in _FORMATS for suffix in format.suffixes}
BY_NAME = {format.name: format for format in _FORMATS}
HEIC = {".heic", ".heif"}
HAS_HEIC = find_spec("pillow_heif") is not None
# The endings under which pictures are looked for.
FORMATS = set(BY_SUFFIX) | (HEIC if HAS_HEIC else set())


def decoders(path: Path) -> list[str]:
    """Pillow's names of the decoders that a file may be given to.

    TGA has no signature: its decoder takes almost any bytes for a picture, so it sees files of that name alone.
    """
    return [format.name for format in _FORMATS if format.name != "TGA" or path.suffix.lower() in format.suffixes]
