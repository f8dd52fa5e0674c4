"""One file looked at: what its picture is like, or why it is none."""

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
from i2i.errors import PictureError
from i2i.images import header, read
from i2i.images.formats import HAS_HEIC
from i2i.images.signatures import other_kind, picture_kind


@dataclass(frozen=True)
class Look:
    """A picture that can be read. size is upright, mode as stored.

    digest: SHA-256 of size and pixels, the same for a picture saved anew without loss. dhash: 64 bits, each whether
    it grows brighter from one cell to the next of a 9x8 grid. thumbnail: grey, 32x32. twins: it is twice as wide
    as high, and its halves are the same.
    """

    size: Size
    mode: str
    digest: bytes
    dhash: int
    thumbnail: bytes
    twins: bool


@dataclass(frozen=True)
class Fault:
    """A file that cannot be read as a picture, and why."""

    kind: Literal["empty", "foreign", "damaged"]
    reason: str


def look_at(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None
) -> tuple[dict[Path, Look], dict[Path, Fault]]:
    """Every file decoded once, several at a time: the pictures, and the files that are none."""
    looks: dict[Path, Look] = {}
    faults: dict[Path, Fault] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, (path, found) in enumerate(zip(paths, pool.map(look, paths), strict=True), 1):
                if isinstance(found, Look):
                    looks[path] = found
                else:
                    faults[path] = found
                if progress is not None:
                    progress(done, len(paths))
        except BaseException:  # Ctrl-C must not wait for all that is still to be read
            pool.shutdown(cancel_futures=True)
            raise
    return looks, faults


def look(path: Path) -> Look | Fault:
    try:
        mode = header(path)[1]
        image = read(path)
    except Exception as error:  # decoders raise whatever they like on hostile bytes
        return _fault(path, error)
    grey = image.convert("L")
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return Look(
        size=image.size,
        mode=mode,
        digest=hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest(),
        dhash=int.from_bytes(bits.tobytes()),
        thumbnail=grey.resize((32, 32), Image.Resampling.BOX).tobytes(),
        twins=image.width == 2 * image.height and _same_halves(np.asarray(image)),
    )


def _same_halves(pixels: np.ndarray) -> bool:
    """Within half a level on average, which is what JPEG does to two equal halves."""
    left, right = np.split(pixels.astype(np.int16), 2, axis=1)
    return float(np.abs(left - right).mean()) < 0.5


def _fault(path: Path, error: Exception) -> Fault:
    reason = str(error).removeprefix(str(path)).lstrip(": ").removeprefix("is damaged: ").removesuffix(".")
    reason = reason or type(error).__name__
    if not path.is_file():
        return Fault("damaged", reason)
    head = _head(path)
    if not head:
        return Fault("empty", reason)
    if isinstance(error, PictureError) and "not a picture" in reason:
        known = signature(path)
        if known and known[1]:
            return Fault("damaged", f"a {known[0]} file that breaks off or is broken at its start")
        return Fault("foreign", f"a {known[0]} picture" if known else other_kind(head))
    return Fault("damaged", reason)


def signature(path: Path) -> tuple[str, bool] | None:
    """The kind of picture by its first bytes and whether i2i reads it, or None where it looks like none."""
    known = picture_kind(_head(path))
    return (known[0], known[1] or (known[0] == "HEIC" and HAS_HEIC)) if known else None


def _head(path: Path) -> bytes:
    if not path.is_file():  # a FIFO would hang the reader
        return b""
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""
