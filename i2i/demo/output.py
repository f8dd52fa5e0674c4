"""File formats of results: their names, media types and quality."""

from dataclasses import dataclass, replace

from i2i.errors import UsageError
from i2i.images.channel_writing import can_store
from i2i.images.formats import FORMAT_BY_SUFFIX
from i2i.images.pixel_format import PixelFormat
from i2i.images.writing import QUALITY

_ALIASES = {"jpeg": "jpg", "tiff": "tif"}
_MEDIA_TYPES = {"jpg": "image/jpeg", "tif": "image/tiff", "npy": "application/octet-stream"}
OWN = "own"  # PNG for a photo; of another model the format that keeps all samples of its results
LABELS = {"png": "PNG", "jpg": "JPEG", "webp": "WebP", "avif": "AVIF", "tif": "TIFF", "npy": "NumPy (.npy)"}
FORMATS = ("png", "jpg", "webp", "avif", "tif")  # for photos in full colour; `i2i convert` writes others too


@dataclass(frozen=True)
class OutputOptions:
    """How a result is encoded.

    Args:
        format: one of FORMATS, "npy", or OWN.
        quality: of a lossy format, from 1 to 100.
        lossless: whether WebP and AVIF store the pixels as they are.

    Raises:
        UsageError: there is no such format or quality, or the format is always lossy.
    """

    format: str = "png"
    quality: int = QUALITY
    lossless: bool = False

    def __post_init__(self) -> None:
        if self.format not in (OWN, *LABELS):
            raise UsageError(f"There is no format {self.format[:20]!r}. Choose {', '.join(LABELS)}.")
        if not 1 <= self.quality <= 100:
            raise UsageError(f"The quality is {self.quality}; it must be from 1 to 100.")
        if self.lossless and self.format == "jpg":
            raise UsageError("JPEG cannot store an image without loss. Choose PNG, WebP, AVIF or TIFF.")

    @classmethod
    def parse(cls, format: str | None, quality: float | None, lossless: bool = False) -> "OutputOptions":
        """Return the options from texts of a user, such as "JPEG" or ".tiff". None is the default.

        Raises:
            UsageError: there is no such format or quality, or the format is always lossy.
        """
        name = (format or OWN).lower().strip().removeprefix(".")
        if quality is not None and quality != round(quality):
            raise UsageError(f"The quality is {quality:g}; it must be a whole number from 1 to 100.")
        return cls(_ALIASES.get(name, name), QUALITY if quality is None else int(quality), lossless)

    def resolved(self, own: str) -> "OutputOptions":
        """Return the options with ``own`` in place of OWN."""
        return replace(self, format=own) if self.format == OWN else self

    @property
    def suffix(self) -> str:
        return ".png" if self.format == OWN else f".{self.format}"

    @property
    def media_type(self) -> str:
        name = self.suffix[1:]
        return _MEDIA_TYPES.get(name, f"image/{name}")

    @property
    def is_lossy(self) -> bool:
        return self.suffix != ".npy" and FORMAT_BY_SUFFIX[self.suffix].lossy


def formats_for(format: PixelFormat | None) -> list[str]:
    """Return the file formats that store results of a pixel format; None for photos."""
    if format is None:
        return list(FORMATS)
    return [name for name in LABELS if can_store(f".{name}", format.channels, format.dtype)]
