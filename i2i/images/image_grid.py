"""Grids: many images in one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from i2i.images.display import format_of, shown_channels, to_rgb
from i2i.images.pixel_format import PixelFormat
from i2i.images.tensors import to_uint8

if TYPE_CHECKING:
    from torch import Tensor


def sample_grid(columns: dict[str, "Tensor"], formats: tuple[PixelFormat, ...] = ()) -> Image.Image:
    """Arrange columns of images under their titles. A single column becomes rows of eight without a title.

    Images of other channels than grey and RGB are in false colour, which the title names. Label maps, which are the
    column "input", have the colours of their classes.

    Args:
        columns: title to images (N, C, H, W) in [-1, 1], all of one height and width.
        formats: of the domains A and B, for the names of their channels.
    """
    arrays, titles = [], []
    for title, images in columns.items():
        is_label_map = title == "input" and formats and formats[0].labels is not None
        format = formats[0] if is_label_map else format_of(images.shape[1], formats)
        _, note = shown_channels(format)
        arrays.append(to_uint8(to_rgb(images, format)).permute(0, 2, 3, 1).cpu().numpy())
        titles.append(f"{title} ({note})" if note else title)
    return labelled_grid(arrays, titles) if len(arrays) > 1 else make_grid(arrays[0])


def make_grid(images: np.ndarray, num_columns: int = 8, gap: int = 2) -> Image.Image:
    """Arrange images row by row on white.

    Args:
        images: uint8 (N, H, W, 3).
        num_columns: images in a row.
        gap: pixels between images.
    """
    count, height, width = images.shape[:3]
    num_columns = min(num_columns, count)
    num_rows = -(-count // num_columns)
    canvas = np.full((num_rows * (height + gap) - gap, num_columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        top = row * (height + gap)
        left = column * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas)


def labelled_grid(columns: Sequence[np.ndarray], titles: Sequence[str], gap: int = 2) -> Image.Image:
    """Arrange columns of images under their titles.

    Args:
        columns: uint8 (N, H, W, 3) each, all of one shape.
        titles: one for each column.
        gap: pixels between images.
    """
    num_rows, height, width = columns[0].shape[:3]
    line_height = max(14, height // 12)
    font = ImageFont.load_default(size=max(9.0, line_height * 0.62))
    wrapped = [_wrap(title, width - 3, font) for title in titles]
    title_height = line_height * max(len(lines) for lines in wrapped)
    canvas_height = title_height + num_rows * (height + gap)
    canvas = np.full((canvas_height, len(columns) * (width + gap) - gap, 3), 255, np.uint8)
    for x, column in enumerate(columns):
        for y, image in enumerate(column):
            top = title_height + y * (height + gap)
            left = x * (width + gap)
            canvas[top : top + height, left : left + width] = image
    grid = Image.fromarray(canvas)
    draw = ImageDraw.Draw(grid)
    for x, lines in enumerate(wrapped):
        for y, line in enumerate(lines):
            draw.text((x * (width + gap) + 3, (y + 0.12) * line_height), line, fill="black", font=font)
    return grid


def _wrap(title: str, width: int, font: Any) -> list[str]:
    """Return the lines of a title, broken at spaces; only a line of one word is wider than ``width`` pixels."""
    lines: list[str] = []
    for word in title.split():
        line = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(line) <= width:
            lines[-1] = line
        else:
            lines.append(word)
    return lines or [""]
