"""One coloured shape on a plain ground: few enough kinds of picture that a sample can be told to be one of them.

For generators of pictures from noise. ``score`` measures what such a generator paints: how many of its pictures
are shapes as drawn here, and how many of the kinds it has found.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from i2i.data.layout import pictures
from i2i.data.synthetic.drawing import Picture, Plane, cover, grid, paint, rgb, shifted
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
KINDS = [(shape, colour) for shape in SHAPES for colour in COLOURS]
RADII = (0.2, 0.28)  # of the circle, in picture widths; the other shapes have its area
MARGIN = 0.06  # least distance to the picture's edge, in picture widths
GROUND, COLOUR_SPREAD = 8.0, 6.0  # how far the ground's lightness and the shape's colour vary, in grey levels

FINE = 128  # pixels a side at which pictures are judged
EDGE = 0.03  # half the width of what counts as a shape's outline, in picture widths
FAR = 0.35  # of the distance between ground and colour: off by more, a pixel is wrong
NEAR = 50.0  # distance up to which a colour counts as one of COLOURS, in grey levels
CLEAN = 0.12  # misfit up to which a picture counts as a clean shape; a circle taken for a square has 0.18


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, Picture]:
    """One picture by its folder."""
    rng = np.random.default_rng(seed)
    shape, colour = KINDS[rng.integers(len(KINDS))]
    radius = rng.uniform(*RADII)
    left, right, top, bottom = (reach + MARGIN for reach in _reach(shape, radius))
    x, y = rng.uniform(left, 1 - right), rng.uniform(top, 1 - bottom)
    ground = rgb(236, 236, 232) + np.float32(rng.uniform(-GROUND, GROUND))
    canvas = np.tile(ground, (1, size, size))
    paint(canvas, shifted(rng, rgb(*COLOURS[colour]), COLOUR_SPREAD), cover(_distance(shape, x, y, radius, size), size))
    return {split: np.clip(np.rint(canvas), 0, 255).astype(np.uint8).transpose(1, 2, 0)}


def _reach(shape: str, radius: float) -> tuple[float, float, float, float]:
    """How far the shape reaches from its centroid: left, right, up, down."""
    if shape == "circle":
        return (radius,) * 4
    half = _half(shape, radius)
    return (half,) * 4 if shape == "square" else (half, half, 2 * half / 3**0.5, half / 3**0.5)


def _half(shape: str, radius: float) -> float:
    """Half the side of the square, or of the upright equilateral triangle, that has the circle's area."""
    area = np.pi * radius**2
    return float(area**0.5 / 2 if shape == "square" else (area / 3**0.5) ** 0.5)


def _distance(shape: str, x: float, y: float, radius: float, size: int) -> Plane:
    """Signed distance of each pixel to the edge of the shape whose centroid is (x, y): (size, size)."""
    across, down = grid(size)
    right, below = across - np.float32(x), down - np.float32(y)
    if shape == "circle":
        return np.hypot(right, below) - np.float32(radius)
    half = np.float32(_half(shape, radius))
    if shape == "square":
        return np.maximum(np.abs(right), np.abs(below)) - half
    slope = np.float32(0.5) * (np.float32(3**0.5) * np.abs(right) - below)
    return np.maximum(slope, below) - half / np.float32(3**0.5)


def score(painted: Path | Iterable[Picture]) -> dict[str, float]:
    """How well painted pictures show one clean shape each, and how many of the kinds there are.

    painted: a folder of pictures, or square RGB arrays (H, W, 3). Returns clean, the share of them that ``recognise``
    takes for a shape; kinds, the number of (shape, colour) pairs among those, at best 18; even, the exponential of
    the entropy of their distribution: the number of kinds where all are equally frequent, less where they are not;
    and pictures. Raises DatasetError where there are none.
    """
    found = [recognise(picture) for picture in (_read(painted) if isinstance(painted, Path) else painted)]
    if not found:
        raise DatasetError(f"{painted} holds no pictures to score.")
    counts = Counter(kind for kind in found if kind is not None)
    shares = np.array(list(counts.values())) / max(1, counts.total())
    return {
        "clean": counts.total() / len(found),
        "kinds": len(counts),
        "even": float(np.exp(-(shares * np.log(shares)).sum())) if counts else 0.0,
        "pictures": len(found),
    }


def _read(folder: Path) -> Iterator[Picture]:
    for path in pictures(folder):
        yield np.asarray(read(path))


def recognise(picture: Picture) -> tuple[str, str] | None:
    """The shape and the colour that a square picture (H, W, 3) shows, or None where it is not one clean shape.

    Ground and colour are medians, of the picture's edge and of what differs most from it; place and area are
    moments of what is nearer to the colour. Each shape is drawn anew with these. Wrong are, within EDGE of the
    drawing's outline, the pixels on its other side, and elsewhere those far from the drawing's colour: their area as
    a share of the shape's is the misfit.
    """
    pixels = cv2.resize(picture, (FINE, FINE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    ground = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    away = pixels - ground
    strength = np.linalg.norm(away, axis=2)
    tint = np.median(away[strength >= 0.8 * np.quantile(strength, 0.98)], axis=0)
    distances = {name: float(np.linalg.norm(ground + tint - colour)) for name, colour in COLOURS.items()}
    colour = min(distances, key=distances.__getitem__)
    inside = away @ tint > 0.5 * (tint @ tint)
    radius = float(inside.mean() / np.pi) ** 0.5
    if distances[colour] > NEAR or not RADII[0] * 0.85 < radius < RADII[1] * 1.15:
        return None
    x, y = (float(where.mean() + 0.5) / FINE for where in np.nonzero(inside)[::-1])
    misfits = {}
    for shape in SHAPES:
        distance = _distance(shape, x, y, radius, FINE)
        drawing = (distance < 0)[..., None] * tint
        far = np.linalg.norm(away - drawing, axis=2) > FAR * np.linalg.norm(tint)
        wrong = np.where(np.abs(distance) < EDGE, inside != (distance < 0), far)
        misfits[shape] = wrong.sum() / inside.sum()
    best = min(misfits, key=misfits.__getitem__)
    return (best, colour) if misfits[best] <= CLEAN else None
