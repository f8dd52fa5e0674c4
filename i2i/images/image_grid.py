"""Many pictures in one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from i2i.images.tensors import to_uint8

if TYPE_CHECKING:
    from torch import Tensor


def grid(columns: dict[str, "Tensor"]) -> Image.Image:
    """Columns of pictures under their titles. Each (N, 3, H, W) in [-1, 1], all of one shape; N rows.

    A single column is broken into rows of eight, without a title.
    """
    cells = [to_uint8(pictures).permute(0, 2, 3, 1).cpu().numpy() for pictures in columns.values()]
    return sheet(cells, list(columns)) if len(cells) > 1 else tiles(cells[0])


def tiles(pictures: np.ndarray, across: int = 8, gap: int = 2) -> Image.Image:
    """uint8 (N, H, W, 3) in rows of ``across``, in the order of reading, on white."""
    count, height, width = pictures.shape[:3]
    across = min(across, count)
    rows = -(-count // across)
    canvas = np.full((rows * (height + gap) - gap, across * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // across * (height + gap), index % across * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return Image.fromarray(canvas)


def sheet(columns: Sequence[np.ndarray], titles: Sequence[str], gap: int = 2) -> Image.Image:
    """As ``grid``, of uint8 arrays (N, H, W, 3)."""
    rows, height, width = columns[0].shape[:3]
    head = max(14, height // 12)
    canvas = np.full((head + rows * (height + gap), len(columns) * (width + gap) - gap, 3), 255, np.uint8)
    for x, column in enumerate(columns):
        for y, cell in enumerate(column):
            top, left = head + y * (height + gap), x * (width + gap)
            canvas[top : top + height, left : left + width] = cell
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=max(9.0, head * 0.62))
    for x, title in enumerate(titles):
        draw.text((x * (width + gap) + 3, head * 0.12), title, fill="black", font=font)
    return image
