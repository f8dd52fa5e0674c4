"""Decode the images of a dataset, and measure what the audit's checks need."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from i2i.data.audit.report import Size
from i2i.errors import ImageError
from i2i.images import read, read_header
from i2i.images.channels import CLASS_IDS, ChannelHeader, ChannelImage, read_channel_header, read_channels
from i2i.images.display import to_picture
from i2i.images.formats import HAS_HEIC
from i2i.images.opening import read_head
from i2i.images.pixel_format import PixelFormat
from i2i.images.reading import read_summary
from i2i.images.sample_images import may_have_other_samples
from i2i.images.sample_types import count_channels
from i2i.images.shards import split_path
from i2i.images.signatures import describe_non_image, sniff_image_format
from i2i.images.stacks import stack_files
from i2i.images.value_range import SampleSummary, common_ranges

MAX_CLASSES = 64  # images of more different values hold no class ids


@dataclass(frozen=True)
class ImageInfo:
    """A readable image.

    Attributes:
        size: width and height after EXIF rotation.
        mode: PIL mode as stored.
        digest: SHA-256 of size and pixels; equal for lossless copies in any format.
        dhash: 64-bit difference hash: for each cell of a 9x8 grid, whether the next cell is brighter.
        thumbnail: 32x32 grey levels.
        equal_halves: whether the image is twice as wide as high and its halves are equal.
        samples: type and range of the samples; None if they are no levels, as in a palette.
        header: channels, alpha and type of the samples; None if they were not inspected.
        num_values: different values of an image of one channel of integers; None for more than MAX_CLASSES or for
            others.
        class_ids: these values.
    """

    size: Size
    mode: str
    digest: bytes
    dhash: int
    thumbnail: bytes
    equal_halves: bool
    samples: SampleSummary | None = None
    header: ChannelHeader | None = None
    num_values: int | None = None
    class_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ImageFault:
    """The reason why a file cannot be read as an image."""

    kind: Literal["empty", "foreign", "damaged"]
    reason: str


def inspect_images(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None
) -> tuple[dict[Path, ImageInfo], dict[Path, ImageFault]]:
    """Decode every file once, in threads.

    Args:
        paths: the files.
        progress: receives (files read, number of files).

    Returns: the readable images, and the faults of the other files.
    """
    images: dict[Path, ImageInfo] = {}
    faults: dict[Path, ImageFault] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, (path, result) in enumerate(zip(paths, pool.map(inspect_image, paths), strict=True), 1):
                if isinstance(result, ImageInfo):
                    images[path] = result
                else:
                    faults[path] = result
                if progress is not None:
                    progress(done, len(paths))
        except BaseException:  # on Ctrl-C do not read the remaining files
            pool.shutdown(cancel_futures=True)
            raise
    return images, faults


def inspect_headers(paths: Sequence[Path]) -> dict[Path, ImageInfo]:
    """Return size and mode of the readable images, as stored. Nothing is decoded, so the other fields are empty."""
    images = {}
    for path in paths:
        try:
            size, mode = read_header(path)
        except Exception:  # decoders raise exceptions of any type on hostile files
            continue
        images[path] = ImageInfo(size, mode, digest=b"", dhash=0, thumbnail=b"", equal_halves=False)
    return images


def inspect_image(path: Path) -> ImageInfo | ImageFault:
    """Decode one file."""
    try:
        mode = read_header(path)[1]
        header = read_channel_header(path)
        stored: ChannelImage | None = None
        if header.channels in (1, 3):
            image = read(path)
            samples = _samples(path, mode, image)
        else:
            stored = read_channels(path)
            samples = stored.summary()
            mode = count_channels(header.channels)
            image = _shown(stored, samples)
        ids = _class_ids(path, header, image)
    except Exception as error:  # decoders raise exceptions of any type on hostile files
        return _fault(path, error)
    grey = image.convert("L")
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return ImageInfo(
        size=image.size,
        mode=mode,
        digest=hashlib.sha256(f"{image.size}".encode() + (stored or image).tobytes()).digest(),
        dhash=int.from_bytes(bits.tobytes()),
        thumbnail=grey.resize((32, 32), Image.Resampling.BOX).tobytes(),
        equal_halves=image.width == 2 * image.height and _has_equal_halves(np.asarray(image)),
        samples=samples,
        header=header,
        num_values=None if ids is None else len(ids),
        class_ids=ids or (),
    )


def _shown(image: ChannelImage, samples: SampleSummary) -> Image.Image:
    """Return an image of many channels as a picture, for the measurements that need one."""
    format = PixelFormat(
        channels=image.channels, dtype=str(image.values.dtype), value_range=common_ranges([samples])[samples.type]
    )
    return to_picture(image.values, format)


def _class_ids(path: Path, header: ChannelHeader, image: Image.Image) -> tuple[int, ...] | None:
    """Return the different values of an image of one channel of integers, or indices of a palette; None for many."""
    if not header.is_indexed and (header.channels != 1 or np.dtype(header.dtype).kind == "f"):
        return None
    if header.is_indexed:
        values = read_channels(path, CLASS_IDS).values
    else:
        values = np.asarray(image)[..., 0] if header.is_picture else read_channels(path).values
    if len(np.unique(values[::8, ::8])) > MAX_CLASSES:
        return None
    ids = np.unique(values)
    return tuple(ids.tolist()) if len(ids) <= MAX_CLASSES else None


def _samples(path: Path, mode: str, image: Image.Image) -> SampleSummary | None:
    """Return the type and range of the samples of a file that was read as ``image``."""
    if may_have_other_samples(_read_head(path)):
        return read_summary(path)
    if mode not in ("L", "LA", "RGB", "RGBA"):
        return None
    extrema = np.asarray(image.getextrema())
    return SampleSummary(type="uint8", low=float(extrema.min()), high=float(extrema.max()))


def _has_equal_halves(pixels: np.ndarray) -> bool:
    """Return whether the halves differ by less than half a grey level on average, as JPEG makes equal halves differ."""
    left, right = np.split(pixels.astype(np.int16), 2, axis=1)
    return float(np.abs(left - right).mean()) < 0.5


def _fault(path: Path, error: Exception) -> ImageFault:
    reason = str(error).removeprefix(str(path)).lstrip(": ").removeprefix("is damaged: ").removesuffix(".")
    reason = reason or type(error).__name__
    if not path.is_file() and split_path(path) is None:
        return ImageFault("damaged", reason)
    head = _read_head(path)
    if not head:
        return ImageFault("empty", reason)
    if isinstance(error, ImageError) and "i2i can read" in reason:
        known = image_format(path)
        if known is None:
            return ImageFault("foreign", describe_non_image(head))
        name, is_readable = known
        if is_readable:
            return ImageFault("damaged", f"a {name} file that is truncated or damaged at its start")
        return ImageFault("foreign", f"a {name} image")
    return ImageFault("damaged", reason)


def image_format(path: Path) -> tuple[str, bool] | None:
    """Recognise an image by its first bytes.

    Returns: name of the format and whether i2i reads it, or None if the file is not an image.
    """
    known = sniff_image_format(_read_head(path))
    if known is None:
        return None
    name, is_readable = known
    return name, is_readable or (name == "HEIC" and HAS_HEIC)


def _read_head(path: Path) -> bytes:
    path = next(iter(stack_files(path)), path)
    return read_head(path)
