import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from i2i.config import to_json
from i2i.errors import ConfigError, ModelFileError, UsageError
from i2i.images import Provenance
from i2i.inference import loading
from i2i.inference.sample_files import interpolation_range, output_paths, write_images
from i2i.inference.sampler import BATCH_SIZE, Sampler, load, seed_range
from i2i.networks import DCGANGeneratorConfig, MLPGeneratorConfig, NoiseGeneratorConfig, ResnetConfig
from tests.conftest import write_model_file

TINY = DCGANGeneratorConfig(latent=5, ngf=2, weight_init="kaiming")
SIZE = 16


def save_model(path: Path, config: NoiseGeneratorConfig = TINY, **changes: Any) -> str:
    torch.manual_seed(0)
    tensors = {f"sample.{name}": value for name, value in config.build(SIZE).state_dict().items()}
    metadata = {"size": SIZE, "directions": ["sample"], "generator": to_json(config), **changes}
    write_model_file(path, metadata, tensors)
    return str(path)


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return load(save_model(tmp_path / "b.safetensors"), device="cpu", precision="float32")


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


@pytest.mark.parametrize("config", [TINY, MLPGeneratorConfig(latent=5, width=8, weight_init="kaiming")])
def test_a_seed_gives_the_same_image_in_any_batch(tmp_path: Path, config: NoiseGeneratorConfig) -> None:
    path = save_model(tmp_path / "b.safetensors", config)
    images = list(load(path, device="cpu")(range(BATCH_SIZE + 3)))
    torch.manual_seed(5)
    (alone,) = load(path, device="cpu")([BATCH_SIZE + 1])
    assert len(images) == BATCH_SIZE + 3
    assert (alone.size, alone.mode) == ((SIZE, SIZE), "RGB")
    assert np.array_equal(pixels(images[BATCH_SIZE + 1]), pixels(alone))
    assert not np.array_equal(pixels(images[0]), pixels(images[1]))


def test_the_ends_of_an_interpolation_are_the_images_of_their_seeds(sampler: Sampler) -> None:
    strip = [pixels(image) for image in sampler.interpolate(3, 7, BATCH_SIZE + 2)]
    assert len(strip) == BATCH_SIZE + 2
    for image, seed in ((strip[0], 3), (strip[-1], 7)):
        (alone,) = sampler([seed])
        assert np.array_equal(image, pixels(alone))
    steps = [int(np.abs(a.astype(int) - b).sum()) for a, b in itertools.pairwise(strip)]
    assert 0 < max(steps) < np.abs(strip[0].astype(int) - strip[-1]).sum()


