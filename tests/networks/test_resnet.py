import copy

import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import GENERATORS, Identity, IdentityConfig, Resnet, ResnetConfig, use_mode
from i2i.networks.layers import InstanceNorm


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_published_cyclegan_generator_has_11_378_179_parameters() -> None:
    with torch.device("meta"):
        assert count(ResnetConfig().build(256)) == 11_378_179


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("blocks", [0, 6])
def test_a_resnet_returns_the_shape_and_range_of_its_input(upsampling: str, norm: str, blocks: int) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=blocks, upsampling=upsampling, norm=norm, dropout=0.5))
    picture = torch.rand(2, 3, 16, 24) * 2 - 1
    translation = network(picture)
    assert translation.shape == picture.shape
    assert translation.abs().max() <= 1


def test_a_residual_resnet_begins_at_its_input_and_reaches_the_whole_range() -> None:
    network = ResnetConfig(ngf=4, blocks=1, residual=True).build(16)
    levels = (torch.arange(256.0) / 127.5 - 1).reshape(1, 1, 16, 16).expand(2, 3, 16, 16)
    assert (network(levels) - levels).abs().max() * 127.5 < 0.6  # grey levels
    nn.init.constant_(network.to_rgb[1].bias, 9.0)
    assert network(levels).min() > 0.99
    torch.testing.assert_close(network.with_features(levels, [0])[0], network(levels))


def test_a_residual_resnet_learns_from_the_first_step() -> None:
    network = ResnetConfig(ngf=4, blocks=1, residual=True).build(16)
    network(torch.rand(1, 3, 16, 16) * 2 - 1).sum().backward()
    assert network.to_rgb[1].weight.grad.abs().max() > 0


@pytest.mark.parametrize("blocks", [0, 6, 9])
def test_a_resnet_has_as_many_residual_blocks_as_asked_for(blocks: int) -> None:
    with torch.device("meta"):
        assert len(Resnet(ResnetConfig(ngf=4, blocks=blocks)).blocks) == blocks


def test_a_residual_block_with_weights_0_passes_its_input_on() -> None:
    block = Resnet(ResnetConfig(ngf=4, blocks=1)).blocks[0]
    for weight in block.parameters():
        nn.init.zeros_(weight)
    x = torch.randn(1, 16, 4, 4)  # negative values too: no ReLU follows the sum
    torch.testing.assert_close(block(x), x)


def test_dropout_stands_in_every_residual_block_and_nowhere_else() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=3, dropout=0.3))
    assert [sum(isinstance(part, nn.Dropout) for part in block.modules()) for block in network.blocks] == [1, 1, 1]
    assert sum(isinstance(part, nn.Dropout) for part in network.modules()) == 3


def test_every_convolution_before_a_norm_is_followed_by_it() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2))
    assert sum(isinstance(part, InstanceNorm) for part in network.modules()) == 3 + 2 * 2 + 2


@pytest.mark.parametrize("size", [8, 12, 64])
def test_a_resnet_takes_multiples_of_4_from_8_pixels(size: int) -> None:
    network = ResnetConfig(ngf=2, blocks=1).build(size)
    assert network(torch.zeros(1, 3, size, size)).shape == (1, 3, size, size)


@pytest.mark.parametrize("size", [0, 4, 10, 33])
def test_a_size_that_a_resnet_cannot_take_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"multiple of 4, from 8; found {size}"):
        ResnetConfig(ngf=2).build(size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_resnet_in_channels_last_gets_the_gradients_of_contiguous_float64(dtype: torch.dtype) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2, init="kaiming"))
    reference, picture = copy.deepcopy(network).double(), torch.rand(1, 3, 16, 16) * 2 - 1
    reference(picture.double()).square().sum().backward()

    network = network.to(dtype=dtype, memory_format=torch.channels_last)
    network(picture.to(dtype).contiguous(memory_format=torch.channels_last)).square().sum().backward()

    tolerance = 1e-3 if dtype == torch.float32 else 1e-10
    weights = [[weight for weight in each.parameters() if weight.requires_grad] for each in (network, reference)]
    largest = max(weight.grad.abs().max() for weight in weights[1])
    for found, expected in zip(*weights, strict=True):
        torch.testing.assert_close(found.grad.double(), expected.grad, rtol=tolerance, atol=float(tolerance * largest))


