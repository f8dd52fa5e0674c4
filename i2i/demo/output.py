"""File formats of results: their names, media types and quality."""

from dataclasses import dataclass

from i2i.errors import UsageError
from i2i.images.formats import FORMAT_BY_SUFFIX
from i2i.images.writing import QUALITY

_ALIASES = {"jpeg": "jpg", "tiff": "tif"}
_MEDIA_TYPES = {"jpg": "image/jpeg", "tif": "image/tiff"}
LABELS = {"png": "PNG", "jpg": "JPEG", "webp": "WebP", "avif": "AVIF", "tif": "TIFF"}
FORMATS = tuple(LABELS)  # for photos in full colour; `i2i convert` writes others too


@dataclass(frozen=True)
class OutputOptions:
    """How a result is encoded.

    Args:
        format: one of FORMATS.
        quality: of a lossy format, from 1 to 100.
        lossless: whether WebP and AVIF store the pixels as they are.

    Raises:
        UsageError: there is no such format or quality, or the format is always lossy.
    """

    format: str = "png"
    quality: int = QUALITY
    lossless: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"There is no format {self.format[:20]!r}. Choose {', '.join(FORMATS)}.")
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
        name = (format or "png").lower().strip().removeprefix(".")
        if quality is not None and quality != round(quality):
            raise UsageError(f"The quality is {quality:g}; it must be a whole number from 1 to 100.")
        return cls(_ALIASES.get(name, name), QUALITY if quality is None else int(quality), lossless)

    @property
    def suffix(self) -> str:
        return f".{self.format}"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES.get(self.format, f"image/{self.format}")

    @property
    def is_lossy(self) -> bool:
        return FORMAT_BY_SUFFIX[self.suffix].lossy
