"""Images for the tests of layouts."""

from pathlib import Path

from PIL import Image


def save_images(root: Path, *names: str, size: tuple[int, int] = (8, 8)) -> Path:
    """Save an image of one colour for each name below ``root``. Returns ``root``."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "teal").save(root / name)
    return root
