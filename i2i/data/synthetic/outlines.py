"""The `outlines` dataset: paintings of houses, trees, sheep and mushrooms, and outline drawings of them.

Paired: the outlines on the left (A), the painting on the right (B). Each kind of object has its own colour and
texture, so the outlines determine most of the painting.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.synthetic.drawing import ImageArray, Plane, pixel_grid, smooth_noise

SUPERSAMPLING = 2
INK_LEVEL = 60.0  # grey level of the outlines
LINE_DISPLACEMENT = 0.004  # of the hand-drawn lines, in image widths

Rng = np.random.Generator


@dataclass(frozen=True)
class Material:
    """Colour and texture of a kind of surface."""

    colour: tuple[int, int, int]
    texture: str  # a key of _textures()
    contrast: float  # of the texture, in grey levels
    spread: float = 10.0  # maximum variation of the colour between images, in grey levels


MATERIALS = {
    "sky": Material((168, 208, 236), "mist", 5),
    "cloud": Material((246, 247, 250), "mist", 5, 4),
    "sun": Material((252, 208, 66), "mist", 6),
    "mountain": Material((146, 152, 178), "mist", 12),
    "meadow": Material((164, 200, 104), "grass", 8),
    "field": Material((122, 178, 84), "grass", 10),
    "pond": Material((78, 150, 198), "ripples", 12),
    "wall": Material((240, 222, 184), "mist", 6),
    "roof": Material((196, 80, 58), "tiles", 18),
    "door": Material((122, 78, 46), "planks", 12),
    "window": Material((120, 186, 222), "ripples", 6),
    "trunk": Material((116, 82, 54), "planks", 14),
    "crown": Material((70, 142, 62), "leaves", 17),
    "fir": Material((32, 98, 74), "grass", 13),
    "apple": Material((214, 48, 44), "mist", 4),
    "wool": Material((244, 240, 230), "leaves", 11, 5),
    "face": Material((62, 56, 58), "mist", 4, 5),
    "cap": Material((214, 58, 50), "mist", 8),
    "spot": Material((250, 246, 238), "mist", 3, 4),
    "stem": Material((238, 226, 202), "planks", 7),
    "balloon": Material((240, 136, 60), "mist", 7, 14),
    "gore": Material((250, 224, 150), "mist", 6),
    "basket": Material((150, 102, 58), "tiles", 16),
}
NAMES = list(MATERIALS)


class Canvas:
    """The drawn polygons, back to front. Coordinates are in image widths, y downwards."""

    def __init__(self, size: int) -> None:
        self.pixels = size * SUPERSAMPLING
        self.material = np.zeros((self.pixels, self.pixels), np.uint8)
        self.object_id = np.zeros((self.pixels, self.pixels), np.int32)  # a number for each polygon
        self._count = 0

    def polygon(self, material: str, points: NDArray[np.floating] | list[tuple[float, float]]) -> None:
        corners = np.rint(np.asarray(points) * self.pixels * 16).astype(np.int32)
        self._count += 1
        cv2.fillPoly(self.material, [corners], NAMES.index(material), cv2.LINE_8, 4)
        cv2.fillPoly(self.object_id, [corners], self._count, cv2.LINE_8, 4)

    def box(self, material: str, left: float, top: float, right: float, bottom: float) -> None:
        self.polygon(material, [(left, top), (right, top), (right, bottom), (left, bottom)])

    def taper(self, material: str, x: float, y: float, half: float, top: float, half_top: float) -> None:
        """Draw a trapezium symmetric about x: half width ``half`` at height y, and ``half_top`` at height ``top``."""
        self.polygon(material, [(x - half, y), (x - half_top, top), (x + half_top, top), (x + half, y)])

    def disc(self, material: str, x: float, y: float, radius: float, flat: float = 1.0) -> None:
        """Draw an ellipse. ``flat`` is its height relative to its width."""
        self.blob(material, x, y, radius, flat, bumps=0, depth=0)

    def blob(self, material: str, x: float, y: float, radius: float, flat: float, bumps: int, depth: float) -> None:
        """Draw an ellipse with a scalloped edge of ``bumps`` scallops with a depth in radii."""
        angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        reach = radius * (1 - depth + depth * np.abs(np.sin(angle * bumps / 2))) if bumps else radius
        self.polygon(material, np.column_stack([x + reach * np.cos(angle), y + flat * reach * np.sin(angle)]))

    def ridge(self, material: str, heights: NDArray[np.floating]) -> None:
        """Draw ground below a smooth line through ``heights``, which are evenly spaced from left to right."""
        row = np.asarray(heights, np.float32)[None]
        line = cv2.resize(row, (64, 1), interpolation=cv2.INTER_CUBIC)[0]
        x = np.linspace(0, 1, 64)
        self.polygon(material, [*zip(x, line, strict=True), (1.0, 1.1), (0.0, 1.1)])


def _house(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    w, h = s * rng.uniform(0.75, 1.0), s * rng.uniform(0.55, 0.75)
    canvas.box("wall", x - w / 2, y - h, x + w / 2, y)
    eave, tip = w * 0.62, h * rng.uniform(0.7, 0.95)
    flat = w * rng.uniform(0.0, 0.3)
    foot, top = y - h, y - h - tip
    canvas.polygon("roof", [(x - eave, foot), (x - flat, top), (x + flat, top), (x + eave, foot)])
    side = rng.choice([-1, 1])
    canvas.box("door", x + side * 0.2 * w - 0.1 * w, y - 0.55 * h, x + side * 0.2 * w + 0.1 * w, y)
    for pane in (-0.1, 0.05):
        left = x - side * 0.2 * w + pane * w
        canvas.box("window", left, y - 0.75 * h, left + 0.13 * w, y - 0.4 * h)


def _tree(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    canvas.taper("trunk", x, y, 0.06 * s, y - 0.5 * s, 0.04 * s)
    top, r = y - 0.72 * s, s * rng.uniform(0.32, 0.4)
    canvas.blob("crown", x, top, r, rng.uniform(0.85, 1.1), int(rng.integers(7, 11)), 0.16)
    for _ in range(int(rng.integers(0, 6))):
        canvas.disc("apple", x + r * rng.uniform(-0.6, 0.6), top + r * rng.uniform(-0.5, 0.5), 0.045 * s)


def _fir(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    canvas.box("trunk", x - 0.05 * s, y - 0.2 * s, x + 0.05 * s, y)
    width = s * rng.uniform(0.26, 0.34)
    for tier in range(3):
        foot, w = y - s * (0.15 + 0.25 * tier), width * (1 - 0.24 * tier)
        canvas.polygon("fir", [(x - w, foot), (x, foot - 0.45 * s), (x + w, foot)])


def _sheep(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    side = rng.choice([-1, 1])
    for leg in (-0.2, -0.1, 0.1, 0.2):
        canvas.box("face", x + (leg - 0.025) * s, y - 0.25 * s, x + (leg + 0.025) * s, y)
    canvas.blob("wool", x, y - 0.38 * s, 0.38 * s, 0.68, 10, 0.16)
    canvas.disc("face", x + side * 0.38 * s, y - 0.48 * s, 0.11 * s, 1.25)
    canvas.blob("wool", x + side * 0.36 * s, y - 0.62 * s, 0.09 * s, 0.7, 5, 0.2)


def _mushroom(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    canvas.taper("stem", x, y, 0.12 * s, y - 0.5 * s, 0.08 * s)
    angle = np.linspace(np.pi, 2 * np.pi, 32)
    dome = np.column_stack([x + 0.36 * s * np.cos(angle), y - 0.42 * s + 0.42 * s * np.sin(angle)])
    canvas.polygon("cap", dome)
    for dx, dy in ((-0.17, -0.55), (0.03, -0.68), (0.19, -0.53)):
        canvas.disc("spot", x + s * (dx + rng.uniform(-0.02, 0.02)), y + s * dy, s * rng.uniform(0.04, 0.07))


def _balloon(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    r = 0.4 * s
    canvas.taper("balloon", x, y + 0.6 * r, 0.8 * r, y + 1.45 * r, 0.3 * r)
    canvas.disc("balloon", x, y, r)
    canvas.disc("gore", x, y + 0.05 * r, 0.42 * r, 2.2)
    canvas.box("basket", x - 0.12 * s, y + 1.62 * r, x + 0.12 * s, y + 2.1 * r)


def _cloud(canvas: Canvas, rng: Rng, x: float, y: float, s: float) -> None:
    canvas.blob("cloud", x, y, s * 0.5, rng.uniform(0.42, 0.55), int(rng.integers(7, 10)), 0.22)


OBJECTS: list[tuple[Callable[[Canvas, Rng, float, float, float], None], float, float]] = [
    (_house, 0.34, 0.22),  # size in image widths, and probability
    (_tree, 0.36, 0.26),
    (_fir, 0.36, 0.20),
    (_sheep, 0.24, 0.20),
    (_mushroom, 0.20, 0.12),
]


def sample_scene(rng: Rng, size: int) -> Canvas:
    """Draw a random scene: sky, ground and a few objects, the farther ones first."""
    canvas = Canvas(size)
    horizon = rng.uniform(0.38, 0.52)
    if rng.random() < 0.6:
        canvas.disc("sun", rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.24), rng.uniform(0.06, 0.1))
    for _ in range(int(rng.integers(0, 3))):
        _cloud(canvas, rng, rng.uniform(0.05, 0.95), rng.uniform(0.08, 0.26), rng.uniform(0.2, 0.34))
    if rng.random() < 0.5:
        canvas.ridge("mountain", horizon - rng.uniform(0.0, 0.2, 6))
    if rng.random() < 0.35:
        _balloon(canvas, rng, rng.uniform(0.15, 0.85), rng.uniform(0.14, 0.26), rng.uniform(0.2, 0.3))
    canvas.ridge("meadow", horizon + rng.uniform(-0.04, 0.05, 4))
    canvas.ridge("field", horizon + 0.22 + rng.uniform(-0.06, 0.06, 4))
    if rng.random() < 0.35:
        canvas.disc("pond", rng.uniform(0.2, 0.8), rng.uniform(0.8, 0.9), rng.uniform(0.14, 0.24), 0.35)
    probabilities = [probability for _, _, probability in OBJECTS]
    count = int(rng.integers(4, 8))
    columns = (rng.permutation(count) + rng.uniform(0, 1, count)) / count  # spread out, to reduce occlusion
    for x, y in zip(0.05 + 0.9 * columns, np.sort(rng.uniform(horizon + 0.1, 0.97, count)), strict=True):
        draw_object, s, _ = OBJECTS[int(rng.choice(len(OBJECTS), p=probabilities))]
        nearness = 0.6 + 0.7 * (y - horizon) / (1 - horizon)
        draw_object(canvas, rng, float(x), float(y), float(s * nearness * rng.uniform(0.85, 1.1)))
    return canvas


def _textures(rng: Rng, pixels: int) -> dict[str, Plane]:
    """Return the textures (pixels, pixels) by name, each of about zero mean and unit amplitude."""
    x, y = pixel_grid(pixels)
    row = np.floor(y * 44)
    brick = np.abs(np.mod(x * 22 + 0.5 * row, 1) - 0.5) > 0.42
    tiles = np.where(brick | (np.mod(y * 44, 1) < 0.25), np.float32(-1.4), np.float32(0.4))
    mist = smooth_noise(rng, pixels, [(6, 6), (24, 24), (64, 64)])
    return {
        "mist": mist,
        "grass": smooth_noise(rng, pixels, [(16, 24), (48, 110)], roughness=1.0),
        "leaves": smooth_noise(rng, pixels, [(20, 20), (48, 48)], roughness=1.0),
        "ripples": np.sin(y * np.float32(150) + 2 * mist),
        "planks": np.where(np.mod(x * 60, 1) < 0.3, np.float32(-1.4), np.float32(0.6)) * np.ones_like(y),
        "tiles": tiles,
    }


def _object_edges(object_id: NDArray[np.int32]) -> ImageArray:
    """Return 255 on both sides of each border between two objects, else 0."""
    borders = np.zeros(object_id.shape, np.uint8)
    across = object_id[:, 1:] != object_id[:, :-1]
    down = object_id[1:] != object_id[:-1]
    borders[:, 1:] |= across
    borders[:, :-1] |= across
    borders[1:] |= down
    borders[:-1] |= down
    return borders * np.uint8(255)


def _draw_outlines(rng: Rng, edges: ImageArray, size: int) -> ImageArray:
    """Draw the edges as thin dark lines on white, with displaced lines and uneven pressure: (size, size, 3)."""
    pixels = edges.shape[0]
    y, x = np.mgrid[:pixels, :pixels].astype(np.float32)
    displacement = np.float32(LINE_DISPLACEMENT / 2 * pixels)
    displaced = cv2.remap(
        edges,
        x + displacement * smooth_noise(rng, pixels, [(9, 9)]),
        y + displacement * smooth_noise(rng, pixels, [(9, 9)]),
        cv2.INTER_LINEAR,
    )
    pressure = np.clip(1 + 0.12 * smooth_noise(rng, size, [(12, 12)]), 0.6, 1.2)
    line = cv2.resize(displaced, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    paper = 255 - (255 - INK_LEVEL) * np.clip(line * pressure * 1.15, 0, 1)
    return cv2.merge([np.rint(paper).astype(np.uint8)] * 3)


def _paint(rng: Rng, canvas: Canvas, edges: ImageArray, size: int) -> ImageArray:
    """Paint each material in its colour and texture, darker towards its border: (size, size, 3)."""
    textures = _textures(rng, canvas.pixels)
    colours = np.array([m.colour for m in MATERIALS.values()], np.float32)
    spread = np.array([[m.spread] for m in MATERIALS.values()])
    colours += (rng.uniform(-1, 1, colours.shape) * spread).astype(np.float32)
    texture_index = np.array([list(textures).index(m.texture) for m in MATERIALS.values()])
    contrast = np.array([m.contrast for m in MATERIALS.values()], np.float32)
    pixel_texture = texture_index[canvas.material][None]
    texture = np.take_along_axis(np.stack(list(textures.values())), pixel_texture, axis=0)[0]
    grain = contrast[canvas.material] * texture
    inside = cv2.distanceTransform(255 - edges, cv2.DIST_L2, 3) / np.float32(0.035 * canvas.pixels)
    shade = np.float32(0.78) + np.float32(0.25) * np.sqrt(np.clip(inside, 0, 1))
    image = colours[canvas.material] * shade[..., None] + grain[..., None]
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, ImageArray]:
    """Draw one pair (size, 2·size, 3), outlines | painting. Returns it by its folder."""
    rng = np.random.default_rng(seed)
    canvas = sample_scene(rng, size)
    edges = _object_edges(canvas.object_id)
    return {split: np.hstack([_draw_outlines(rng, edges, size), _paint(rng, canvas, edges, size)])}
