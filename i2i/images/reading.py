"""Decoding of image files to upright 8-bit sRGB, with the reason where a file cannot be decoded."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from i2i.errors import ImageError
from i2i.images.colour import blend_on_white, kept_profile, read_deep_colours, to_upright_srgb_with_alpha
from i2i.images.deep import DeepImage
from i2i.images.formats import FORMAT_BY_NAME, MAX_PIXELS
from i2i.images.grey import stores_grey
from i2i.images.metadata import SourceMetadata, read_source_metadata
from i2i.images.opening import open_image
from i2i.images.samples import declared_by, is_bright, read_samples, sample_type, summarize
from i2i.images.value_range import (
    SampleSummary,
    SampleType,
    ValueRange,
    ValueRanges,
    common_ranges,
    exceeds,
    is_narrow,
)

ProfilePolicy = Literal["convert", "state", "keep"]


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image decoded from a file.

    Args:
        image: RGB, blended on white where it is transparent, unless it was loaded without blending.
        alpha: mode L; None if the image is opaque.
        source: the metadata that a result may copy.
        unusual: what the samples hold, if they use little of their range or exceed one that is known; else None.
        grey: whether the file stores one channel, beside alpha, instead of colours.
        unblended: RGB, the colours as stored, if ``image`` is blended on white; else None.
        kept: mode L, 255 where a result is to have the pixels of the image as they are, a mixture below; None for none.
        deep: the colours as stored, with 16 bits, if they are wanted and the file has more than 8; else None.
    """

    image: Image.Image
    alpha: Image.Image | None = None
    source: SourceMetadata = SourceMetadata()
    unusual: SampleSummary | None = None
    grey: bool = False
    unblended: Image.Image | None = None
    kept: Image.Image | None = None
    deep: DeepImage | None = None

    @property
    def colours(self) -> Image.Image:
        """The colours as stored, with all their bits."""
        return self.deep or (self.image if self.unblended is None else self.unblended)

    @property
    def memory_factor(self) -> int:
        """Memory relative to that of 8 bits alone."""
        return 1 if self.deep is None else 3

    @property
    def model_input(self) -> Image.Image:
        """``image`` with all its bits."""
        if self.deep is None:
            return self.image
        return self.deep if self.unblended is None else blend_on_white(self.deep, self.alpha)

    def blended(self) -> "LoadedImage":
        """Return the image blended on white, with the colours as stored beside it; without alpha as it is."""
        if self.alpha is None or self.unblended is not None:
            return self
        return replace(self, image=blend_on_white(self.image, self.alpha), unblended=self.image)


def read(
    path: Path, max_pixels: int = MAX_PIXELS, *, profiles: bool = True, ranges: ValueRanges | None = None
) -> Image.Image:
    """Read the first image of a file as RGB, rotated upright by its EXIF orientation, blended on white.

    Args:
        path: the file.
        max_pixels: the largest image that is decoded.
        profiles: whether to convert the colours to sRGB by an embedded ICC profile; else the numbers stay as stored.
        ranges: black and white by sample type; the range of a type that is missing follows from the file.

    Raises: ImageError with the reason if the file is missing, is no image, is too large or is damaged.
    """
    with decode(path, 0, max_pixels) as image:
        return blend_on_white(*to_upright_srgb_with_alpha(image, profiles=profiles, ranges=ranges))


def load_image(
    path: Path,
    frame: int = 0,
    max_pixels: int = MAX_PIXELS,
    *,
    blend: bool = True,
    ranges: ValueRanges | None = None,
    deep: bool = False,
    profiles: ProfilePolicy = "convert",
) -> LoadedImage:
    """Read an image as ``read`` does, with its alpha and its metadata.

    Args:
        path: the file.
        frame: index of the image within the file, from 0.
        max_pixels: the largest image that is decoded.
        blend: whether to blend on white; else the colours are as stored, also where the image is transparent.
        ranges: black and white by sample type; the range of a type that is missing follows from the file.
        deep: whether to return more than 8 bits too, if the file has them.
        profiles: "convert" converts colours to sRGB by an embedded ICC profile; "state" also returns one of RGB, in
            ``source``; "keep" returns it and leaves the numbers as they are.
    """
    with decode(path, frame, max_pixels) as image:
        return _to_loaded_image(image, blend, ranges, deep, profiles)


def read_summary(path: Path, max_pixels: int = MAX_PIXELS) -> SampleSummary | None:
    """Decode a file, and return the type and the range of its samples; None if they are no levels, as in a palette.

    Raises: ImageError as ``read`` does.
    """
    with decode(path, 0, max_pixels) as image:
        samples = read_samples(image)
        return None if samples is None else summarize(samples)


def read_declaration(path: Path) -> tuple[SampleType | None, ValueRange | None]:
    """Return the sample type of a file, None if its samples are no levels, and the range that it states, if any.

    Raises: ImageError as ``read_header`` does.
    """
    with open_image(path) as image:
        return sample_type(image), declared_by(image)


def measure_unfixed(path: Path, max_pixels: int = MAX_PIXELS) -> SampleSummary | None:
    """Return ``read_summary`` of a file whose range does not follow from its type; None for other files, undecoded."""
    type, declared = read_declaration(path)
    is_fixed = type in (None, "uint8") or (type == "uint16" and declared is None)
    return None if is_fixed else read_summary(path, max_pixels)


