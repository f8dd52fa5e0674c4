"""What is done with the result of any model: mix it with the photo, and give back a little film grain."""

import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from i2i.config import require
from i2i.images.deep import DeepImage, image_from_levels

MAX_GRAIN = 50.0
_GRAIN_RADIUS = 0.6  # σ in pixels of the blur that gives the grain its size
_BLOCK = 4_000_000  # values computed at a time, to bound the memory


@dataclass(frozen=True)
class Finishing:
    """Mixes results with their photos, and adds grain.

    Args:
        blend: 1 for the result as it is, 0 for the photo; a mixture in between, in sRGB. If the result is larger, it is
            mixed with the bicubic enlargement of the photo.
        grain: σ of the grain on middle grey, in grey levels; 0 for none.

    Raises: ConfigError if a value is out of range.

    >>> Finishing(blend=0.5)(Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white")).getpixel((0, 0))
    (128, 128, 128)
    """

    blend: float = 1.0
    grain: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.blend <= 1, "blend", self.blend, "from 0 (the photo) to 1 (the result)")
        require(0 <= self.grain <= MAX_GRAIN, "grain", self.grain, f"from 0 to {MAX_GRAIN:g} grey levels")

    @property
    def changes_results(self) -> bool:
        return self.blend < 1 or self.grain > 0

    def __call__(self, photo: Image.Image, result: Image.Image) -> Image.Image:
        """Return the finished result.

        Args:
            photo: what the model was given, RGB or RGBA, whose colours are used.
            result: RGB.
        """
        levels = mix(photo, result, self.blend)
        if self.grain > 0:
            add_grain(levels, self.grain, seed=zlib.crc32(photo.tobytes()))
        return image_from_levels(levels)


AS_IT_IS = Finishing()


def mix(photo: Image.Image, result: Image.Image, blend: float) -> np.ndarray:
    """Return photo + blend · (result − photo), rounded: levels (H, W, 3) of the size and type of the result."""
    if blend == 1:
        return np.array(result)
    photo = photo.convert("RGB")
    if isinstance(result, DeepImage) and not isinstance(photo, DeepImage):
        photo = DeepImage.from_8bit(photo)
    if photo.size != result.size:
        photo = photo.resize(result.size, Image.Resampling.BICUBIC)
    levels = np.array(photo)
    block_rows = max(1, _BLOCK // (3 * result.width))
    for top in range(0, result.height, block_rows):
        block = levels[top : top + block_rows]
        band = np.asarray(result.crop((0, top, result.width, top + len(block)))).astype(np.float32)
        block[...] = (block + np.float32(blend) * (band - block)).round()
    return levels


def add_grain(levels: np.ndarray, sigma: float, *, seed: int) -> None:
    """Add film grain to an image, in place. It is the same in the three channels, so that grey stays grey.

    Its strength follows 4 y (1 − y), where y is the brightness: most on middle grey, none on black and on white.

    Args:
        levels: uint8 or uint16 (H, W, 3).
        sigma: standard deviation on middle grey, in grey levels.
        seed: of the random numbers.
    """
    import cv2

    height, width = levels.shape[:2]
    rng = np.random.default_rng(seed)
    size = 2 * round(4 * _GRAIN_RADIUS) + 1
    kernel = cv2.getGaussianKernel(size, _GRAIN_RADIUS)
    white = float(np.iinfo(levels.dtype).max)
    gain = np.float32(4 * sigma / (255 * white * float((kernel**2).sum())))  # the blur lowers σ by the sum of squares
    block_rows = max(1, _BLOCK // (3 * width))
    overlap = size // 2
    noise = rng.standard_normal((min(height, block_rows) + 2 * overlap, width + 2 * overlap), np.float32)
    for top in range(0, height, block_rows):
        block = levels[top : top + block_rows]
        if top:
            noise = np.concatenate(
                [noise[-2 * overlap :], rng.standard_normal((len(block), noise.shape[1]), np.float32)]
            )
        grain = cv2.sepFilter2D(noise, -1, kernel, kernel)[overlap:-overlap, overlap:-overlap]
        brightness = block.mean(2, dtype=np.float32)
        grain *= gain * brightness * (white - brightness)
        block[...] = (block + grain[..., None]).round().clip(0, white)
