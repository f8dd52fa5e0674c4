"""Lossless AVIF. Pillow converts every image to YCbCr of 8 bits, which is not reversible.

OpenCV codes the channels themselves without loss, but stores no metadata. So the coded image of OpenCV replaces that of
a file by Pillow, which has the metadata. The boxes are those of ISO/IEC 14496-12 and 23008-12 (HEIF).
"""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

_IDENTITY = 0  # matrix coefficients of ISO/IEC 23091-2: the channels are G, B and R
_CONTAINERS = {b"meta": 12, b"iprp": 8, b"ipco": 8}  # boxes that hold boxes, and the bytes before these
_FASTEST = 10


def encode_lossless_avif(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Encode RGB or RGBA without loss.

    Args:
        image: RGB or RGBA; grey is stored as RGB.
        options: Pillow's arguments for the metadata.

    Raises: OSError if this build of OpenCV has no AVIF, or if the image is too large for the format.
    """
    image = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "AVIF", quality=1, subsampling="4:4:4", speed=_FASTEST, **options)
    return _with_items_of(bytearray(buffer.getvalue()), _encode_by_opencv(image))


def _encode_by_opencv(image: Image.Image) -> bytes:
    import cv2

    to_bgr = cv2.COLOR_RGB2BGR if image.mode == "RGB" else cv2.COLOR_RGBA2BGRA
    try:
        is_written, data = cv2.imencode(
            ".avif", cv2.cvtColor(np.asarray(image), to_bgr), [cv2.IMWRITE_AVIF_QUALITY, 100]
        )
    except cv2.error as error:
        raise OSError(f"OpenCV cannot encode it without loss ({str(error).strip()[-200:]})") from error
    if not is_written:
        raise OSError("OpenCV cannot encode it without loss")
    return data.tobytes()


def _with_items_of(container: bytearray, coded: bytes) -> bytes:
    """Return ``container`` with the coded colours and alpha of another AVIF of the same size and type."""
    own, other = dict(_item_extents(container)), dict(_item_extents(coded))
    (media_start, media_size), *_ = [place for kind, place in _boxes(container) if kind == b"mdat"]
    if media_start + media_size != len(container):
        raise OSError("its boxes have an unexpected order")
    media = bytearray()
    for item, (field, offset, length) in own.items():
        source = coded if item in other else container
        offset, length = other[item][1:] if item in other else (offset, length)
        struct.pack_into(">II", container, field, media_start + 8 + len(media), length)
        media += source[offset : offset + length]
    for kind in (b"av1C", b"colr"):
        _copy_properties(container, coded, kind)
    return bytes(container[:media_start]) + struct.pack(">I4s", 8 + len(media), b"mdat") + bytes(media)


def _copy_properties(container: bytearray, coded: bytes, kind: bytes) -> None:
    """Copy the codec configurations; of the colour descriptions, set the matrix coefficients only."""
    places = [place for name, place in _boxes(container) if name == kind]
    if kind == b"colr":
        for start, _ in places:
            if container[start + 8 : start + 12] == b"nclx":
                struct.pack_into(">H", container, start + 16, _IDENTITY)
        return
    sources = [place for name, place in _boxes(coded) if name == kind]
    if [size for _, size in places] != [size for _, size in sources]:
        raise OSError("the two encoders describe it in different ways")
    for (start, size), (source, _) in zip(places, sources, strict=True):
        container[start : start + size] = coded[source : source + size]


def _boxes(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield kind, start and size of each box, those within containers after their container."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            raise OSError("its boxes have an unexpected size")
        yield kind, (start, size)
        if kind in _CONTAINERS:
            yield from _boxes(data, start + _CONTAINERS[kind], start + size)
        start += size


def _item_extents(data: bytes | bytearray) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield the id of each item, the place of its offset field, its offset and its length (box ``iloc``)."""
    start = next(place[0] for kind, place in _boxes(data) if kind == b"iloc")
    version, sizes, base_size = data[start + 8], data[start + 12], data[start + 13] >> 4
    if (version, sizes, base_size) != (0, 0x44, 0):
        raise OSError("its item locations have an unexpected form")
    (count,) = struct.unpack_from(">H", data, start + 14)
    for index in range(count):
        place = start + 16 + 14 * index
        item, _, extents, offset, length = struct.unpack_from(">HHHII", data, place)
        if extents != 1:
            raise OSError("its item locations have an unexpected form")
        yield item, (place + 6, offset, length)