class FrameReader:
    """Reads frames of files, and keeps the last animation open: frames in ascending order are decoded once."""

    def __init__(self) -> None:
        self._exit_stack = ExitStack()
        self._image = Image.new("L", (0, 0))
        self._open_file: tuple[object, ...] = ()
        self._frame = 0

    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        """Return ``probe(path)``."""
        return probe(path)

    def measure(self, path: Path, max_pixels: int = MAX_PIXELS) -> SampleSummary | None:
        """Return ``measure_unfixed(path, max_pixels)``."""
        return measure_unfixed(path, max_pixels)

    def read_channels(self, path: Path, channels: int | None, max_pixels: int = MAX_PIXELS) -> Any:
        """Return ``i2i.images.channels.read_channels(path, channels, max_pixels=max_pixels)``."""
        from i2i.images.channels import read_channels

        return read_channels(path, channels, max_pixels=max_pixels)

    def load_image(
        self, path: Path, frame: int = 0, max_pixels: int = MAX_PIXELS, *, blend: bool = True, **options: Any
    ) -> LoadedImage:
        """Return ``load_image(path, frame, max_pixels, blend=blend, **options)``."""
        file = (path, *_file_state(path))
        if file != self._open_file or frame <= self._frame:
            self._close()
        if not frame:
            return load_image(path, 0, max_pixels, blend=blend, **options)
        try:
            if not self._open_file:
                self._image = self._exit_stack.enter_context(open_image(path))
            with _at_frame(path, self._image, frame, max_pixels):
                loaded = _to_loaded_image(self._image, blend, **options)
        except BaseException:
            self._close()
            raise
        self._open_file = file
        self._frame = frame
        return loaded

    def _close(self) -> None:
        self._exit_stack.close()
        self._open_file = ()
        self._frame = 0


def _file_state(path: Path) -> tuple[int, ...]:
    """Return numbers that change when the file is replaced or written; empty if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return ()  # opening the file will raise with the reason
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _to_loaded_image(
    image: Image.Image, blend: bool, ranges: ValueRanges | None = None, deep: bool = False, profiles: str = "convert"
) -> LoadedImage:
    ranges = ranges or {}
    profile = b"" if profiles == "convert" else kept_profile(image)
    converts = profiles != "keep" or not profile
    colours, alpha = to_upright_srgb_with_alpha(image, profiles=converts, ranges=ranges)
    unusual, grey = _unusual_samples(image, ranges), stores_grey(image)
    levels = read_deep_colours(image, profiles=converts, ranges=ranges) if deep else None
    source = replace(read_source_metadata(image), profile=profile)
    loaded = LoadedImage(colours, alpha, source, unusual, grey, deep=levels)
    return loaded.blended() if blend else loaded


def _unusual_samples(image: Image.Image, ranges: ValueRanges) -> SampleSummary | None:
    """Return what the samples hold if they use little of their range, or exceed one of ``ranges``.

    A range that the file declares is right, however little of it is used.
    """
    type = sample_type(image)
    known = None if type is None else ranges.get(type)
    if type is None or (known is None and is_bright(image)):
        return None
    samples = read_samples(image)
    assert samples is not None
    summary = summarize(samples)
    if known is not None:
        return summary if is_narrow(summary, known) or exceeds(summary, known) else None
    value_range = common_ranges([summary])[summary.type]
    return summary if value_range != summary.declared and is_narrow(summary, value_range) else None


def read_header(path: Path) -> tuple[tuple[int, int], str]:
    """Return (width, height) as stored, before EXIF rotation, and the PIL mode, without decoding the pixels.

    Raises: ImageError as ``read`` does, except for damage that only decoding detects.
    """
    with open_image(path) as image:
        return image.size, image.mode


def probe(path: Path) -> tuple[tuple[int, int], int]:
    """Return (width, height) as ``read_header`` does, and the number of images: pages, or frames of an animation.

    The preview that a camera stores in a JPEG is not counted.

    Raises: ImageError as ``read_header`` does.
    """
    with open_image(path) as image:
        try:
            may_have_frames = image.format == "HEIF" or (
                image.format in FORMAT_BY_NAME and FORMAT_BY_NAME[image.format].frames
            )
            return image.size, int(getattr(image, "n_frames", 1)) if may_have_frames else 1
        except Exception as error:  # decoders raise all kinds of errors for hostile bytes
            raise _damage_error(path, error) from error


@contextmanager
def decode(path: Path, frame: int, max_pixels: int) -> Iterator[Image.Image]:
    """Open a frame whose pixels the block decodes. Raises ImageError as ``read`` does, also for errors of the block."""
    with open_image(path) as image, _at_frame(path, image, frame, max_pixels):
        yield image


@contextmanager
def _at_frame(path: Path, image: Image.Image, frame: int, max_pixels: int) -> Iterator[None]:
    """Seek a frame and check its size. Errors inside the block are reported as damage of the file."""
    try:
        if frame:
            image.seek(frame)
        if image.width * image.height > max_pixels:
            size = f"{image.width}x{image.height} pixels"
            raise ImageError(f"{path} has {size}; at most {_format_pixels(max_pixels)} are read.")
        yield
    except ImageError as error:
        if str(path) in str(error):
            raise
        raise ImageError(f"{path} {error}.") from error
    except Exception as error:
        raise _damage_error(path, error) from error


def _damage_error(path: Path, error: Exception) -> ImageError:
    if isinstance(error, MemoryError):
        return ImageError(f"{path} takes more memory to decode than there is.")
    return ImageError(f"{path} is damaged: {str(error).strip('. ') or type(error).__name__}.")


def _format_pixels(pixels: int) -> str:
    return f"{pixels / 1e6:.3g} million" if pixels >= 1_000_000 else str(pixels)
