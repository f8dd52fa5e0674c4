import numpy as np
import pytest
import torch
from torch import nn

from i2i.inference import runner
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.inference.streaming import StreamedTensor, tensor
from i2i.inference.tiling import blended_forward, tile_spans
from i2i.inference.translator import Translator
from i2i.networks import CompactConfig, ResnetConfig, RestorationConfig, RestorerConfig
from tests.conftest import random_image
from tests.inference.test_streaming import noise


@pytest.fixture(autouse=True)
def use_short_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use strips of eight rows, the smallest height."""
    monkeypatch.setattr(tensor, "STRIP_BYTES", 1)


RESTORERS: dict[str, RestorationConfig] = {
    "denoise": RestorerConfig(width=4, depth=1),
    "known": RestorerConfig(width=4, levels=2, depth=1, conditioning="level"),
    "superres": RestorerConfig(width=4, unshuffle=1, levels=2, depth=1, scale=2),
    "inpaint": RestorerConfig(width=2, levels=2, depth=1, conditioning="mask", prediction="masked_residual"),
    "compact": CompactConfig(width=4, convolutions=3, scale=2),
    "colorize": RestorerConfig(width=4, levels=2, depth=1, prediction="chroma"),
}


def with_large_weights(config: RestorationConfig) -> nn.Module:
    """Return a restorer whose weights make every pixel of its receptive field matter."""
    torch.manual_seed(0)
    network = config.build(64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() * 3 if parameter.ndim > 1 else parameter)
    return network


@pytest.mark.parametrize("name", RESTORERS)
@torch.no_grad()
def test_the_receptive_radius_of_a_restorer_is_tight(name: str) -> None:
    config = RESTORERS[name]
    network, middle = with_large_weights(config).double(), -(-2 * config.receptive_radius // 16) * 16
    x = noise(32, 2 * middle, 3 if config.conditioning == "image" else 4).double()
    if config.conditioning == "mask":
        x[:, 3:] = 1.0
    y = x.clone()
    y[..., middle] += 0.5
    changed = (network(x) != network(y)).any(2).any(1)[0].nonzero().flatten() / config.scale
    left, right = middle - int(changed.min()), int(changed.max()) - middle
    assert max(left, right) <= config.receptive_radius
    assert max(left, right) >= config.receptive_radius - 3 * config.size_multiple(64)


@pytest.mark.parametrize("name", [name for name in RESTORERS if name != "colorize"])  # it gets small copies only
def test_a_tiled_restorer_equals_one_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RESTORERS[name]
    overlap = -(-config.receptive_radius // config.size_multiple(64)) * config.size_multiple(64)
    size = 4 * overlap - 3, 3 * overlap + 5
    image = random_image(0, *size)
    if config.conditioning == "mask":
        image.putalpha(random_image(1, *size).convert("L").point(lambda level: 255 * (level > 99)))
    network, passes = with_large_weights(config), list[tuple[int, int]]()
    expected = restoration_translator(network, config)(image)
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 9 * overlap**2)
    network.register_forward_pre_hook(lambda _, inputs: passes.append(tuple(inputs[0].shape[2:])))
    result = restoration_translator(network, config)(image)
    assert len(passes) > 1
    assert max(height * width for height, width in passes) <= runner.MAX_PIXELS_UNTILED
    difference = np.abs(np.asarray(expected).astype(int) - np.asarray(result))
    assert result.size == (size[0] * config.scale, size[1] * config.scale)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def restoration_translator(network: nn.Module, config: RestorationConfig) -> Translator:
    return Translator(network, config, size=64, direction="AtoB", options=InferenceOptions("cpu", "float32"))


def test_a_restorer_whose_receptive_field_is_too_large_for_tiles_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    config, image = RESTORERS["denoise"], random_image(0, 96, 80)
    network = with_large_weights(config)
    expected = restoration_translator(network, config)(image)
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 1000)
    kinds: list[bool] = []
    network.register_forward_pre_hook(lambda _, inputs: kinds.append(isinstance(inputs[0], StreamedTensor)))
    result = restoration_translator(network, config)(image)
    assert kinds == [True]
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(result)).max() <= 1


@pytest.mark.parametrize(("length", "side"), [(8, 100), (96, 32), (104, 32), (2000, 48)])
def test_tiles_cover_an_image_once_and_overlap(length: int, side: int) -> None:
    spans = list(tile_spans(length, side, 16, 8))
    assert [begin for begin, *_ in spans] == [0, *(end for _, end, *_ in spans)][:-1]
    assert spans[-1][1] == length
    assert all(0 < end - begin <= side for begin, end, *_ in spans)
    assert all(position % 8 == 0 for span in spans for position in span)
    assert all((first, last) == (max(begin - 16, 0), min(end + 16, length)) for begin, end, first, last in spans)


def check_fractions(fractions: list[float], at_least: int) -> None:
    assert len(fractions) >= at_least
    assert fractions == sorted(fractions)
    assert fractions[0] > 0
    assert fractions[-1] == 1


def test_progress_is_reported_after_each_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    config = RESTORERS["denoise"]
    overlap = -(-config.receptive_radius // config.size_multiple(64)) * config.size_multiple(64)
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 9 * overlap**2)
    translator = restoration_translator(with_large_weights(config), config)
    image, fractions = random_image(0, 4 * overlap, 3 * overlap), list[float]()
    expected = translator(image)
    assert np.array_equal(np.asarray(translator(image, progress=fractions.append)), np.asarray(expected))
    check_fractions(fractions, 4)
    fractions.clear()
    translator([image, random_image(1, 16, 16)], progress=fractions.append)
    check_fractions(fractions, 5)
    assert 0.5 in fractions


@pytest.mark.parametrize("size", [(256, 320), (200, 150)])
def test_progress_is_reported_after_each_strip_in_proportion_to_the_work(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 1000)
    config = ResnetConfig(ngf=4, blocks=2, dropout=0.5, inference_mode="train")
    options = InferenceOptions("cpu", "float32")
    translator = Translator(config.build(64), config, size=64, direction="AtoB", options=options)
    image, fractions = random_image(0, *size), list[float]()
    expected = translator(image)
    assert np.array_equal(np.asarray(translator(image, progress=fractions.append)), np.asarray(expected))
    check_fractions(fractions, 20)
    assert fractions[-4] > 0.9  # the work of the whole image was estimated well: the end is no jump


def test_progress_of_small_images_is_reported_after_each_batch() -> None:
    translator = load("identity", device="cpu")
    fractions: list[float] = []
    translator([random_image(seed, 200, 200) for seed in range(4)], progress=fractions.append)
    assert fractions == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160), (208, 80)])
def test_blended_tiles_cover_the_image_and_fade_without_steps(scale: int, height: int, width: int) -> None:
    shades = iter(range(0, 2550, 40))

    def run(rows: slice, columns: slice) -> torch.Tensor:
        shape = scale * (rows.stop - rows.start), scale * (columns.stop - columns.start), 3
        return torch.full(shape, next(shades) % 255, dtype=torch.uint8)

    done: list[float] = []
    result = blended_forward(height, width, run, 16, 16, 64**2, done.append).int()
    assert result.shape == (scale * height, scale * width, 3)
    assert done[-1] == 1
    assert done == sorted(done)
    if len(done) > 1:
        for dim in (0, 1):
            assert result.diff(dim=dim).abs().max() <= -(-255 // 16) + 1


def test_blended_tiles_of_a_pointwise_function_are_its_result() -> None:
    image = torch.randint(0, 256, (80, 112, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    result = blended_forward(80, 112, lambda rows, columns: 255 - image[rows, columns], 16, 16, 64**2)
    assert torch.equal(result, 255 - image)
