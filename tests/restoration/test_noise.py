import numpy as np
import pytest

from i2i.restoration.grain import add_grain
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import Denoise, add_camera_noise, reduce_noise
from i2i.restoration.srgb import linear_to_srgb, srgb_to_linear

FLAT = np.full((96, 96, 3), 128, np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photo(side: int = 48) -> np.ndarray:
    """Return a smooth image with an edge and without saturated colours."""
    y, x = np.mgrid[:side, :side] / side
    channels = 60 + 120 * np.stack([x, y, (x + y) / 2], 2) + 20 * (x > y)[..., None]
    return channels.astype(np.uint8)


def test_gaussian_noise_has_the_given_sigma_and_is_neither_clipped_nor_rounded() -> None:
    white = np.full((128, 128, 3), 250, np.uint8)
    noise = Denoise(noise="gaussian", quantize=False).degrade(white, rng(), 25.0) - white
    assert noise.std() == pytest.approx(25, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)
    assert (noise > 5).mean() > 0.4  # beyond 255
    assert not np.allclose(noise, noise.round())


def test_sigma_is_drawn_uniformly_from_its_range() -> None:
    task, source = Denoise(noise="gaussian", sigma=(10, 40)), rng()
    sigmas = [(task.degrade(FLAT, source) - 128.0).std() for _ in range(60)]
    assert 9.5 < min(sigmas) < 14
    assert 36 < max(sigmas) < 41
    assert np.mean(sigmas) == pytest.approx(25, abs=4)


def test_the_variance_of_shot_noise_grows_with_light() -> None:
    task = Denoise(noise="gaussian", sigma=(3, 3), shot_noise=(0.5, 0.5), quantize=False)
    for value in (0, 60, 200):
        level = np.full((128, 128, 3), value, np.uint8)
        assert (task.degrade(level, rng()) - value).var() == pytest.approx(9 + 0.5 * value, rel=0.05)


@pytest.mark.parametrize("sigma", [3.0, 12.0, 25.0, 50.0])
def test_camera_noise_has_the_given_sigma_in_green_on_middle_grey(sigma: float) -> None:
    grey = np.full((160, 160, 3), 118, np.uint8)  # 18 % of white
    noise = [add_camera_noise(grey, sigma, rng(seed)) - 118 for seed in range(12)]
    assert np.mean([sample[..., 1].std() for sample in noise]) == pytest.approx(sigma, rel=0.06)
    # White balance amplifies red and blue.
    assert all(sample[..., 0].std() >= 0.8 * sample[..., 1].std() for sample in noise)
    assert np.abs(np.mean(noise)) < 0.25 * sigma  # tone curve and clipping at black shift the mean


def test_camera_noise_is_correlated_by_demosaicing_and_grows_with_linear_light() -> None:
    def correlation(noise: np.ndarray) -> float:
        return float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var())

    grey = np.full((160, 160, 3), 118, np.uint8)
    assert correlation(add_camera_noise(grey, 5, rng())[..., 0] - 118) > 0.3
    gaussian = Denoise(noise="gaussian", quantize=False)
    assert abs(correlation(gaussian.degrade(grey, rng(), 5.0)[..., 0] - 118)) < 0.03
    sigmas = []
    for value in (60, 180):
        green = add_camera_noise(np.full((160, 160, 3), value, np.uint8), 4, rng())[..., 1]
        sigmas.append(srgb_to_linear(green.round().astype(np.uint8)).std())
    assert sigmas[1] > 1.5 * sigmas[0]


def test_an_image_with_camera_noise_is_jpeg_compressed() -> None:
    noisy = Denoise(noise="camera", camera_jpeg_quality=(30, 30)).degrade(photo(), rng(), 10.0)
    assert noisy.dtype == np.uint8
    assert np.abs(jpeg_compress(noisy, 30).astype(int) - noisy).mean() < 1.5, "a second compression changes little"
    plain = Denoise(noise="gaussian").degrade(photo(), rng(), 10.0).astype(int)
    assert np.abs(jpeg_compress(plain.astype(np.uint8), 30) - plain).mean() > 4, "the first compression changes it"
    both = [Denoise(noise="both", quantize=False).degrade(photo(), rng(seed), 10.0) for seed in range(20)]
    assert 4 < sum(np.array_equal(image, image.round()) for image in both) < 16, "camera noise is in 8 bit"
    assert {image.dtype for image in both} == {np.dtype(np.float32)}, "images of one type make a batch"


def test_srgb_converts_to_linear_light_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_srgb(srgb_to_linear(levels)).round(), levels)
    assert srgb_to_linear(np.array([0, 118, 255], np.uint8)) == pytest.approx([0, 0.18, 1], abs=2e-3)


