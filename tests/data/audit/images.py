"""Helpers of the tests of the audit."""

from pathlib import Path

import numpy as np
from PIL import Image

from i2i.data.audit import Report


def random_image(seed: int, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """Smooth blobs, different for each seed."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def save_image(path: Path, image: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def side_by_side(a: Image.Image, b: Image.Image) -> Image.Image:
    pair = Image.new("RGB", (a.width + b.width, a.height))
    pair.paste(a, (0, 0))
    pair.paste(b, (a.width, 0))
    return pair


def finding_with(report: Report, words: str, level: str = "") -> str:
    """Return the text of the only finding that contains ``words``."""
    (text,) = [f.text for f in report.findings if words in f.text and f.level == (level or f.level)]
    return text
