"""The tags that place a TIFF on the Earth (OGC GeoTIFF 1.1), and the names of its bands."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any
from xml.sax.saxutils import escape

from i2i.images.sample_images import SampleImage

GeoTags = Mapping[int, tuple[float, ...] | str]  # by code of the tag
_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEY_DIRECTORY, _DOUBLE_PARAMS, _ASCII_PARAMS = 34735, 34736, 34737
GDAL_METADATA, GDAL_NODATA = 42112, 42113
_CODES = (_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _KEY_DIRECTORY, _DOUBLE_PARAMS, _ASCII_PARAMS, GDAL_NODATA)
_TEXT = (_ASCII_PARAMS, GDAL_NODATA)
_MAX_VALUES = 10_000
_MAX_NAME = 100  # characters
_DESCRIPTION = re.compile(r'<Item name="DESCRIPTION" sample="(\d{1,2})" role="description">([^<]{1,1000})</Item>')


def read_geo_tags(image: SampleImage) -> dict[int, tuple[float, ...] | str]:
    """Return the geographic tags of an opened TIFF; none for other images, and without those that are damaged."""
    tags: dict[int, tuple[float, ...] | str] = {}
    for code in _CODES:
        value = _tag(image, code)
        if code in _TEXT:
            if isinstance(value, str) and 0 < len(value) <= _MAX_VALUES and value.isascii():
                tags[code] = value
        elif isinstance(value, tuple) and len(value) <= _MAX_VALUES and all(isinstance(x, int | float) for x in value):
            tags[code] = value
    return tags


def band_names(image: SampleImage) -> tuple[str, ...]:
    """Return the names of the bands of an opened TIFF, as GDAL or ImageJ wrote them; none if not all have one."""
    text = _tag(image, GDAL_METADATA)
    if isinstance(text, str):
        names = {int(number): unescape(name).strip()[:_MAX_NAME] for number, name in _DESCRIPTION.findall(text)}
    else:
        labels = (getattr(getattr(image, "tiff", None), "imagej_metadata", None) or {}).get("Labels", [])
        names = {number: str(label).strip()[:_MAX_NAME] for number, label in enumerate(labels)}
    found = tuple(names.get(number, "") for number in range(image.num_channels))
    return found if all(name and name.isprintable() for name in found) else ()


def scaled_geo_tags(tags: GeoTags, scale: int) -> GeoTags:
    """Return the tags of an image that is ``scale`` times as wide and high."""
    scaled = dict(tags)
    if scale == 1:
        return scaled
    if (size := scaled.get(_PIXEL_SCALE)) and not isinstance(size, str):
        scaled[_PIXEL_SCALE] = (*(length / scale for length in size[:2]), *size[2:])
    if (points := scaled.get(_TIE_POINTS)) and not isinstance(points, str):
        # (column, row, 0, x, y, z) for each point
        scaled[_TIE_POINTS] = tuple(value * scale if i % 6 < 2 else value for i, value in enumerate(points))
    if (matrix := scaled.get(_TRANSFORMATION)) and not isinstance(matrix, str):
        scaled[_TRANSFORMATION] = tuple(value / scale if i % 4 < 2 else value for i, value in enumerate(matrix))
    return scaled


def extra_tags(tags: GeoTags, bands: Sequence[str]) -> list[tuple[int, str, int, Any, bool]]:
    """Return geographic tags and names of bands as the argument ``extratags`` of tifffile."""
    extra: list[tuple[int, str, int, Any, bool]] = []
    for code, value in sorted(tags.items()):
        if isinstance(value, str):
            extra.append((code, "s", 0, value, True))
        else:
            extra.append(
                (code, "H", len(value), tuple(map(int, value)), True)
                if code == _KEY_DIRECTORY
                else (code, "d", len(value), value, True)
            )
    if bands:
        items = "".join(
            f'  <Item name="DESCRIPTION" sample="{number}" role="description">{escape(name)}</Item>\n'
            for number, name in enumerate(bands)
        )
        extra.append((GDAL_METADATA, "s", 0, f"<GDALMetadata>\n{items}</GDALMetadata>\n", True))
    return extra


def _tag(image: SampleImage, code: int) -> Any:
    page = getattr(image, "page", None)
    tag = page.tags.get(code) if page is not None else None
    try:
        return None if tag is None else tag.value
    except Exception:  # tifffile raises all kinds of errors for damaged tags
        return None
