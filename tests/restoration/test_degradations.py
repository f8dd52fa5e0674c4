import io

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.restoration.blur import Deblur
from i2i.restoration.colorize import Colorize
from i2i.restoration.inpaint import Inpaint, random_mask
from i2i.restoration.jpeg import Dejpeg, jpeg_compress
from i2i.restoration.kernels import disc_kernel, filter2d, gaussian_kernel, motion_kernel
from i2i.restoration.old_photo import OldPhoto, add_fading, add_scratches
from i2i.restoration.superres import Superres
from i2i.restoration.weather import Dehaze, Derain, Lowlight

FLAT = np.full((96, 96, 3), 128, np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photo(side: int = 48) -> np.ndarray:
    """Return a smooth image with an edge and without saturated colours."""
    y, x = np.mgrid[:side, :side] / side
    channels = 60 + 120 * np.stack([x, y, (x + y) / 2], 2) + 20 * (x > y)[..., None]
    return channels.astype(np.uint8)


def test_jpeg_has_the_given_quality() -> None:
    image = rng().integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for quality in (10, 40):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
        assert np.array_equal(Dejpeg().degrade(image, rng(), float(quality)), expected)
    assert not np.array_equal(jpeg_compress(image, 10), jpeg_compress(image, 40))


@pytest.mark.parametrize("size", [1.0, 3.0, 7.5, 15.0])
def test_kernels_are_non_negative_of_odd_size_and_sum_to_one(size: float) -> None:
    for kernel in (disc_kernel(size), motion_kernel(size, rng()), gaussian_kernel(size / 4)):
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] % 2 == 1
        assert (kernel >= 0).all()
        assert kernel.sum() == pytest.approx(1, abs=1e-5)


def test_blur_keeps_uniform_images_and_the_position_of_points() -> None:
    point = np.zeros((31, 31, 1), np.float32)
    point[15, 15] = 1
    assert filter2d(FLAT, disc_kernel(5)) == pytest.approx(128, abs=1e-3)
    blurred = filter2d(point, disc_kernel(5)).reshape(31, 31)
    y, x = np.mgrid[:31, :31]
    assert (float((blurred * x).sum()), float((blurred * y).sum())) == pytest.approx((15, 15), abs=1e-3)


def test_a_disc_kernel_has_the_given_diameter() -> None:
    assert (disc_kernel(9.0) > 0).sum(1).max() == 9
    assert disc_kernel(1.0).max() == pytest.approx(1)


def test_a_motion_kernel_is_at_most_as_long_as_given() -> None:
    y, x = np.nonzero(motion_kernel(15.0, rng(4)) > 0)
    assert 8 < np.hypot(np.ptp(x), np.ptp(y)) <= 19  # a curved path spans less than its length