def test_quantized_noise_is_uint8() -> None:
    degraded = Denoise(noise="gaussian").degrade(FLAT, rng(), 100.0)
    assert degraded.dtype == np.uint8
    assert degraded.min() == 0
    assert degraded.max() == 255


def test_noise_level_input_appends_a_constant_channel() -> None:
    degraded = Denoise(noise_level_input=True, sigma=(0, 50)).degrade(FLAT, rng(), 25.0)
    assert degraded.shape == (96, 96, 4)
    assert (degraded[..., 3] == 127.5).all()


def grain_of(seed: int, level: int = 118) -> np.ndarray:
    return add_grain(np.full((96, 96, 3), level, np.uint8), 10.0, rng(seed)) - level


def test_grain_has_its_sigma_on_middle_grey_and_comes_in_several_kinds() -> None:
    samples = [grain_of(seed) for seed in range(40)]
    assert np.mean([sample.std() for sample in samples]) == pytest.approx(10, rel=0.05)
    monochrome = [np.ptp(sample, axis=2).max() < 1e-3 for sample in samples]
    assert 10 < sum(monochrome) < 30
    neighbours = [(sample[:, 1:] * sample[:, :-1]).mean() / sample.var() for sample in samples]
    assert 10 < sum(correlation > 0.2 for correlation in neighbours) < 30
    assert min(neighbours) < 0.05
    in_black = [grain_of(seed, 0).std() for seed in range(40)]
    assert 10 < sum(sigma < 6 for sigma in in_black) < 30, "half of the grain is weaker in shadows"


def test_mixed_noise_is_of_every_kind_and_leaves_some_images_clean() -> None:
    task = Denoise(sigma=(20, 20))
    degraded = [task.degrade(photo(), rng(seed)).astype(int) for seed in range(200)]
    clean = sum(np.array_equal(image, photo()) for image in degraded)
    assert 3 <= clean <= 20
    noise = [image - photo() for image in degraded]
    grey = sum(np.ptp(sample, axis=2).max() <= 1 < sample.max() for sample in noise)
    assert 8 <= grey <= 35, "noise that is equal in R, G and B, but for rounding"
    assert all(image.dtype == np.uint8 for image in (task.degrade(photo(), rng(seed)) for seed in range(30)))
    assert not any(np.array_equal(task.degrade(photo(), rng(seed), 20.0), photo()) for seed in range(60))


def test_a_fraction_of_the_images_is_not_clipped() -> None:
    task = Denoise(noise="gaussian", unclipped_fraction=0.25)
    degraded = [task.degrade(FLAT, rng(seed), 25.0) for seed in range(100)]
    assert {image.dtype for image in degraded} == {np.dtype(np.float32)}, "images of one type make a batch"
    assert 12 <= sum(not np.array_equal(image, image.round()) for image in degraded) <= 40


def test_noise_reduction_smooths_the_colour_of_camera_noise_more_than_its_brightness() -> None:
    image = np.full((128, 128, 3), 118, np.uint8)
    noises = [add_camera_noise(image, 12.0, rng(seed), noise_reduction=True) - image for seed in range(12)]
    plain = [add_camera_noise(image, 12.0, rng(seed)) - image for seed in range(12)]

    def colour(noise: np.ndarray) -> np.ndarray:
        return noise - (noise @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]

    def neighbours(values: np.ndarray) -> float:
        return float((values[:, 2:] * values[:, :-2]).mean() / values.var())

    assert np.mean([neighbours(colour(noise)) for noise in noises]) > 0.5
    assert np.mean([neighbours(colour(noise)) for noise in plain]) < 0.25
    assert np.mean([noise[..., 1].std() for noise in noises]) < 0.8 * np.mean([noise[..., 1].std() for noise in plain])


def test_reduce_noise_keeps_the_image_and_the_mean_of_the_noise() -> None:
    image = photo()
    shifted = image.astype(np.float32) + np.array([3, -2, 5], np.float32)
    inside = (image > 10).all(2) & (image < 245).all(2)
    assert np.abs(reduce_noise(shifted, image, 1.0, 3.0) - shifted)[inside].max() < 1e-2


def test_half_of_the_camera_noise_is_reduced_by_default_and_none_on_demand() -> None:
    reduced, plain = (Denoise(noise="camera", sigma=(20, 20), camera_noise_reduction=share) for share in (0.5, 0.0))
    spread = [[task.degrade(FLAT, rng(seed)).std() for seed in range(60)] for task in (reduced, plain)]
    assert np.mean(spread[0]) < 0.93 * np.mean(spread[1])
    assert (np.array(spread[0]) < 0.6 * np.mean(spread[1])).any()
