"""The models in the repository."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.checkpoints import shipped
from i2i.checkpoints.model_file import find_model_file, list_models, model_files
from i2i.checkpoints.run import Run
from i2i.checkpoints.shipped import SHIPPED_MODELS, is_shipped, shipped_model_files
from i2i.errors import ModelFileError, RunError
from i2i.inference.loading import load
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import add_camera_noise
from i2i.restoration.old_photo import add_fading, add_scratches

REPOSITORY = Path(__file__).parents[2]


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
def test_the_denoiser_removes_gaussian_noise_of_any_strength(sigma: int, gain: float) -> None:
    clean = draw_scene()
    noise = sigma * np.random.default_rng(sigma).standard_normal(clean.shape)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    restored = np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy)))
    assert psnr(restored, clean) > psnr(noisy, clean) + gain


def test_the_denoiser_keeps_a_clean_image_nearly_unchanged() -> None:
    clean = draw_scene()
    clean_psnr = psnr(np.asarray(load("denoise", device="cpu")(Image.fromarray(clean))), clean)
    assert clean_psnr > 40  # photos keep 51 dB


def test_the_denoiser_removes_camera_noise_from_a_jpeg() -> None:
    clean = draw_scene(128)
    noisy = jpeg_compress(add_camera_noise(clean, 20, np.random.default_rng(1)).round().astype(np.uint8), 90)
    restored = np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy)))
    assert psnr(restored, clean) > psnr(noisy, clean) + 5


def test_a_grey_image_is_denoised_like_a_colour_image() -> None:
    clean = draw_scene().mean(2).astype(np.uint8)
    noisy = (clean + 25 * np.random.default_rng(0).standard_normal(clean.shape)).round().clip(0, 255).astype(np.uint8)
    restored = np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy)).convert("L"))
    assert psnr(restored, clean) > psnr(noisy, clean) + 8


def test_black_stays_black() -> None:
    noisy = (25 * np.random.default_rng(0).standard_normal((256, 256, 3))).round().clip(0, 255).astype(np.uint8)
    assert np.asarray(load("denoise", device="cpu")(Image.fromarray(noisy))).mean() < 1 < noisy.mean() - 8


@pytest.mark.parametrize(("quality", "gain"), [(10, 2), (40, 1)])
def test_jpeg_artefacts_are_removed(quality: int, gain: float) -> None:
    clean = draw_scene(128)
    compressed = jpeg_compress(clean, quality)
    restored = np.asarray(load("dejpeg", device="cpu")(Image.fromarray(compressed)))
    assert psnr(restored, clean) > psnr(compressed, clean) + gain


def test_superresolution_is_better_than_lanczos() -> None:
    clean = draw_scene(128)
    small = Image.fromarray(clean).resize((64, 64), Image.Resampling.BICUBIC)
    enlarged = np.asarray(load("superres2", device="cpu")(small))
    assert psnr(enlarged, clean) > psnr(np.asarray(small.resize((128, 128), Image.Resampling.LANCZOS)), clean) + 1


def test_a_thumbnail_is_enlarged_better_than_by_lanczos() -> None:
    clean = draw_scene(256)
    small = np.asarray(Image.fromarray(clean).resize((64, 64), Image.Resampling.BICUBIC)).astype(float)
    noisy = small + 6 * np.random.default_rng(0).standard_normal(small.shape)
    thumbnail = Image.fromarray(jpeg_compress(noisy.round().clip(0, 255).astype(np.uint8), 60))
    enlarged = np.asarray(load("superres4", device="cpu")(thumbnail))
    assert psnr(enlarged, clean) > psnr(np.asarray(thumbnail.resize((256, 256), Image.Resampling.LANCZOS)), clean) + 0.5


def test_an_old_photo_loses_scratches_noise_and_fading() -> None:
    clean = draw_scene(128)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        faded = add_fading(clean.astype(np.float32), 0.4, rng)
        scratched = add_scratches(faded, 6, rng) + rng.normal(0, 10, clean.shape)
        damaged = scratched.round().clip(0, 255).astype(np.uint8)
        restored = np.asarray(load("oldphoto", device="cpu")(Image.fromarray(damaged)))
        assert psnr(restored, clean) > psnr(damaged, clean) + 2


def test_shipped_models_are_small_and_contain_no_paths() -> None:
    assert set(shipped_model_files()) == set(SHIPPED_MODELS)
    for path in shipped_model_files().values():
        assert path.stat().st_size < 15e6
        assert b"/root" not in path.read_bytes()[:100_000]
        assert "/root" not in (path.parent / "card.md").read_text()


@pytest.mark.parametrize("name", ["horse2zebra", "horse2zebra-small"])
def test_the_zebra_models_stripe_a_drawn_animal_and_keep_the_colours_of_the_ground(name: str) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128] / 128
    scene = np.where((y > 0.4)[..., None], (90.0, 130.0, 60.0), (150.0, 190.0, 230.0)) + rng.normal(0, 6, (128, 128, 1))
    body = ((x - 0.5) / 0.25) ** 2 + ((y - 0.55) / 0.13) ** 2 < 1
    scene[body] = np.array((120.0, 70.0, 40.0)) + rng.normal(0, 5, (int(body.sum()), 1))
    image = scene.clip(0, 255).astype(np.uint8)
    zebra = np.asarray(load(name, device="cpu")(Image.fromarray(image))).astype(float)
    assert zebra[body].mean(1).std() > 3 * image[body].mean(1).std()
    for region in (y < 0.3, y > 0.85):
        assert np.abs(zebra[region].mean(0) - image[region].mean(0)).max() < 25


def test_monet_paints_a_photo_and_keeps_its_size_and_scene() -> None:
    photo = draw_scene(128)
    painting = np.asarray(load("monet", device="cpu")(Image.fromarray(photo)))
    assert painting.shape == photo.shape
    assert 8 < np.abs(painting.astype(float) - photo).mean() < 60
    assert np.corrcoef(painting.mean(2).flatten(), photo.mean(2).flatten())[0, 1] > 0.7


def test_shipped_models_are_found_from_any_working_directory(work_dir: Path) -> None:
    assert sorted(list_models()) == sorted(SHIPPED_MODELS)
    for name in SHIPPED_MODELS:
        assert is_shipped(find_model_file(name).parent)


def test_a_run_of_the_user_precedes_a_shipped_model_of_its_name(work_dir: Path) -> None:
    own = work_dir / "checkpoints" / "denoise" / "weights.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"weights")
    assert find_model_file("denoise").resolve() == own == model_files()["denoise"].resolve()
    assert sorted(list_models()) == sorted(SHIPPED_MODELS)
    own.rename(own.with_name("config.json"))  # a run that has not saved weights yet
    assert "denoise" not in list_models()
    with pytest.raises(ModelFileError, match="has no weights yet"):
        find_model_file("denoise")


def test_the_folder_of_an_installed_package_precedes_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = tmp_path / "site" / "i2i" / "shipped_checkpoints" / "monet" / "weights.safetensors"
    packaged.parent.mkdir(parents=True)
    packaged.write_bytes(b"weights")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "site" / "i2i")
    assert shipped_model_files() == {"monet": packaged}


def test_the_wheel_holds_the_shipped_models() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["sources"] == {"checkpoints": "i2i/shipped_checkpoints"}
    assert wheel["only-include"] == ["i2i", *(f"checkpoints/{name}" for name in SHIPPED_MODELS)]


def test_a_shipped_model_is_neither_resumed_nor_trained_over(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"denoise is a model that comes with i2i.*resumed.*--init-from denoise"):
        Run.from_name("denoise").load_config()
    packaged = work_dir / "checkpoints" / "denoise" / "weights.safetensors"  # as in a clone
    packaged.parent.mkdir(parents=True)
    packaged.write_bytes(b"weights")
    monkeypatch.setattr(shipped, "_PACKAGE", work_dir / "i2i")
    run = Run.from_name("denoise")
    for action in (run.load_config, lambda: run.create({})):
        with pytest.raises(RunError, match="comes with i2i"):
            action()
    assert [path.name for path in run.path.iterdir()] == ["weights.safetensors"]
