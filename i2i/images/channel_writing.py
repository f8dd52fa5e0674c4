"""Encoding of images of any channels: TIFF and ``.npy`` for all of them, PNG and the other formats where they suit."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2i.errors import ImageError
from i2i.images.channels import ChannelImage
from i2i.images.formats import FORMAT_BY_SUFFIX
from i2i.images.geotiff import extra_tags
from i2i.images.metadata import Provenance, SourceMetadata, build_xmp
from i2i.images.numpy_files import encode_npy
from i2i.images.pixel_format import PixelFormat, default_range, to_format
from i2i.images.sample_types import count_channels
from i2i.images.value_range import ValueRange
from i2i.images.writing import QUALITY, MetadataPolicy, Writer

_XMP = 700  # tag of TIFF
_PREDICTED = ("uint8", "int8", "uint16", "int16", "uint32", "int32")  # compressed as differences


@dataclass(frozen=True, kw_only=True)
class ChannelWriter:
    """Encodes results of any channels and type.

    Args:
        suffix: the format: ".tif" and ".npy" store everything; ".png" integers of 8 and 16 bits of one, three or four
            channels; the others 8 bits of one or three.
        depth: "8" or "16" bits, scaled from the value range of the result; "auto" for its type.
        quality: of lossy formats, from 1 to 100.
        lossless: whether WebP and AVIF store the pixels as they are.
        policy: "keep" copies the geographic tags of the source; "strip" copies nothing.
        provenance: the model to name in the metadata; None for no statement.
        alpha: whether the last of two or four channels is alpha.
    """

    suffix: str = ".tif"
    depth: str = "auto"
    quality: int = QUALITY
    lossless: bool = False
    policy: MetadataPolicy = "keep"
    provenance: Provenance | None = None
    alpha: bool = False
    deep: bool = False  # as of ``Writer``: photos are not read with 16 bits for it
    converts_back: bool = False

    def __call__(self, result: Any, source: Any = None) -> bytes:
        """Encode a result. Raises ImageError if the format cannot store it.

        Args:
            result: a ``ChannelImage``.
            source: unused; the result has the tags of its source.
        """
        values = self._values(result)
        if self.suffix == ".npy":
            return encode_npy(values, result.arrangement)
        if self.suffix == ".tif":
            geo = result.geo if self.policy == "keep" else {}
            tags = extra_tags(geo, result.bands) + self._provenance_tags()
            return encode_tiff(values, tags, alpha=self.alpha, planar=result.arrangement == "planar")
        return self._encode_picture(values)

    def _values(self, result: ChannelImage) -> np.ndarray:
        if self.depth == "auto":
            return result.values
        value_range = result.value_range or default_range(result.type)
        return to_depth(result.values, value_range, f"uint{self.depth}")

    def _encode_picture(self, values: np.ndarray) -> bytes:
        count, dtype = values.shape[2], str(values.dtype)
        if not can_store(self.suffix, count, dtype):
            kind = FORMAT_BY_SUFFIX[self.suffix].name
            raise ImageError(
                f"{kind} cannot store {count_channels(count)} of {dtype}. Use --format tif or npy, which "
                "store all of them."
            )
        writer = Writer(
            suffix=self.suffix, quality=self.quality, lossless=self.lossless, policy=self.policy,
            provenance=self.provenance,
        )  # fmt: skip
        return writer.encode_levels(values)

    def _provenance_tags(self) -> list[tuple[int, str, int, Any, bool]]:
        if self.provenance is None:
            return []
        xmp = build_xmp(SourceMetadata(), self.provenance)
        return [
            (305, "s", 0, f"{self.provenance.maker} ({self.provenance.model})", True),
            (_XMP, "B", len(xmp), xmp, True),
        ]


def can_store(suffix: str, channels: int, dtype: str) -> bool:
    """Return whether a format of ``ChannelWriter`` stores so many channels of a type."""
    if suffix in (".tif", ".npy"):
        return True
    if suffix == ".png":
        return channels in (1, 3, 4) and dtype in ("uint8", "uint16")
    return channels in (1, 3) and dtype == "uint8"


def to_depth(values: np.ndarray, value_range: ValueRange, dtype: str) -> np.ndarray:
    """Return samples scaled to the whole range of uint8 or uint16: black and white are ``value_range``."""
    limits = (0.0, float(np.iinfo(dtype).max))
    if values.dtype == dtype and value_range == limits:
        return values
    # Samples of the wanted type are scaled too, so they pass as floats.
    wide = values.astype(np.float64)
    return to_format(
        wide, PixelFormat(channels=values.shape[2], dtype=dtype, value_range=limits), {"float": value_range}
    )


def encode_tiff(
    values: np.ndarray, tags: list[tuple[int, str, int, Any, bool]], *, alpha: bool = False, planar: bool = False
) -> bytes:
    """Encode samples (H, W, C) of any type as TIFF, compressed by deflate.

    Args:
        values: the samples.
        tags: further tags, as the argument ``extratags`` of tifffile.
        alpha: whether the last of two or four channels is alpha.
        planar: whether each channel is stored by itself; else the channels of a pixel are stored together.
    """
    import tifffile

    count = values.shape[2]
    is_rgb = count == 3 or (alpha and count == 4)
    options: dict[str, Any] = {"photometric": "rgb" if is_rgb else "minisblack"}
    if count > 1:
        options["planarconfig"] = "separate" if planar else "contig"
        if alpha and count in (2, 4):
            options["extrasamples"] = ["unassalpha"]
    stored = values[..., 0] if count == 1 else np.moveaxis(values, 2, 0) if planar else values
    file = io.BytesIO()
    tifffile.imwrite(
        file, stored, compression="zlib", software=False, metadata=None,
        predictor=str(values.dtype) in _PREDICTED or None, extratags=tags, **options,
    )  # fmt: skip
    return file.getvalue()