def test_the_kind_of_blur_can_be_chosen() -> None:
    source = rng()
    motions = [Deblur(blur="motion", noise_sigma=(0, 0)).degrade(photo(), source) for _ in range(2)]
    discs = [Deblur(blur="defocus", noise_sigma=(0, 0)).degrade(photo(), source, 5.0) for _ in range(2)]
    assert not np.array_equal(*motions)
    assert np.allclose(*discs)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_superres_downscales_like_pillow(scale: int) -> None:
    small = Superres(scale=scale).degrade(photo(48), rng())
    expected = Image.fromarray(photo(48)).resize((48 // scale,) * 2, Image.Resampling.BICUBIC)
    assert np.array_equal(small, np.asarray(expected))
    assert Superres(scale=scale, downscale="realistic").degrade(photo(48), rng()).shape == small.shape


def test_inpaint_keeps_known_pixels_and_hides_masked_ones() -> None:
    degraded = Inpaint().degrade(photo(), rng())
    mask = degraded[..., 3] == 255
    assert set(np.unique(degraded[..., 3])) == {0, 255}
    assert np.array_equal(degraded[..., :3][~mask], photo()[~mask])
    assert np.abs(degraded[..., :3][mask] - photo()[mask]).mean() < 8  # filled from the surroundings of a smooth photo
    other = np.where(mask[..., None], 255 - photo(), photo())
    assert np.array_equal(degraded, Inpaint().degrade(other, rng())), "masked pixels must not reach the input"


@pytest.mark.parametrize("fraction", [0.05, 0.4])
@pytest.mark.parametrize("side", [64, 128])
def test_a_random_mask_covers_the_given_fraction_and_little_more(side: int, fraction: float) -> None:
    fractions = [random_mask(side, side + 32, fraction, rng(seed), (2, 16), (8, 48)).mean() for seed in range(20)]
    assert min(fractions) >= fraction
    assert np.mean(fractions) < fraction + 0.06


@pytest.mark.parametrize("side", [64, 320])
def test_boxes_have_the_given_size_in_pixels(side: int) -> None:
    masks = [random_mask(side, side, 1e-9, rng(seed), (1, 1), (10, 20)) for seed in range(40)]
    boxes = [mask for mask in masks if mask.sum() == mask.any(0).sum() * mask.any(1).sum() and mask.any(0).sum() >= 5]
    lengths = {int(mask.any(axis).sum()) for mask in boxes for axis in (0, 1)}
    assert len(boxes) >= 8
    assert min(lengths) >= 10
    assert max(lengths) <= 20


def test_strokes_have_the_given_width() -> None:
    masks = [random_mask(256, 256, 1e-9, rng(seed), (9, 9), (1, 1)) for seed in range(30)]
    strokes = [mask for mask in masks if mask.sum() > 100]
    assert len(strokes) >= 5

    def eroded_fraction(mask: np.ndarray, size: int) -> float:
        """Return the fraction of a mask that remains after erosion by squares of ``size`` pixels."""
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, size // 2), (size, size))
        return float(windows.all((-1, -2)).sum() / mask.sum())

    assert max(eroded_fraction(mask, 13) for mask in strokes) < 0.05  # except at bends
    assert min(eroded_fraction(mask, 5) for mask in strokes) > 0.3


def test_colorize_keeps_the_lightness() -> None:
    from kornia.color import rgb_to_lab

    def lightness(pixels: np.ndarray) -> torch.Tensor:
        return rgb_to_lab(torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 255)[:, 0]

    colours = rng().integers(0, 256, (16, 16, 3), dtype=np.uint8)
    grey = Colorize().degrade(colours, rng())
    assert (np.ptp(grey, axis=2) == 0).all()
    assert (lightness(grey) - lightness(colours)).abs().max() < 0.35  # half a grey level


def test_rain_adds_light_and_haze_moves_pixels_towards_the_airlight() -> None:
    clean = photo()
    assert (Derain().degrade(clean, rng()).astype(int) >= clean).all()
    hazy = Dehaze(airlight=(220, 220)).degrade(clean, rng(), 3.0).astype(float)
    assert (np.abs(hazy - 220) <= np.abs(clean - 220.0) + 7).all()
    assert np.abs(hazy - 220).mean() < 0.6 * np.abs(clean - 220.0).mean()


def test_each_stop_of_underexposure_halves_the_light() -> None:
    dark = Lowlight(shot_noise=(0, 0), noise_sigma=(0, 0)).degrade(np.full((8, 8, 3), 200, np.uint8), rng(), 2.0)
    assert (dark / 200) ** 2.2 == pytest.approx(0.25, abs=0.01)


def test_old_photo_is_unchanged_at_severity_0_and_scratched_at_1() -> None:
    clean = np.clip(photo(64), 0, 255)
    light = OldPhoto().degrade(clean, rng(), 0.0)
    assert np.abs(light.astype(int) - clean).mean() < 3
    marks = add_scratches(clean.astype(np.float32), 5, rng()) - clean
    assert 0.005 < (np.abs(marks) > 5).any(2).mean() < 0.5
    assert np.array_equal(add_scratches(clean.astype(np.float32), 0, rng()), clean)
    assert np.ptp(add_fading(clean.astype(np.float32), 0.8, rng())) < np.ptp(clean)
