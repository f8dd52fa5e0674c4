"""``ChannelImage`` as numbers, text and bytes, between a decoder process and the process that started it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from i2i.images.channels import ChannelHeader, ChannelImage
from i2i.images.sample_images import Arrangement
from i2i.images.sample_types import DTYPES, MAX_CHANNELS


def channels_to_parts(image: ChannelImage) -> tuple[dict[str, Any], list[bytes]]:
    """Return the header and the samples of an image."""
    header = {
        "shape": image.values.shape,
        "dtype": str(image.values.dtype),
        "declared": image.declared,
        "bands": image.bands,
        "arrangement": image.arrangement,
        "geo": {str(code): value for code, value in image.geo.items()},
    }
    return header, [np.ascontiguousarray(image.values).tobytes()]


def channels_shape(header: Mapping[str, Any], max_bytes: int) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Return the shape and the type that a header states.

    Raises: ValueError if they are none of an image, or take more than ``max_bytes``.
    """
    height, width, count = map(int, header["shape"])
    dtype = header["dtype"]
    if dtype not in DTYPES or not 1 <= count <= MAX_CHANNELS or min(height, width) < 1:
        raise ValueError(f"{dtype} {height, width, count} is no image")
    if height * width * count * np.dtype(dtype).itemsize > max_bytes:
        raise ValueError("the image is too large")
    return (height, width, count), np.dtype(dtype)


def channels_from_parts(header: Mapping[str, Any], data: bytes | bytearray, max_bytes: int) -> ChannelImage:
    """Return the image that ``channels_to_parts`` took apart. Raises ValueError for anything else."""
    shape, dtype = channels_shape(header, max_bytes)
    declared = header["declared"]
    geo = {
        int(code): value if isinstance(value, str) else tuple(map(float, value))
        for code, value in header["geo"].items()
    }
    bands = tuple(map(str, header["bands"]))
    if header["arrangement"] not in get_args(Arrangement):
        raise ValueError(f"{header['arrangement']!r} is no arrangement")
    return ChannelImage(
        np.frombuffer(data, dtype).reshape(shape),
        None if declared is None else (float(declared[0]), float(declared[1])),
        bands if len(bands) == shape[2] else (),
        geo,
        arrangement=header["arrangement"],
    )


def header_to_json(header: ChannelHeader) -> dict[str, Any]:
    """Return the fields of a header."""
    return asdict(header)


def header_from_json(data: Mapping[str, Any]) -> ChannelHeader:
    """Return the header that ``header_to_json`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    (width, height), dtype = data["size"], str(data["dtype"])
    if dtype not in DTYPES:
        raise ValueError(f"{dtype} is no type of samples")
    palette = tuple((int(red), int(green), int(blue)) for red, green, blue in data["palette"])
    return ChannelHeader(
        (int(width), int(height)),
        int(data["channels"]),
        bool(data["alpha"]),
        dtype,
        tuple(map(str, data["bands"])),
        is_picture=bool(data["is_picture"]),
        is_indexed=bool(data["is_indexed"]),
        pages=int(data["pages"]),
        palette=palette,
    )
