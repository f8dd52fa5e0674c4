from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.data.layout import locate, pictures
from i2i.data.resize import halves
from i2i.errors import BundleError
from i2i.images import read
from i2i.metrics.paired import CEILING, MS_SSIM_SMALLEST, Lpips, levels, ms_ssim, psnr, ssim
from i2i.pretrained import find_weights, lpips
from i2i.pretrained.lpips import WEIGHTS
from tests.conftest import picture
from tests.losses.test_perceptual import library

REAL = find_weights(WEIGHTS)
FACADES = locate("facades")


def pair(width: int = 48, height: int = 32, count: int = 2) -> tuple[Tensor, Tensor]:
    """Pictures, and the same with noise on them."""
    clean = np.stack([np.asarray(picture(seed, width, height)) for seed in range(count)])
    noise = np.random.default_rng(0).normal(0, 20, clean.shape) * np.arange(1, count + 1).reshape(-1, 1, 1, 1)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    both = [torch.from_numpy(x).permute(0, 3, 1, 2) for x in (noisy, clean)]
    return both[0], both[1]


def by_scikit_image(x: Tensor, y: Tensor, **settings: float) -> list[float]:
    from skimage.metrics import structural_similarity

    return [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5,
                              use_sample_covariance=False, **settings)
        for a, b in zip(x, y, strict=True)
    ]  # fmt: skip


def test_psnr_is_the_formula() -> None:
    x, y = pair()
    mse = [((a.numpy().astype(float) - b.numpy()) ** 2).mean() for a, b in zip(x, y, strict=True)]
    assert psnr(x, y) == pytest.approx([10 * np.log10(65025 / value) for value in mse])
    assert psnr(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)) == 0


def test_equal_pictures_have_the_highest_psnr_there_is() -> None:
    assert psnr(*(pair()[0],) * 2).tolist() == [CEILING] * 2


def test_levels_are_grey_levels() -> None:
    x = torch.tensor([[[[0, 10]]] * 3], dtype=torch.uint8)
    assert levels(x, torch.zeros_like(x)) == pytest.approx(5)


def test_ssim_is_that_of_scikit_image() -> None:
    x, y = pair()
    assert ssim(x, y) == pytest.approx(by_scikit_image(x, y), abs=1e-9)
    assert ssim(x, x) == pytest.approx(1)


def test_ms_ssim_is_made_of_the_ssim_and_the_contrast_of_five_scales() -> None:
    x, y = pair(192, MS_SSIM_SMALLEST, 1)
    x, y = x[:, :1], y[:, :1]  # one channel: with three, their mean comes after the powers
    terms, scales = [], [(x, y)]
    for _ in range(4):
        scales.append(tuple(torch.nn.functional.avg_pool2d(z.double(), 2) for z in scales[-1]))
    for a, b in scales[:-1]:
        terms += by_scikit_image(a, b, K1=1e9)  # with which the term of the means is 1
    terms += by_scikit_image(*scales[-1])
    by_hand = np.prod(np.array(terms) ** [0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    assert ms_ssim(x, y) == pytest.approx(by_hand, abs=1e-9)
    assert ms_ssim(255 - y, y) == 0


@pytest.mark.filterwarnings("ignore")
def test_lpips_is_that_of_the_library_for_each_picture(perceptual_weights: Path) -> None:
    x, y = pair()
    measure, by_hand = Lpips("cpu"), library(perceptual_weights / WEIGHTS)
    alone = [by_hand(a[None] / 127.5 - 1, b[None] / 127.5 - 1).item() for a, b in zip(x, y, strict=True)]
    assert measure(x, y) == pytest.approx(alone, rel=1e-4)
    assert measure(x, x).tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None or FACADES is None, reason="neither the weights nor facades are here")
def test_on_a_real_pair_lpips_is_the_librarys_and_ssim_scikit_images(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REAL is not None
    assert FACADES is not None
    monkeypatch.setenv("I2I_WEIGHTS", str(REAL.parent))
    photo, drawn = (
        torch.from_numpy(np.array(half)).permute(2, 0, 1)[None] for half in halves(read(pictures(FACADES / "test")[0]))
    )
    by_hand = library(REAL)(photo / 127.5 - 1, drawn / 127.5 - 1).item()
    assert Lpips("cpu")(photo, drawn)[0] == pytest.approx(by_hand, rel=1e-5)
    assert 0.5 < by_hand < 0.9
    assert ssim(photo, drawn) == pytest.approx(by_scikit_image(photo, drawn), abs=1e-9)


def test_without_weights_lpips_says_which_folder_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(lpips, "_library", offline)
    with pytest.raises(BundleError, match=r"LPIPS needs .*Set I2I_WEIGHTS .* or leave LPIPS out\."):
        Lpips("cpu")
