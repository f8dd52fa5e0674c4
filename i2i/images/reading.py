"""The one reader: a file's picture as upright 8-bit sRGB, or the reason why there is none."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from i2i.errors import PictureError
from i2i.images.colour import on_white, upright
from i2i.images.files import open_regular
from i2i.images.float_tiff import float_tiff
from i2i.images.formats import BY_NAME, HAS_HEIC, MAX_PIXELS, decoders
from i2i.images.metadata import Source, source_of
from i2i.images.signatures import other_kind, picture_kind


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture out of a file. image: RGB, on white where it is transparent. alpha: L, None where all is opaque."""

    image: Image.Image
    alpha: Image.Image | None = None
    source: Source = Source()


def read(path: Path, max_pixels: int = MAX_PIXELS, *, profiles: bool = True) -> Image.Image:
    """The picture in a file as RGB, turned upright by its EXIF orientation; of several, the first.

    profiles: bring the colours of an embedded ICC profile to sRGB; else the numbers stay as they are stored.
    Raises PictureError with the reason where the file is missing, no picture, too large or damaged.
    """
    with _decoded(path, 0, max_pixels) as image:
        return on_white(*upright(image, profiles=profiles))


def read_photo(path: Path, frame: int = 0, max_pixels: int = MAX_PIXELS) -> Photo:
    """As ``read``, with alpha and with what the file says about the picture. frame: counted from 0."""
    with _decoded(path, frame, max_pixels) as image:
        return _photo(image)


class Frames:
    """``look``, and ``read_photo`` with the file held open whose later frame was read last.

    The next frame of an animation is then a step away; in a file opened anew each is sought from the first one on.
    """

    def __init__(self) -> None:
        self._open, self._image = ExitStack(), Image.new("L", (0, 0))
        self._held: tuple[object, ...] = ()
        self._frame = 0

    def look(self, path: Path) -> tuple[tuple[int, int], int]:
        return look(path)

    def read_photo(self, path: Path, frame: int = 0, max_pixels: int = MAX_PIXELS) -> Photo:
        asked = path, *_state(path)
        if asked != self._held or frame <= self._frame:
            self._close()
        if not frame:
            return read_photo(path, 0, max_pixels)
        try:
            if not self._held:
                self._image = self._open.enter_context(_opened(path))
            with _sought(path, self._image, frame, max_pixels):
                photo = _photo(self._image)
        except BaseException:
            self._close()
            raise
        self._held, self._frame = asked, frame
        return photo

    def _close(self) -> None:
        self._open.close()
        self._held, self._frame = (), 0


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:  # which opening it will explain
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _photo(image: Image.Image) -> Photo:
    colours, alpha = upright(image)
    return Photo(on_white(colours, alpha), alpha, source_of(image))


def header(path: Path) -> tuple[tuple[int, int], str]:
    """Width and height (as stored, before EXIF rotation) and PIL mode, without decoding the pixels.

    Raises PictureError as ``read`` does, except for damage that only decoding finds.
    """
    with _opened(path) as image:
        return image.size, image.mode


def look(path: Path) -> tuple[tuple[int, int], int]:
    """Width and height as ``header`` gives them, and how many pictures a file holds: pages, or frames of an animation.

    The preview that a camera puts into a JPEG is not one. Raises PictureError as ``header`` does.
    """
    with _opened(path) as image:
        try:
            several = image.format in BY_NAME and BY_NAME[image.format].frames
            return image.size, int(getattr(image, "n_frames", 1)) if several else 1
        except Exception as error:  # decoders raise whatever they like on hostile bytes
            raise _damaged(path, error) from error


@contextmanager
def _decoded(path: Path, frame: int, max_pixels: int) -> Iterator[Image.Image]:
    with _opened(path) as image, _sought(path, image, frame, max_pixels):
        yield image


@contextmanager
def _sought(path: Path, image: Image.Image, frame: int, max_pixels: int) -> Iterator[None]:
    """The picture at a frame, no larger than allowed; what goes wrong inside is damage of the file."""
    try:
        if frame:
            image.seek(frame)
        if image.width * image.height > max_pixels:
            found = f"{image.width}x{image.height} pixels"
            raise PictureError(f"{path} has {found}; at most {_million(max_pixels)} are read.")
        yield
    except PictureError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> PictureError:
    if isinstance(error, MemoryError):
        return PictureError(f"{path} takes more memory to decode than there is.")
    return PictureError(f"{path} is damaged: {str(error).strip('. ') or type(error).__name__}.")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with open_regular(path) as file:
        yield _identified(path, file)


def _identified(path: Path, file: BinaryIO) -> Image.Image:
    head = file.read(512)
    file.seek(0)
    kind = picture_kind(head)
    try:
        return Image.open(file, formats=_heic(path) if kind and kind[0] == "HEIC" else decoders(path))
    except UnidentifiedImageError as error:
        if kind and kind[0] == "TIFF" and (colours := float_tiff(file)):
            return colours
        found = f"a {kind[0]} picture" if kind else other_kind(head)
        broken = ", broken at its start" if kind and kind[1] else ""
        raise PictureError(f"{path}: not a picture i2i can read (it looks like {found}{broken}).") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large to be decoded safely: {error}.") from error
    except PictureError:
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a picture i2i can read"
        raise PictureError(f"{path}: {reason}.") from error


def _heic(path: Path) -> list[str]:
    if not HAS_HEIC:
        raise PictureError(
            f'{path}: a HEIC picture, which takes pillow-heif, the extra "heic": pip install pillow-heif.'
        )
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    return ["HEIF"]


def _million(pixels: int) -> str:
    return f"{pixels / 1e6:.3g} million" if pixels >= 1_000_000 else str(pixels)
