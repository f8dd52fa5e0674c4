"""How much a horse→zebra translator changes the horses, and how much the ground around them.

Twenty test images of horse2zebra were drawn at random (``random.Random(0).sample`` of the sorted names). Boxes around
their animals, drawn by hand and a little too large, are in horse_boxes.json, in eighths of the image's side.

python -m tests.benchmarks.background TRANSLATED_FOLDER --data horse2zebra

The folder holds the translations of all test images, in the order of the sorted names.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.data.layout import find_dataset

Box = tuple[float, float, float, float]  # left, top, right, bottom, in eighths of the side
UNIT = 8


@dataclass(frozen=True)
class Change:
    """Mean absolute difference of pixel values, in grey levels."""

    animal: float  # inside the boxes
    ground: float  # outside them


def load_boxes() -> dict[str, list[Box]]:
    """Return the boxes of each image by its file name."""
    boxes = json.loads(Path(__file__).with_name("horse_boxes.json").read_text())
    return {name: [(left, top, right, bottom) for left, top, right, bottom in rows] for name, rows in boxes.items()}


def box_mask(boxes: list[Box], width: int, height: int) -> np.ndarray:
    """Return a bool mask (height, width) that is True inside the boxes."""
    mask = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        rows = slice(int(top * height / UNIT), math.ceil(bottom * height / UNIT))
        columns = slice(int(left * width / UNIT), math.ceil(right * width / UNIT))
        mask[rows, columns] = True
    return mask


def measure_change(source: Image.Image, translated: Image.Image, boxes: list[Box]) -> Change:
    """Compare an image with its translation of the same size, inside and outside the boxes."""
    difference = np.abs(np.asarray(source, np.float32) - np.asarray(translated, np.float32)).mean(2)
    mask = box_mask(boxes, source.width, source.height)
    return Change(float(difference[mask].mean()), float(difference[~mask].mean()))


def measure_folder(translated: Path, sources: Path) -> dict[str, Change]:
    """Measure the twenty images of a folder with the translations of all of ``sources``."""
    names = sorted(path.name for path in sources.iterdir())
    results = sorted(path for path in translated.iterdir() if path.suffix == ".png")
    if len(results) != len(names):
        raise SystemExit(f"{translated} has {len(results)} PNG files; {sources} has {len(names)} images.")
    by_name = dict(zip(names, results, strict=True))
    changes = {}
    for name, boxes in load_boxes().items():
        result = Image.open(by_name[name]).convert("RGB")
        source = Image.open(sources / name).convert("RGB").resize(result.size, Image.Resampling.BICUBIC)
        changes[name] = measure_change(source, result, boxes)
    return changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("translated", type=Path)
    parser.add_argument("--data", default="horse2zebra")
    args = parser.parse_args()
    root = find_dataset(args.data)
    if root is None:
        parser.error(f"no dataset {args.data}")
    changes = measure_folder(args.translated, root / "testA")
    for name, change in changes.items():
        print(f"{name}: animal {change.animal:.1f}, ground {change.ground:.1f} grey levels")
    animal = np.mean([change.animal for change in changes.values()])
    ground = np.mean([change.ground for change in changes.values()])
    print(f"mean: animal {animal:.1f}, ground {ground:.1f} grey levels")


if __name__ == "__main__":
    main()
