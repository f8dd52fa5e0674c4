import numpy as np
import pytest

from i2i.data.drawn_crops import draw_flat_field, draw_lines, draw_text
from i2i.images.quality.noise_level import estimate_noise, half_size


def add_noise(channel: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    noise = sigma * np.random.default_rng(seed).standard_normal(channel.shape)
    return (channel + noise).round().clip(0, 255).astype(np.uint8)


@pytest.fixture
def half_textured() -> np.ndarray:
    """A field, of which one half is smooth and the other a texture with σ 40."""
    image = np.full((128, 128), 120.0)
    image[:, 64:] += 40 * np.random.default_rng(1).standard_normal((128, 64))
    return image.clip(1, 254)


@pytest.mark.parametrize("sigma", [1.5, 5, 15, 40])
def test_independent_noise_is_found_beside_a_strong_texture(half_textured: np.ndarray, sigma: float) -> None:
    noise = estimate_noise(add_noise(half_textured, sigma))
    assert noise.sigma == pytest.approx(sigma, rel=0.15)
    assert noise.texture < 1.5


def test_a_drawing_without_noise_has_none() -> None:
    rng = np.random.default_rng(0)
    for draw in (draw_text, draw_lines, draw_flat_field):
        noise = estimate_noise(draw(128, rng)[..., 1])
        assert noise.sigma < 0.3 or noise.texture > 6 or noise.equal_share > 0.4


def test_few_pixels_of_a_noisy_photo_equal_their_neighbour() -> None:
    assert estimate_noise(add_noise(np.full((64, 64), 128.0), 3)).equal_share < 0.2
    page = np.full((64, 64), 200)
    page[:, ::8] = page[::8] = 30
    assert estimate_noise(page).equal_share > 0.6


def test_an_image_of_texture_alone_is_told_by_its_low_frequencies() -> None:
    coarse = np.random.default_rng(0).uniform(20, 235, (24, 24))
    smooth = np.kron(coarse, np.ones((8, 8)))
    for axis in (0, 1):
        smooth = sum(np.roll(smooth, shift, axis) for shift in range(-4, 5)) / 9
    assert estimate_noise(smooth).texture > 20


def test_clipped_pixels_do_not_hide_the_noise() -> None:
    image = np.full((96, 96), 255.0)
    image[:48] = 128
    assert estimate_noise(add_noise(image, 10)).sigma == pytest.approx(10, rel=0.15)


def test_noise_that_is_correlated_between_pixels_is_stronger_at_half_the_size() -> None:
    noise = 20 * np.random.default_rng(0).standard_normal((128, 128))
    noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, 1, (0, 1))) / 4
    image = (128 + noise).round()
    assert 2 * estimate_noise(half_size(image)).sigma > 3 * estimate_noise(image).sigma


def test_the_noise_of_a_large_image_is_that_of_its_parts() -> None:
    image = add_noise(np.full((700, 900), 128.0), 6)
    assert estimate_noise(image).sigma == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (15, 400), (16, 16), (17, 300)])
def test_small_images_are_measured_or_have_no_noise(shape: tuple[int, int]) -> None:
    noise = estimate_noise(add_noise(np.full(shape, 128.0), 10))
    assert noise.sigma == (0 if min(shape) < 16 else pytest.approx(10, rel=0.4))
