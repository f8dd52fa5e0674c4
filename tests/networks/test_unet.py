import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import Unet, UnetConfig, prepare_for_inference
from i2i.networks.instance_norm import InstanceNorm

SIZES = [32, 64, 128, 256]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_published_unet_256_has_54_413_955_parameters() -> None:
    with torch.device("meta"):
        network = UnetConfig().build(256)
    assert sum(weight.numel() for weight in network.parameters()) == 54_413_955


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_unet_returns_the_shape_and_range_of_its_input(size: int, norm: str) -> None:
    network = Unet(UnetConfig(ngf=2, norm=norm), size)
    translation = network(torch.rand(1, 3, size, size) * 2 - 1)
    assert translation.shape == (1, 3, size, size)
    assert translation.abs().max() <= 1


def test_a_unet_takes_multiples_of_its_size() -> None:
    assert Unet(UnetConfig(ngf=2), 32)(torch.zeros(1, 3, 32, 96)).shape == (1, 3, 32, 96)


@pytest.mark.parametrize("size", SIZES)
def test_a_unet_goes_down_to_one_pixel(size: int) -> None:
    network = Unet(UnetConfig(ngf=2), size)
    x = torch.zeros(1, 3, size, size)
    for layer in network.down:
        x = layer(x)
    assert x.shape == (1, 16, 1, 1)


@pytest.mark.parametrize("size", [8, 16, 48, 100, 2048])
def test_a_size_that_a_unet_cannot_take_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"size is {size}; .* one of 32, 64, 128, 256, 512, 1024 px"):
        UnetConfig(ngf=2).build(size)


def levels_with_dropout(network: Unet) -> list[int]:
    """Return the decoder levels with dropout, 0 for the innermost."""
    blocks = reversed(network.up)
    return [level for level, block in enumerate(blocks) if any(isinstance(part, nn.Dropout) for part in block)]


@pytest.mark.parametrize("size", [128, 256, 512])
def test_only_the_three_innermost_decoder_blocks_have_dropout(size: int) -> None:
    with torch.device("meta"):
        network = Unet(UnetConfig(ngf=2), size)
    assert levels_with_dropout(network) == [0, 1, 2]
    assert not any(isinstance(part, nn.Dropout) for part in network.down.modules())


@pytest.mark.parametrize(("size", "levels"), [(32, [0]), (64, [0, 1])])
def test_only_decoder_blocks_of_full_width_have_dropout(size: int, levels: list[int]) -> None:
    assert levels_with_dropout(Unet(UnetConfig(ngf=2), size)) == levels


def test_dropout_0_leaves_no_dropout_layer() -> None:
    assert levels_with_dropout(Unet(UnetConfig(ngf=2, dropout=0.0), 128)) == []


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", InstanceNorm)])
def test_neither_the_first_layer_nor_the_bottleneck_nor_the_last_layer_has_a_norm(norm: str, kind: type) -> None:
    network = Unet(UnetConfig(ngf=2, norm=norm), 64)
    assert [any(isinstance(part, kind) for part in layer) for layer in network.down] == [False, *[True] * 4, False]
    assert [any(isinstance(part, kind) for part in layer) for layer in network.up] == [False, *[True] * 5]


def test_each_encoder_level_has_a_skip_connection() -> None:
    network = Unet(UnetConfig(ngf=2, norm="none", dropout=0.0), 32).double()
    nn.init.zeros_(network.down[-1][1].weight)  # nothing passes through the bottleneck
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    for level, layer in enumerate(network.down[:-1]):
        (gradient,) = torch.autograd.grad(
            network(image).square().sum(), next(iter(layer[-2 if level else 0].parameters()))
        )
        assert gradient.any(), f"encoder level {level} does not reach the output"


def test_a_unet_with_batch_norm_trains_on_one_image() -> None:
    network = Unet(UnetConfig(ngf=2), 32).train()
    network(torch.rand(1, 3, 32, 32)).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


def test_the_last_layer_of_a_unet_stays_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Unet(UnetConfig(ngf=2), 32)(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_by_default_dropout_stays_on_at_inference() -> None:
    network = prepare_for_inference(Unet(UnetConfig(ngf=2), 128), UnetConfig(ngf=2))
    image = torch.rand(1, 3, 128, 128)
    assert not torch.equal(network(image), network(image))


def test_with_inference_mode_eval_the_output_is_deterministic() -> None:
    config = UnetConfig(ngf=2, inference_mode="eval")
    network = prepare_for_inference(Unet(config, 64), config)
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(network(image), network(image))


def test_spectral_norm_reaches_every_convolution_of_a_unet() -> None:
    network = Unet(UnetConfig(ngf=2, spectral_norm=True), 32)
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(layers) == 10
    assert all(hasattr(layer, "parametrizations") for layer in layers)


@pytest.mark.parametrize(("size", "levels"), [(32, []), (128, [1, 2]), (256, [1, 2, 3]), (1024, [1, 2, 3, 4, 5])])
def test_the_dropout_of_the_reference_starts_beside_the_innermost_block(size: int, levels: list[int]) -> None:
    with torch.device("meta"):
        network = Unet(UnetConfig(ngf=2, dropout_blocks="reference"), size)
    assert levels_with_dropout(network) == levels
