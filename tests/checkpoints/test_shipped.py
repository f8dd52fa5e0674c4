"""The models in the repository."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.inference.loading import load
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import add_camera_noise

SHIPPED = Path(__file__).parents[2] / "checkpoints"


def draw_scene(side: int = 96) -> np.ndarray:
    """Return a drawn image of a sky, a hill and a striped house, with sharp edges and smooth areas."""
    y, x = np.mgrid[:side, :side] / side
    image = np.stack([0.4 + 0.2 * y, 0.6 + 0.1 * y, 0.9 - 0.2 * y], 2)
    image[y > 0.6 + 0.1 * np.sin(5 * x)] = (0.25, 0.45, 0.2)
    house = (np.abs(x - 0.55) < 0.22) & (np.abs(y - 0.55) < 0.2)
    image[house] = np.where((x * 12 % 1 < 0.5)[..., None], (0.85, 0.8, 0.7), (0.6, 0.3, 0.25))[house]
    return (255 * image).round().clip(0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.mark.parametrize(("sigma", "gain"), [(10, 5), (25, 9), (50, 11)])
def test_the_denoiser_removes_gaussian_noise_of_any_strength(
    sigma: int, gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    clean = draw_scene()
    noise = sigma * np.random.default_rng(sigma).standard_normal(clean.shape)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    restored = np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy)))
    assert psnr(restored, clean) > psnr(noisy, clean) + gain


def test_the_denoiser_keeps_a_clean_image_nearly_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    clean = draw_scene()
    clean_psnr = psnr(np.asarray(load("denoise", device="cpu")(Image.fromarray(clean))), clean)
    assert clean_psnr > 32  # photos keep 44 dB; the stripes have more contrast and look like noise to the denoiser


def test_the_denoiser_removes_camera_noise_from_a_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    clean = draw_scene(128)
    noisy = jpeg_compress(add_camera_noise(clean, 20, np.random.default_rng(1)).round().astype(np.uint8), 90)
    restored = np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy)))
    assert psnr(restored, clean) > psnr(noisy, clean) + 5


def test_superresolution_is_better_than_lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    clean = draw_scene(128)
    small = Image.fromarray(clean).resize((64, 64), Image.Resampling.BICUBIC)
    enlarged = np.asarray(load("superres2", device="cpu")(small))
    assert psnr(enlarged, clean) > psnr(np.asarray(small.resize((128, 128), Image.Resampling.LANCZOS)), clean) + 1


def test_shipped_models_are_small_and_contain_no_paths() -> None:
    for path in SHIPPED.glob("*/weights.safetensors"):
        if path.parent.name in ("denoise", "superres2", "horse2zebra", "monet"):
            assert path.stat().st_size < 15e6
            assert b"/root" not in path.read_bytes()[:100_000]
            assert "/root" not in (path.parent / "card.md").read_text()


def test_horse2zebra_stripes_a_drawn_animal_and_keeps_the_colours_of_the_ground(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128] / 128
    scene = np.where((y > 0.4)[..., None], (90.0, 130.0, 60.0), (150.0, 190.0, 230.0)) + rng.normal(0, 6, (128, 128, 1))
    body = ((x - 0.5) / 0.25) ** 2 + ((y - 0.55) / 0.13) ** 2 < 1
    scene[body] = np.array((120.0, 70.0, 40.0)) + rng.normal(0, 5, (int(body.sum()), 1))
    image = scene.clip(0, 255).astype(np.uint8)
    zebra = np.asarray(load("horse2zebra", device="cpu")(Image.fromarray(image))).astype(float)
    assert zebra[body].mean(1).std() > 3 * image[body].mean(1).std()
    for region in (y < 0.3, y > 0.85):
        assert np.abs(zebra[region].mean(0) - image[region].mean(0)).max() < 25


def test_monet_paints_a_photo_and_keeps_its_size_and_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(SHIPPED))
    photo = draw_scene(128)
    painting = np.asarray(load("monet", device="cpu")(Image.fromarray(photo)))
    assert painting.shape == photo.shape
    assert 8 < np.abs(painting.astype(float) - photo).mean() < 60
    assert np.corrcoef(painting.mean(2).flatten(), photo.mean(2).flatten())[0, 1] > 0.7
