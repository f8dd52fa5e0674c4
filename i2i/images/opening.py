"""Opening of image files by their content, with the reason where a file is no image that i2i reads."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from i2i.errors import ImageError, install_command
from i2i.images.files import open_regular
from i2i.images.formats import HAS_HEIC, allowed_decoders
from i2i.images.sample_images import SampleImage, has_deep_samples, open_sample_image
from i2i.images.samples import needs_sample_tiff
from i2i.images.signatures import describe_non_image, jpeg_bits, sniff_image_format
from i2i.images.stacks import StackImage, stack_files

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # tifffile reads what Pillow does not
warnings.filterwarnings(
    "ignore", "Truncated File Read|(Possibly )?[Cc]orrupt EXIF data", module="PIL.TiffImagePlugin"
)  # an error follows


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image, not yet decoded. Raises ImageError that names the content if it is no readable image."""
    if files := stack_files(path):
        yield _open_stack(path, files)
        return
    with open_regular(path) as file:
        image = _identify(path, file)
        if isinstance(image, SampleImage):
            image.filename = str(path)  # for messages
        yield image


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file; none if it cannot be read."""
    try:
        with open_regular(next(iter(stack_files(path)), path)) as file:
            return file.read(512)
    except (ImageError, OSError):
        return b""


def _open_stack(path: Path, files: Sequence[Path]) -> Image.Image:
    """Open the files of a stack as one image. Raises ImageError with the reason if they are none."""
    image = StackImage(path, files)
    image.filename = str(path)
    return image


def _identify(path: Path, file: BinaryIO) -> Image.Image:
    """Open an image by its content. Raises ImageError that names the content if it is no readable image."""
    head = file.read(512)
    file.seek(0)
    name, is_readable = sniff_image_format(head) or ("", False)
    if name == "NumPy" or (path.suffix.lower() == ".npz" and head.startswith(b"PK\3\4")):
        return _open_array(path, file)
    try:
        if has_deep_samples(head) and (sample_image := open_sample_image(file, name)):
            return sample_image
        image = Image.open(file, formats=_heic_decoder(path) if name == "HEIC" else allowed_decoders(path))
        return (needs_sample_tiff(image) and open_sample_image(file, name)) or image
    except UnidentifiedImageError as error:
        if name == "TIFF" and (tiff := _open_unusual_tiff(path, file)):
            return tiff
        if name == "JPEG" and (bits := jpeg_bits(_read_start(file))) not in (None, 8):
            raise ImageError(f"{path} is a JPEG with samples of {bits} bits; i2i reads those of 8 bits.") from error
        content = f"a {name} image" if name else describe_non_image(head)
        damage = ", damaged at its start" if is_readable else ""
        raise ImageError(f"{path}: not an image that i2i can read (it looks like {content}{damage}).") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is too large to be decoded safely: {error}.") from error
    except ImageError:
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not an image that i2i can read"
        raise ImageError(f"{path}: {reason}.") from error


def _read_start(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(1_000_000)


def _open_unusual_tiff(path: Path, file: BinaryIO) -> Image.Image | None:
    """Open a TIFF that Pillow does not know; None if it is damaged."""
    try:
        return open_sample_image(file, "TIFF")
    except ImageError as error:
        raise ImageError(f"{path} {error}.") from error
    except Exception:  # decoders raise all kinds of errors for hostile bytes
        return None


def _open_array(path: Path, file: BinaryIO) -> Image.Image:
    """Open a file of NumPy. Raises ImageError with the reason if it holds no image."""
    try:
        if image := open_sample_image(file, "NumPy"):
            return image
    except ImageError as error:
        raise ImageError(f"{path} {error}.") from error
    except Exception as error:
        raise ImageError(f"{path} is damaged: {str(error).strip('. ') or type(error).__name__}.") from error
    raise ImageError(f"{path}: not an image that i2i can read (it looks like a NumPy file, damaged at its start).")


def open_tiff_samples(file: BinaryIO) -> SampleImage | None:
    """Open a TIFF by its samples, also where Pillow can read it as a picture; None if its samples are no levels."""
    try:
        return open_sample_image(file, "TIFF")
    except ImageError:  # a palette, CMYK or packed bits: pictures, or refused by Pillow
        return None
    finally:
        file.seek(0)


def _heic_decoder(path: Path) -> list[str]:
    if not HAS_HEIC:
        raise ImageError(f"{path}: HEIC images need pillow-heif: {install_command('heic')}.")
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    return ["HEIF"]
