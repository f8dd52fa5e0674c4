import io

import numpy as np
import pytest
from PIL import Image

from i2i.images.quality.jpeg_history import find_earlier_quality
from i2i.images.quality.photo_quality import measure_quality

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def natural(side: int = 160) -> np.ndarray:
    """An image whose power falls with the square of the spatial frequency, as that of photos: uint8 (H, W, 3)."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    spectrum = np.fft.fft2(np.random.default_rng(0).standard_normal((side, side))) / np.maximum(frequencies, 1 / side)
    levels = np.fft.ifft2(spectrum).real
    grey = 128 + 45 * (levels - levels.mean()) / levels.std()
    return np.stack([grey, grey * 0.8 + 20, 220 - grey * 0.7], 2).round().clip(1, 254).astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def found(pixels: np.ndarray) -> int | None:
    return find_earlier_quality(pixels.astype(np.float32) @ LUMA)


@pytest.mark.parametrize("quality", [10, 30, 60, 80])
def test_pixels_show_the_quality_of_the_jpeg_that_they_were(quality: int) -> None:
    assert found(jpeg(natural(), quality)) == pytest.approx(quality, abs=1)


def test_another_jpeg_or_a_crop_does_not_hide_it_and_other_images_show_none() -> None:
    compressed = jpeg(natural(), 30)
    assert found(jpeg(compressed, 95)) == 30
    assert found(compressed[3:, 5:]) == 30
    noisy = natural() + 10 * np.random.default_rng(1).standard_normal((160, 160, 3))
    stripes = np.full((160, 160, 3), 60, np.uint8)
    stripes[::9] = 200
    for other in (natural(), noisy.clip(0, 255).astype(np.uint8), stripes, stripes * 0, natural(8)):
        assert found(other) is None


def test_only_a_lower_quality_than_that_of_the_file_is_an_earlier_one() -> None:
    assert measure_quality(jpeg(natural(), 30), 30).earlier_quality is None
    again = measure_quality(jpeg(jpeg(natural(), 30), 95), 95)
    assert (again.jpeg_quality, again.earlier_quality, again.lowest_quality) == (95, 30, 30)
    assert measure_quality(natural()).lowest_quality == 100
