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

from i2i.checkpoints.run import Bundle, save_bundle
from i2i.config import to_json
from i2i.errors import BundleError, ConfigError, UsageError
from i2i.images import Provenance
from i2i.inference import translator
from i2i.inference.sampler import BATCH, Sampler, load, path_between, seeds, targets, write
from i2i.networks import DCGANGeneratorConfig, MLPGeneratorConfig, ResnetConfig, SamplerConfig

TINY = DCGANGeneratorConfig(latent=5, ngf=2, init="kaiming")
SIZE = 16


def bundle(path: Path, config: SamplerConfig = TINY, **header: Any) -> str:
    torch.manual_seed(0)
    tensors = {f"sample.{name}": value for name, value in config.build(SIZE).state_dict().items()}
    described = {"size": SIZE, "directions": ["sample"], "generator": to_json(config), **header}
    save_bundle(path, Bundle(described, tensors))
    return str(path)


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return load(bundle(tmp_path / "b.safetensors"), device="cpu", precision="float32")


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


@pytest.mark.parametrize("config", [TINY, MLPGeneratorConfig(latent=5, width=8, init="kaiming")])
def test_a_seed_gives_the_same_picture_whatever_is_painted_beside_it(tmp_path: Path, config: SamplerConfig) -> None:
    path = bundle(tmp_path / "b.safetensors", config)
    many = list(load(path, device="cpu")(range(BATCH + 3)))
    torch.manual_seed(5)
    (alone,) = load(path, device="cpu")([BATCH + 1])
    assert len(many) == BATCH + 3
    assert (alone.size, alone.mode) == ((SIZE, SIZE), "RGB")
    assert np.array_equal(pixels(many[BATCH + 1]), pixels(alone))
    assert not np.array_equal(pixels(many[0]), pixels(many[1]))


def test_the_ends_of_an_interpolation_are_the_pictures_of_their_seeds(sampler: Sampler) -> None:
    strip = [pixels(image) for image in sampler.interpolate(3, 7, BATCH + 2)]
    assert len(strip) == BATCH + 2
    for shown, seed in ((strip[0], 3), (strip[-1], 7)):
        (alone,) = sampler([seed])
        assert np.array_equal(shown, pixels(alone))
    steps = [int(np.abs(a.astype(int) - b).sum()) for a, b in itertools.pairwise(strip)]
    assert 0 < max(steps) < np.abs(strip[0].astype(int) - strip[-1]).sum()


def test_sampling_leaves_the_ambient_generator_alone(sampler: Sampler) -> None:
    before = torch.get_rng_state()
    list(sampler(range(2)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_generator_of_pictures_cannot_convert_and_says_what_it_can(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.safetensors")
    with pytest.raises(UsageError, match=r"makes pictures from noise .*`i2i sample .*b.safetensors --out grid.png`"):
        translator.load(path, device="cpu")


def test_a_translator_cannot_sample_and_says_what_it_can(tmp_path: Path) -> None:
    config, path = ResnetConfig(ngf=2, blocks=0), tmp_path / "b.safetensors"
    tensors = {f"AtoB.{name}": value for name, value in config.build(32).state_dict().items()}
    save_bundle(path, Bundle({"size": 32, "directions": ["AtoB"], "generator": to_json(config)}, tensors))
    with pytest.raises(UsageError, match=r"translates pictures .*`i2i convert "):
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
def test_hostile_headers_are_refused_before_a_network_is_built(tmp_path: Path, header: dict[str, Any]) -> None:
    path = bundle(tmp_path / "b.safetensors", **header)
    with pytest.raises(BundleError, match="does not describe a generator of pictures from noise"):
        load(path, device="cpu")


def test_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    tensors = {f"sample.{name}": value for name, value in TINY.build(SIZE).state_dict().items()}
    header = {"format": 1, "size": SIZE, "directions": ["sample"], "generator": to_json(TINY)}
    path = tmp_path / "b.safetensors"
    save_file({**tensors, "sample.extra": torch.zeros(1)}, path, metadata={"i2i": json.dumps(header)})
    with pytest.raises(BundleError, match="do not fit"):
        load(str(path), device="cpu")


@pytest.mark.parametrize(
    ("first", "count", "named"), [(0, 0, "count is 0"), (0, 10**6, "count"), (-1, 4, "seed is -1"), (2**63, 1, "seed")]
)
def test_seeds_out_of_range_are_named(first: int, count: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        seeds(first, count)


@pytest.mark.parametrize(("ends", "steps"), [((0, 1), 1), ((0, 1), 10**6), ((-1, 1), 5), ((0, 2**63), 5)])
def test_a_way_that_cannot_be_gone_is_refused(ends: tuple[int, int], steps: int) -> None:
    with pytest.raises(ConfigError, match=r"steps|interpolate"):
        path_between(ends, steps)


def test_the_largest_seed_works(sampler: Sampler) -> None:
    assert len(list(sampler(seeds(2**63 - 1, 1)))) == 1


@pytest.mark.parametrize(
    ("out", "separate", "names", "said"),
    [
        (None, None, range(4), "--out grid.png puts all into one"),
        ("grid.exe", None, range(4), "must be a picture's name"),
        ("grid", None, range(4), "must be a picture's name"),
        ("grid.png", None, range(1025), "at most 1024 in one grid"),
        (None, "grid.png", range(4), "must be a folder"),
        ("there.png", None, range(4), "there.png is there already"),
        (None, "each", range(4), "00003.png is there already"),
    ],
)
def test_a_place_that_will_not_do_is_told_before_anything_is_painted(
    own_place: Path, out: str | None, separate: str | None, names: range, said: str
) -> None:
    (own_place / "each").mkdir()
    for taken in ("there.png", "each/00003.png"):
        (own_place / taken).write_text("kept")
    where = Path(out) if out else None, Path(separate) if separate else None
    with pytest.raises(UsageError, match=said):
        targets(*where, names, overwrite=False)
    if "already" in said:
        assert len(targets(*where, names, overwrite=True)) == (4 if separate else 0)


def test_pictures_are_written_into_a_grid_enlarged_and_into_files_at_their_own_size(own_place: Path) -> None:
    shades = [Image.new("RGB", (SIZE, SIZE), (40 * index, 0, 0)) for index in range(5)]
    each = targets(Path("new/grid.png"), Path("each"), range(7, 12), overwrite=False)
    write(shades, Path("new/grid.png"), each, across=3)
    assert [path.as_posix() for path in each][::4] == ["each/00007.png", "each/00011.png"]
    for path, shade in zip(each, shades, strict=True):
        with Image.open(path) as found:
            assert np.array_equal(pixels(found), pixels(shade))
    with Image.open("new/grid.png") as grid:
        cell = 128 + 2
        assert grid.size == (3 * cell - 2, 2 * cell - 2)
        centres = [grid.getpixel((cell * x + 64, cell * y + 64)) for y in range(2) for x in range(3)]
    assert centres == [(0, 0, 0), (40, 0, 0), (80, 0, 0), (120, 0, 0), (160, 0, 0), (255, 255, 255)]


def test_painted_pictures_say_that_a_model_made_them_from_nothing(tmp_path: Path) -> None:
    painter = Provenance("shapes", "1", "i2i 0", "trained")
    write([Image.new("RGB", (4, 4))], tmp_path / "grid.png", [tmp_path / "one.png"], 8, painter)
    for name in ("grid.png", "one.png"):
        with Image.open(tmp_path / name) as image:
            assert b"/trainedAlgorithmicMedia" in image.info["xmp"]
