"""The `shapes` dataset: one coloured shape on a plain background.

It is made for generation from noise. It has few classes, so that ``score`` can classify generated images: how many of
them are clean shapes, and how many classes the generator produces.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from i2i.data.layout import list_images
from i2i.data.synthetic.drawing import ImageArray, Plane, blend, coverage, pixel_grid, rgb_colour, vary_colour
from i2i.errors import DatasetError
from i2i.images import read

COLOURS = {
    "red": (214, 48, 44),
    "yellow": (250, 208, 60),
    "green": (64, 160, 84),
    "blue": (52, 110, 214),
    "purple": (146, 70, 176),
    "black": (52, 50, 54),
}
SHAPES = ("circle", "square", "triangle")
CLASSES = [(shape, colour) for shape in SHAPES for colour in COLOURS]
RADII = (0.2, 0.28)  # range of the circle's radius in image widths; the other shapes have its area
MARGIN = 0.06  # minimum distance to the image's border, in image widths
BACKGROUND_SPREAD, COLOUR_SPREAD = 8.0, 6.0  # maximum variation of background and shape, in grey levels

SCORED_SIZE = 128  # pixels; size at which images are classified
EDGE_WIDTH = 0.03  # half the width of a shape's edge zone, in image widths
MAX_PIXEL_ERROR = 0.35  # relative to the distance between background and colour; a larger error makes a pixel wrong
MAX_COLOUR_DISTANCE = 50.0  # from one of COLOURS, in grey levels
MAX_MISFIT = 0.12  # of a clean shape; a circle compared with a square has 0.18


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, ImageArray]:
    """Draw one image. Returns it by its folder."""
    rng = np.random.default_rng(seed)
    shape, colour = CLASSES[rng.integers(len(CLASSES))]
    radius = rng.uniform(*RADII)
    left, right, top, bottom = (extent + MARGIN for extent in _extents(shape, radius))
    x = rng.uniform(left, 1 - right)
    y = rng.uniform(top, 1 - bottom)
    background = rgb_colour(236, 236, 232) + np.float32(rng.uniform(-BACKGROUND_SPREAD, BACKGROUND_SPREAD))
    canvas = np.tile(background, (1, size, size))
    shape_colour = vary_colour(rng, rgb_colour(*COLOURS[colour]), COLOUR_SPREAD)
    blend(canvas, shape_colour, coverage(_signed_distance(shape, x, y, radius, size), size))
    return {split: np.clip(np.rint(canvas), 0, 255).astype(np.uint8).transpose(1, 2, 0)}


def _extents(shape: str, radius: float) -> tuple[float, float, float, float]:
    """Return the distances from the shape's centroid to its left, right, top and bottom end."""
    if shape == "circle":
        return (radius,) * 4
    half = _half_side(shape, radius)
    return (half,) * 4 if shape == "square" else (half, half, 2 * half / 3**0.5, half / 3**0.5)


def _half_side(shape: str, radius: float) -> float:
    """Return half the side of the square, or of the upright equilateral triangle, with the circle's area."""
    area = np.pi * radius**2
    return float(area**0.5 / 2 if shape == "square" else (area / 3**0.5) ** 0.5)


def _signed_distance(shape: str, x: float, y: float, radius: float, size: int) -> Plane:
    """Return the signed distance (size, size) of each pixel to the edge of the shape with centroid (x, y)."""
    grid_x, grid_y = pixel_grid(size)
    dx = grid_x - np.float32(x)
    dy = grid_y - np.float32(y)
    if shape == "circle":
        return np.hypot(dx, dy) - np.float32(radius)
    half = np.float32(_half_side(shape, radius))
    if shape == "square":
        return np.maximum(np.abs(dx), np.abs(dy)) - half
    slope = np.float32(0.5) * (np.float32(3**0.5) * np.abs(dx) - dy)
    return np.maximum(slope, dy) - half / np.float32(3**0.5)


def score(generated: Path | Iterable[ImageArray]) -> dict[str, float]:
    """Score generated images: the share of clean shapes, and the variety of their classes.

    Args:
        generated: a folder of images, or square RGB arrays (H, W, 3).

    Returns:
        clean: share of images that ``classify`` assigns to a class.
        kinds: number of (shape, colour) classes among them, at most 18.
        even: exponential of the entropy of the class distribution; equal to ``kinds`` for equal frequencies.
        pictures: number of images.

    Raises:
        DatasetError: there are no images.
    """
    labels = [classify(image) for image in (_load_all(generated) if isinstance(generated, Path) else generated)]
    if not labels:
        raise DatasetError(f"{generated} holds no images to score.")
    counts = Counter(label for label in labels if label is not None)
    frequencies = np.array(list(counts.values())) / max(1, counts.total())
    return {
        "clean": counts.total() / len(labels),
        "kinds": len(counts),
        "even": float(np.exp(-(frequencies * np.log(frequencies)).sum())) if counts else 0.0,
        "pictures": len(labels),
    }


def _load_all(folder: Path) -> Iterator[ImageArray]:
    for path in list_images(folder):
        yield np.asarray(read(path))


def classify(image: ImageArray) -> tuple[str, str] | None:
    """Return the shape and the colour of a square image (H, W, 3), or None if it is not one clean shape.

    Background and colour are medians: of the image's border, and of the pixels that differ most from it. Position and
    area are moments of the pixels that are nearer to the colour. Each shape is drawn with these parameters and compared
    with the image. Within EDGE_WIDTH of the drawing's edge, a pixel is wrong if it is on the other side of the edge;
    elsewhere, if it is far from the drawing's colour. The misfit is the number of wrong pixels relative to the area.
    """
    pixels = cv2.resize(image, (SCORED_SIZE, SCORED_SIZE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    background = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    difference = pixels - background
    strength = np.linalg.norm(difference, axis=2)
    tint = np.median(difference[strength >= 0.8 * np.quantile(strength, 0.98)], axis=0)
    distances = {name: float(np.linalg.norm(background + tint - colour)) for name, colour in COLOURS.items()}
    colour = min(distances, key=distances.__getitem__)
    inside = difference @ tint > 0.5 * (tint @ tint)
    radius = float(inside.mean() / np.pi) ** 0.5
    if distances[colour] > MAX_COLOUR_DISTANCE or not RADII[0] * 0.85 < radius < RADII[1] * 1.15:
        return None
    x, y = (float(indices.mean() + 0.5) / SCORED_SIZE for indices in np.nonzero(inside)[::-1])
    misfits = {}
    for shape in SHAPES:
        distance = _signed_distance(shape, x, y, radius, SCORED_SIZE)
        drawing = (distance < 0)[..., None] * tint
        is_far = np.linalg.norm(difference - drawing, axis=2) > MAX_PIXEL_ERROR * np.linalg.norm(tint)
        is_wrong = np.where(np.abs(distance) < EDGE_WIDTH, inside != (distance < 0), is_far)
        misfits[shape] = is_wrong.sum() / inside.sum()
    best = min(misfits, key=misfits.__getitem__)
    return (best, colour) if misfits[best] <= MAX_MISFIT else None