def test_sampling_does_not_change_the_global_random_state(sampler: Sampler) -> None:
    before = torch.get_rng_state()
    list(sampler(range(2)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_noise_generator_cannot_translate_and_its_error_names_the_right_command(tmp_path: Path) -> None:
    path = save_model(tmp_path / "b.safetensors")
    with pytest.raises(UsageError, match=r"generates images from noise .*`i2i sample .*b.safetensors --out grid.png`"):
        loading.load(path, device="cpu")


def test_a_translator_cannot_sample_and_its_error_names_the_right_command(tmp_path: Path) -> None:
    config, path = ResnetConfig(ngf=2, blocks=0), tmp_path / "b.safetensors"
    tensors = {f"AtoB.{name}": value for name, value in config.build(32).state_dict().items()}
    write_model_file(path, {"size": 32, "directions": ["AtoB"], "generator": to_json(config)}, tensors)
    with pytest.raises(UsageError, match=r"translates images .*`i2i convert "):
        load(str(path), device="cpu")


@pytest.mark.parametrize(
    "header",
    [
        {"generator": {"network": "dcgan", "ngf": 10**9}},
        {"generator": {"network": "dcgan", "latent": -1}},
        {"generator": {"network": "resnet"}},
        {"generator": {"network": ["dcgan"]}},
        {"generator": None},
        {"generator": {"network": "mlp", "latent": 5, "width": 16_384, "depth": 16}},  # 17 GB, were it built
        {"size": 10**9},
        {"size": 24},
        {"size": "16"},
        {"directions": []},
        {"directions": None},
        {"directions": ["sample", "AtoB"]},
    ],
)
def test_invalid_metadata_is_rejected_before_a_network_is_built(tmp_path: Path, header: dict[str, Any]) -> None:
    path = save_model(tmp_path / "b.safetensors", **header)
    with pytest.raises(ModelFileError, match=r"does not describe a (generator of images from noise|model)"):
        load(path, device="cpu")


def test_an_unexpected_tensor_is_rejected(tmp_path: Path) -> None:
    tensors = {f"sample.{name}": value for name, value in TINY.build(SIZE).state_dict().items()}
    header = {"format": 1, "size": SIZE, "directions": ["sample"], "generator": to_json(TINY)}
    path = tmp_path / "b.safetensors"
    save_file({**tensors, "sample.extra": torch.zeros(1)}, path, metadata={"i2i": json.dumps(header)})
    with pytest.raises(ModelFileError, match="do not fit"):
        load(str(path), device="cpu")


@pytest.mark.parametrize(
    ("first", "count", "message"),
    [(0, 0, "num_images is 0"), (0, 10**6, "num_images"), (-1, 4, "seed is -1"), (2**63, 1, "seed")],
)
def test_seeds_out_of_range_are_rejected(first: int, count: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        seed_range(first, count)


@pytest.mark.parametrize(("ends", "steps"), [((0, 1), 1), ((0, 1), 10**6), ((-1, 1), 5), ((0, 2**63), 5)])
def test_an_invalid_interpolation_is_rejected(ends: tuple[int, int], steps: int) -> None:
    with pytest.raises(ConfigError, match=r"steps|interpolate"):
        interpolation_range(ends, steps)


def test_the_largest_seed_works(sampler: Sampler) -> None:
    assert len(list(sampler(seed_range(2**63 - 1, 1)))) == 1


@pytest.mark.parametrize(
    ("out", "folder", "names", "message"),
    [
        (None, None, range(4), "--out grid.png writes all images into one"),
        ("grid.exe", None, range(4), "must be the name of an image"),
        ("grid", None, range(4), "must be the name of an image"),
        ("grid.png", None, range(1025), "at most 1024 in one grid"),
        (None, "grid.png", range(4), "must be a folder"),
        ("existing.png", None, range(4), "existing.png exists already"),
        (None, "each", range(4), "00003.png exists already"),
    ],
)
def test_invalid_or_existing_outputs_are_rejected(
    work_dir: Path, out: str | None, folder: str | None, names: range, message: str
) -> None:
    (work_dir / "each").mkdir()
    for name in ("existing.png", "each/00003.png"):
        (work_dir / name).write_text("kept")
    outputs = Path(out) if out else None, Path(folder) if folder else None
    with pytest.raises(UsageError, match=message):
        output_paths(*outputs, names, overwrite=False)
    if "already" in message:
        assert len(output_paths(*outputs, names, overwrite=True)) == (4 if folder else 0)


def test_images_are_enlarged_in_a_grid_and_keep_their_size_in_files(work_dir: Path) -> None:
    shades = [Image.new("RGB", (SIZE, SIZE), (40 * index, 0, 0)) for index in range(5)]
    paths = output_paths(Path("new/grid.png"), Path("each"), range(7, 12), overwrite=False)
    write_images(shades, Path("new/grid.png"), paths, columns=3)
    assert [path.as_posix() for path in paths][::4] == ["each/00007.png", "each/00011.png"]
    for path, shade in zip(paths, shades, strict=True):
        with Image.open(path) as image:
            assert np.array_equal(pixels(image), pixels(shade))
    with Image.open("new/grid.png") as grid:
        cell = 128 + 2
        assert grid.size == (3 * cell - 2, 2 * cell - 2)
        centres = [grid.getpixel((cell * x + 64, cell * y + 64)) for y in range(2) for x in range(3)]
    assert centres == [(0, 0, 0), (40, 0, 0), (80, 0, 0), (120, 0, 0), (160, 0, 0), (255, 255, 255)]


def test_metadata_says_that_a_model_generated_the_image(tmp_path: Path) -> None:
    provenance = Provenance("shapes", "1", "i2i 0", "trained")
    write_images([Image.new("RGB", (4, 4))], tmp_path / "grid.png", [tmp_path / "one.png"], 8, provenance)
    for name in ("grid.png", "one.png"):
        with Image.open(tmp_path / name) as image:
            assert b"/trainedAlgorithmicMedia" in image.info["xmp"]


def test_one_seed_gives_an_image_and_several_a_list(sampler: Sampler) -> None:
    assert np.array_equal(pixels(sampler(3)), pixels(sampler([2, 3])[1]))
    assert np.array_equal(pixels(sampler(np.int64(3))), pixels(sampler(3)))
    assert isinstance(sampler(range(2)), list)
    assert sampler([]) == []


@pytest.mark.parametrize(
    ("seeds", "error", "words"),
    [
        ("7", TypeError, "'7'"), (1.5, TypeError, "1.5"), (None, TypeError, "None"), ([1, "a"], TypeError, "'a'"),
        (-1, ValueError, "-1"), (2**63, ValueError, "from 0"),
    ],
)  # fmt: skip
def test_a_seed_that_is_no_whole_number_is_refused(sampler: Sampler, seeds: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        sampler(seeds)


def test_a_sampler_describes_itself(sampler: Sampler) -> None:
    assert repr(sampler) == "<Sampler b, 16x16 pixels, on cpu in float32>"
