from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.data.layout import find_dataset, list_images
from i2i.data.resize import split_side_by_side
from i2i.errors import ModelFileError
from i2i.images import read
from i2i.metrics.paired import MS_SSIM_MIN_SIZE, PSNR_CEILING, Lpips, mean_abs_error, ms_ssim, psnr, ssim
from i2i.pretrained import find_weights, lpips
from i2i.pretrained.lpips import WEIGHTS_FILE
from tests.conftest import random_image
from tests.losses.test_perceptual import lpips_of_package

REAL = find_weights(WEIGHTS_FILE)
FACADES = find_dataset("facades")


def noisy_and_clean(width: int = 48, height: int = 32, count: int = 2) -> tuple[Tensor, Tensor]:
    """Return noisy images and their clean targets."""
    clean = np.stack([np.asarray(random_image(seed, width, height)) for seed in range(count)])
    noise = np.random.default_rng(0).normal(0, 20, clean.shape) * np.arange(1, count + 1).reshape(-1, 1, 1, 1)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    return torch.from_numpy(noisy).permute(0, 3, 1, 2), torch.from_numpy(clean).permute(0, 3, 1, 2)


def by_scikit_image(x: Tensor, y: Tensor, **settings: float) -> list[float]:
    from skimage.metrics import structural_similarity

    return [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5,
                              use_sample_covariance=False, **settings)
        for a, b in zip(x, y, strict=True)
    ]  # fmt: skip


def test_psnr_is_the_formula() -> None:
    x, y = noisy_and_clean()
    mse = [((a.numpy().astype(float) - b.numpy()) ** 2).mean() for a, b in zip(x, y, strict=True)]
    assert psnr(x, y) == pytest.approx([10 * np.log10(65025 / value) for value in mse])
    assert psnr(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)) == 0


def test_equal_images_have_the_psnr_ceiling() -> None:
    assert psnr(*(noisy_and_clean()[0],) * 2).tolist() == [PSNR_CEILING] * 2


def test_mean_abs_error_is_in_grey_levels() -> None:
    x = torch.tensor([[[[0, 10]]] * 3], dtype=torch.uint8)
    assert mean_abs_error(x, torch.zeros_like(x)) == pytest.approx(5)


def test_ssim_equals_that_of_scikit_image() -> None:
    x, y = noisy_and_clean()
    assert ssim(x, y) == pytest.approx(by_scikit_image(x, y), abs=1e-9)
    assert ssim(x, x) == pytest.approx(1)


def test_ssim_equals_that_of_kornia_without_padding() -> None:
    from kornia.metrics import ssim as kornia_ssim

    x, y = noisy_and_clean()
    maps = kornia_ssim(x.double() / 255, y.double() / 255, window_size=11, padding="valid")
    assert ssim(x, y) == pytest.approx(maps.mean((1, 2, 3)).numpy(), abs=1e-9)


def test_ms_ssim_is_the_product_of_contrast_and_ssim_at_five_scales() -> None:
    x, y = noisy_and_clean(192, MS_SSIM_MIN_SIZE, 1)
    x, y = x[:, :1], y[:, :1]  # one channel: the mean over channels is taken after the powers
    terms, scales = [], [(x, y)]
    for _ in range(4):
        scales.append(tuple(torch.nn.functional.avg_pool2d(z.double(), 2) for z in scales[-1]))
    for a, b in scales[:-1]:
        terms += by_scikit_image(a, b, K1=1e9)  # with this K1 the luminance term is 1
    terms += by_scikit_image(*scales[-1])
    expected = np.prod(np.array(terms) ** [0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    assert ms_ssim(x, y) == pytest.approx(expected, abs=1e-9)
    assert ms_ssim(255 - y, y) == 0


@pytest.mark.filterwarnings("ignore")
def test_lpips_of_each_image_equals_that_of_the_package(perceptual_weights: Path) -> None:
    x, y = noisy_and_clean()
    metric, package = Lpips("cpu"), lpips_of_package(perceptual_weights / WEIGHTS_FILE)
    expected = [package(a[None] / 127.5 - 1, b[None] / 127.5 - 1).item() for a, b in zip(x, y, strict=True)]
    assert metric(x, y) == pytest.approx(expected, rel=1e-4)
    assert metric(x, x).tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None or FACADES is None, reason="the weights or the facades dataset are missing")
def test_lpips_and_ssim_of_a_real_pair_equal_those_of_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REAL is not None
    assert FACADES is not None
    monkeypatch.setenv("I2I_WEIGHTS", str(REAL.parent))
    halves = split_side_by_side(read(list_images(FACADES / "test")[0]))
    photo, labels = (torch.from_numpy(np.array(half)).permute(2, 0, 1)[None] for half in halves)
    expected = lpips_of_package(REAL)(photo / 127.5 - 1, labels / 127.5 - 1).item()
    assert Lpips("cpu")(photo, labels)[0] == pytest.approx(expected, rel=1e-5)
    assert 0.5 < expected < 0.9
    assert ssim(photo, labels) == pytest.approx(by_scikit_image(photo, labels), abs=1e-9)


def test_without_weights_the_error_names_the_variable_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(lpips, "_build", offline)
    with pytest.raises(ModelFileError, match=r"LPIPS needs .*Set I2I_WEIGHTS .* or leave LPIPS out\."):
        Lpips("cpu")
