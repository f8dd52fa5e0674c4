"""Drawn training crops for restoration: text, line art, shapes in saturated colours and flat fields.

Photos hold few of these, and a network that has seen photos alone leaves noise on them or smears them.
"""

import string
from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from i2i.data.synthetic.drawing import ImageArray

SUPERSAMPLING = 2
HARD_EDGES = 0.25  # probability of edges without antialiasing
FONT_SIZES = (7, 8, 9, 10, 11, 12, 14, 16, 20, 26, 36, 48)  # pixels
CHARACTERS = np.array(list(string.ascii_letters * 2 + string.digits + ".,;:-()/%&" + 24 * " "))
Colour = tuple[int, int, int]


def draw_crop(size: int, rng: np.random.Generator) -> ImageArray:
    """Return a drawn image, uint8 (size, size, 3): text, lines, shapes or a flat field with equal probability."""
    return (draw_text, draw_lines, draw_shapes, draw_flat_field)[rng.integers(4)](size, rng)


def draw_text(size: int, rng: np.random.Generator) -> ImageArray:
    """Return lines of random letters and digits, from edge to edge: uint8 (size, size, 3)."""
    background = _background(rng)
    red, green, blue = background
    colour = _colour(rng) if rng.random() < 0.5 else (255 - red, 255 - green, 255 - blue)
    return _draw(_text, size, background, rng, colour)


def draw_lines(size: int, rng: np.random.Generator) -> ImageArray:
    """Return straight lines, curves and circles, one to five pixels wide: uint8 (size, size, 3)."""
    return _draw(_lines, size, _background(rng), rng, [_colour(rng) for _ in range(3)])


def draw_shapes(size: int, rng: np.random.Generator) -> ImageArray:
    """Return polygons and ellipses of all sizes on top of each other: uint8 (size, size, 3)."""
    return _draw(_shapes, size, _background(rng), rng, None)


def _draw(paint: Any, size: int, background: Colour, rng: np.random.Generator, colour: Any) -> ImageArray:
    """Return what ``paint`` draws on a background: uint8 (size, size, 3), mostly with antialiasing."""
    hard = bool(rng.random() < HARD_EDGES)
    scale = 1 if hard else SUPERSAMPLING
    image = Image.new("RGB", (size * scale,) * 2, background)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if hard else "L"
    paint(draw, size * scale, scale, colour, rng)
    pixels = np.asarray(image)
    return pixels if hard else np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def draw_flat_field(size: int, rng: np.random.Generator) -> ImageArray:
    """Return a field of one colour, or half of the time a gradient between two colours: uint8 (size, size, 3)."""
    first, second = np.array(_background(rng), np.float32), np.array(_colour(rng), np.float32)
    if rng.random() < 0.5:
        second = first
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    position = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    ramp = ((position - position.min()) / np.ptp(position))[..., None]
    return np.rint(first + ramp * (second - first)).astype(np.uint8)


def _colour(rng: np.random.Generator) -> Colour:
    """Return a colour: saturated, grey, or any."""
    kind = rng.integers(3)
    if kind == 0:  # a hue at full saturation, at times darkened
        brightness = 1.0 if rng.random() < 0.6 else rng.uniform(0.3, 1)
        red, green, blue = (int(brightness * level) for level in rng.permutation([0, 255, int(rng.integers(256))]))
    elif kind == 1:
        red = green = blue = int(rng.integers(256))
    else:
        red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return red, green, blue


def _background(rng: np.random.Generator) -> Colour:
    """Return black or white half of the time, else any colour."""
    kind = rng.integers(4)
    if kind == 0:
        return 0, 0, 0
    return (255, 255, 255) if kind == 1 else _colour(rng)


def _text(draw: ImageDraw.ImageDraw, side: int, scale: int, colour: Colour, rng: np.random.Generator) -> None:
    font = _font(int(rng.choice(FONT_SIZES)) * scale)
    line_height = max(int(font.size * rng.uniform(1.05, 1.6)), 1)
    left = int(rng.integers(-4 * scale, 8 * scale))
    for top in range(int(rng.integers(-line_height, 1)), side, line_height):
        letters = CHARACTERS[rng.integers(len(CHARACTERS), size=4 + 3 * side // int(font.size))]
        draw.text((left, top), "".join(letters), fill=colour, font=font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the typeface that Pillow carries. Raises RuntimeError where Pillow was built without FreeType."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType and cannot draw text in training crops.")
    return font


def _lines(
    draw: ImageDraw.ImageDraw, side: int, scale: int, colours: Sequence[Colour], rng: np.random.Generator
) -> None:
    for _ in range(int(rng.integers(4, 24))):
        colour, width = colours[int(rng.integers(len(colours)))], int(rng.integers(1, 6)) * scale
        points = rng.uniform(-0.1 * side, 1.1 * side, (int(rng.integers(2, 6)), 2))
        if rng.random() < 0.3:
            (x, y), radius = points[0], rng.uniform(2 * scale, side / 3)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
        else:
            draw.line([(float(x), float(y)) for x, y in points], fill=colour, width=width, joint="curve")


def _shapes(draw: ImageDraw.ImageDraw, side: int, scale: int, colour: None, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(6, 40))):
        x, y = rng.uniform(0, side, 2)
        radius = side * rng.uniform(0.02, 0.35)
        if rng.random() < 0.5:
            half_height = radius * rng.uniform(0.3, 1)
            draw.ellipse((x - radius, y - half_height, x + radius, y + half_height), fill=_colour(rng))
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            corners = [(float(x + radius * np.cos(a)), float(y + radius * np.sin(a))) for a in angles]
            draw.polygon(corners, fill=_colour(rng))