def test_the_last_layer_of_a_resnet_stays_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Resnet(ResnetConfig(ngf=4, blocks=1))(torch.zeros(1, 3, 16, 16)).dtype == torch.float32


def test_the_same_seed_draws_the_same_resnet() -> None:
    def draw() -> torch.Tensor:
        torch.manual_seed(7)
        return nn.utils.parameters_to_vector(Resnet(ResnetConfig(ngf=2, blocks=1)).parameters())

    assert torch.equal(draw(), draw())


def test_spectral_norm_reaches_every_convolution_of_a_resnet() -> None:
    network = Resnet(ResnetConfig(ngf=2, blocks=1, spectral_norm=True))
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_identity_returns_its_input_and_has_no_parameters() -> None:
    network, picture = IdentityConfig().build(18), torch.rand(1, 3, 18, 18)
    assert isinstance(network, Identity)
    assert network(picture) is picture
    assert count(network) == 0


@pytest.mark.parametrize(("inference", "training"), [("eval", False), ("train", True)])
def test_use_mode_follows_the_inference_policy_and_freezes(inference: str, training: bool) -> None:
    config = ResnetConfig(ngf=2, blocks=1, inference=inference)
    network = use_mode(Resnet(config), config)
    assert network.training is training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_each_generator_is_listed_under_its_own_tag() -> None:
    assert {name: config().network for name, config in GENERATORS.items()} == {name: name for name in GENERATORS}


@pytest.mark.parametrize("antialias", [False, True])
def test_features_are_what_stands_after_each_layer_on_the_way(antialias: bool) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2, antialias=antialias))
    picture = torch.rand(2, 3, 16, 16) * 2 - 1
    expected, x = [], picture
    for layer in (*network.encoder, *network.blocks):
        x = layer(x)
        expected.append(x.clone())  # before the ReLU after it, which works in place
    everywhere = range(len(expected))
    for found, wanted, width in zip(network.features(picture, everywhere), expected, network.widths(), strict=True):
        torch.testing.assert_close(found, wanted)
        assert found.shape[1] == width
    some = network.features(picture, [4, 0, 9])
    assert [torch.equal(found, expected[layer]) for found, layer in zip(some, (0, 4, 9), strict=True)] == [True] * 3


def test_features_do_not_depend_on_the_norm_being_there() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=0, norm="none"))
    picture = torch.rand(1, 3, 8, 8)
    before_relu, after_relu = network.features(picture, [1, 3])
    assert before_relu.min() < 0
    torch.testing.assert_close(after_relu, before_relu.relu())


def test_features_compute_nothing_beyond_the_deepest_layer() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2))
    network.blocks[1].register_forward_hook(lambda *_: pytest.fail("the second block was computed"))
    network.features(torch.rand(1, 3, 8, 8), [10])


def test_a_translation_with_features_is_both_in_one_pass() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2))
    picture = torch.rand(1, 3, 8, 8)
    translation, features = network.with_features(picture, [0, 4, 10])
    assert torch.equal(translation, network(picture))
    for found, wanted in zip(features, network.features(picture, [0, 4, 10]), strict=True):
        assert torch.equal(found, wanted)


def test_the_layers_that_cut_compares_have_the_published_channels() -> None:
    with torch.device("meta"):
        widths = Resnet(ResnetConfig(antialias=True)).widths()
    assert [widths[layer] for layer in (0, 4, 8, 12, 16)] == [3, 128, 256, 256, 256]
    assert len(widths) == 21
