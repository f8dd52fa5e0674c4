import copy

import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import GENERATORS, Identity, IdentityConfig, Resnet, ResnetConfig, prepare_for_inference
from i2i.networks.instance_norm import BatchNorm2d, InstanceNorm


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count_parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_published_cyclegan_generator_has_11_378_179_parameters() -> None:
    with torch.device("meta"):
        assert count_parameters(ResnetConfig().build(256)) == 11_378_179


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("blocks", [0, 6])
def test_a_resnet_returns_the_shape_and_range_of_its_input(upsampling: str, norm: str, blocks: int) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=blocks, upsampling=upsampling, norm=norm, dropout=0.5))
    image = torch.rand(2, 3, 16, 24) * 2 - 1
    translation = network(image)
    assert translation.shape == image.shape
    assert translation.abs().max() <= 1


def test_skip_input_lets_the_colours_bypass_instance_norm() -> None:
    """Instance norm takes the mean of every channel away; the output of the plain network hardly depends on it."""
    dark = torch.rand(1, 3, 16, 16) * 0.2 - 0.6
    bright = dark + 0.8
    shifts = []
    for skip_input in (False, True):
        torch.manual_seed(0)
        config = ResnetConfig(ngf=4, blocks=1, skip_input=skip_input, weight_init="xavier")
        network = prepare_for_inference(config.build(16), config)
        shifts.append(float((network(bright) - network(dark)).abs().mean()))
    assert shifts[0] < 1e-5
    assert shifts[1] > 100 * shifts[0]


def test_skip_input_adds_three_channels_to_the_last_convolution_alone() -> None:
    def shapes(skip_input: bool) -> dict[str, torch.Size]:
        network = ResnetConfig(ngf=4, blocks=1, skip_input=skip_input).build(16)
        return {name: weight.shape for name, weight in network.named_parameters()}

    plain = shapes(False)
    skipping = shapes(True)
    changed = {name for name in plain if plain[name] != skipping[name]}
    assert changed == {"to_rgb.1.weight"}
    assert skipping["to_rgb.1.weight"] == (3, 7, 7, 7)


def test_residual_output_starts_from_the_input_and_reaches_the_whole_range() -> None:
    network = ResnetConfig(ngf=4, blocks=1, residual_output=True).build(16)
    levels = (torch.arange(256.0) / 127.5 - 1).reshape(1, 1, 16, 16).expand(2, 3, 16, 16)
    assert (network(levels) - levels).abs().max() * 127.5 < 0.6  # grey levels
    nn.init.constant_(network.to_rgb[1].bias, 9.0)
    assert network(levels).min() > 0.99
    torch.testing.assert_close(network.with_features(levels, [0])[0], network(levels))


def test_residual_output_has_a_gradient_in_the_first_step() -> None:
    network = ResnetConfig(ngf=4, blocks=1, residual_output=True).build(16)
    network(torch.rand(1, 3, 16, 16) * 2 - 1).sum().backward()
    assert network.to_rgb[1].weight.grad.abs().max() > 0


@pytest.mark.parametrize("blocks", [0, 6, 9])
def test_blocks_is_the_number_of_residual_blocks(blocks: int) -> None:
    with torch.device("meta"):
        assert len(Resnet(ResnetConfig(ngf=4, blocks=blocks)).blocks) == blocks


def test_a_residual_block_with_zero_weights_returns_its_input() -> None:
    block = Resnet(ResnetConfig(ngf=4, blocks=1)).blocks[0]
    for weight in block.parameters():
        nn.init.zeros_(weight)
    x = torch.randn(1, 16, 4, 4)  # negative values too: no ReLU follows the sum
    torch.testing.assert_close(block(x), x)


def test_dropout_is_in_every_residual_block_and_nowhere_else() -> None:
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
    with pytest.raises(ConfigError, match=rf"size is {size}; .* multiple of 4, from 8"):
        ResnetConfig(ngf=2).build(size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_in_channels_last_equal_those_of_contiguous_float64(dtype: torch.dtype) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2, weight_init="kaiming"))
    reference = copy.deepcopy(network).double()
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    reference(image.double()).square().sum().backward()

    network = network.to(dtype=dtype, memory_format=torch.channels_last)
    network(image.to(dtype).contiguous(memory_format=torch.channels_last)).square().sum().backward()

    tolerance = 1e-3 if dtype == torch.float32 else 1e-10
    weights = [[weight for weight in net.parameters() if weight.requires_grad] for net in (network, reference)]
    largest = max(weight.grad.abs().max() for weight in weights[1])
    for weight, expected in zip(*weights, strict=True):
        torch.testing.assert_close(weight.grad.double(), expected.grad, rtol=tolerance, atol=float(tolerance * largest))


def test_the_last_layer_of_a_resnet_stays_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Resnet(ResnetConfig(ngf=4, blocks=1))(torch.zeros(1, 3, 16, 16)).dtype == torch.float32


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights() -> torch.Tensor:
        torch.manual_seed(7)
        return nn.utils.parameters_to_vector(Resnet(ResnetConfig(ngf=2, blocks=1)).parameters())

    assert torch.equal(weights(), weights())


def test_spectral_norm_reaches_every_convolution_of_a_resnet() -> None:
    network = Resnet(ResnetConfig(ngf=2, blocks=1, spectral_norm=True))
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_identity_returns_its_input_and_has_no_parameters() -> None:
    network = IdentityConfig().build(18)
    image = torch.rand(1, 3, 18, 18)
    assert isinstance(network, Identity)
    assert network(image) is image
    assert count_parameters(network) == 0


@pytest.mark.parametrize(("inference_mode", "training"), [("eval", False), ("train", True)])
def test_prepare_for_inference_sets_the_mode_and_freezes_the_weights(inference_mode: str, training: bool) -> None:
    config = ResnetConfig(ngf=2, blocks=1, inference_mode=inference_mode)
    network = prepare_for_inference(Resnet(config), config)
    assert network.training is training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_each_generator_is_listed_under_its_name() -> None:
    assert {name: config().network for name, config in GENERATORS.items()} == {name: name for name in GENERATORS}


@pytest.mark.parametrize("antialias", [False, True])
def test_features_are_the_outputs_of_the_layers(antialias: bool) -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2, antialias=antialias))
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    expected = []
    x = image
    for layer in (*network.encoder, *network.blocks):
        x = layer(x)
        expected.append(x.clone())  # the next ReLU works in place
    all_layers = range(len(expected))
    features = network.features(image, all_layers)
    for feature, output, channels in zip(features, expected, network.feature_channels(), strict=True):
        torch.testing.assert_close(feature, output)
        assert feature.shape[1] == channels
    for feature, layer in zip(network.features(image, [4, 0, 9]), (0, 4, 9), strict=True):
        assert torch.equal(feature, expected[layer])


def test_features_before_a_relu_are_not_overwritten_by_it() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=0, norm="none"))
    image = torch.rand(1, 3, 8, 8)
    before_relu, after_relu = network.features(image, [1, 3])
    assert before_relu.min() < 0
    torch.testing.assert_close(after_relu, before_relu.relu())


def test_features_do_not_compute_deeper_layers() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2))
    network.blocks[1].register_forward_hook(lambda *_: pytest.fail("the second block was computed"))
    network.features(torch.rand(1, 3, 8, 8), [10])


def test_with_features_returns_the_translation_and_the_features() -> None:
    network = Resnet(ResnetConfig(ngf=4, blocks=2))
    image = torch.rand(1, 3, 8, 8)
    translation, features = network.with_features(image, [0, 4, 10])
    assert torch.equal(translation, network(image))
    for feature, expected in zip(features, network.features(image, [0, 4, 10]), strict=True):
        assert torch.equal(feature, expected)


def test_the_layers_of_cuts_loss_have_the_published_channels() -> None:
    with torch.device("meta"):
        channels = Resnet(ResnetConfig(antialias=True)).feature_channels()
    assert [channels[layer] for layer in (0, 4, 8, 12, 16)] == [3, 128, 256, 256, 256]
    assert len(channels) == 21


def test_a_reduced_skip_passes_colours_but_no_texture() -> None:
    config = ResnetConfig(ngf=4, blocks=1, skip_input=True, skip_reduction=4, weight_init="xavier")
    network = config.build(16)
    grey = torch.zeros(1, 3, 16, 16)
    stripes = grey.clone()
    stripes[..., ::2] = 0.5
    stripes[..., 1::2] = -0.5
    torch.testing.assert_close(network._skipped(stripes), grey)
    torch.testing.assert_close(network._skipped(grey + 0.3), grey + 0.3)


def test_a_size_must_be_a_multiple_of_the_skips_reduction() -> None:
    config = ResnetConfig(ngf=4, blocks=1, skip_input=True, skip_reduction=8)
    assert config.size_multiple(64) == 8
    with pytest.raises(ConfigError, match=r"size is 20; .* multiple of 8, from 8"):
        config.build(20)
    assert ResnetConfig(skip_reduction=8).size_multiple(64) == 4


def test_a_decoder_without_norm_has_biases_that_are_trained() -> None:
    network = ResnetConfig(ngf=4, blocks=1, upsampling="resize", decoder_norm=False).build(16)
    assert not any(isinstance(module, InstanceNorm) for module in network.decoder.modules())
    assert any(isinstance(module, InstanceNorm) for module in network.blocks.modules())
    assert all(weight.requires_grad for weight in network.decoder.parameters())


def test_separable_blocks_have_a_ninth_of_the_weights_and_train_all_of_them() -> None:
    def block_weights(separable: bool) -> int:
        network = ResnetConfig(ngf=16, blocks=1, separable=separable).build(16)
        return sum(weight.numel() for weight in network.blocks.parameters() if weight.requires_grad)

    assert block_weights(False) == 2 * 9 * 64 * 64
    assert block_weights(True) == 2 * (9 * 64 + 64 * 64)
    network = ResnetConfig(ngf=2, blocks=2, separable=True, weight_init="kaiming").build(16)
    network(torch.rand(1, 3, 16, 16)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters() if weight.requires_grad)


@pytest.mark.parametrize("downsamplings", [1, 3, 4])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
def test_a_generator_of_other_depth_and_padding_returns_the_shape_of_its_input(
    downsamplings: int, padding: str
) -> None:
    config = ResnetConfig(ngf=1, blocks=1, downsamplings=downsamplings, padding=padding)
    network = config.build(2 * config.size_multiple(64) * 2)
    assert config.size_multiple(64) == 2**downsamplings
    assert len([layer for layer in network.encoder if isinstance(layer, nn.Conv2d)]) == 1 + downsamplings
    assert network(torch.rand(1, 3, 32, 64) * 2 - 1).shape == (1, 3, 32, 64)
    with pytest.raises(ConfigError, match=f"multiple of {2**downsamplings}, from"):
        config.build(2**downsamplings + 1)


def test_a_generator_without_tanh_exceeds_the_range() -> None:
    network = ResnetConfig(ngf=1, blocks=1, output_activation="none").build(16)
    nn.init.constant_(network.to_rgb[1].bias, 3.0)
    assert network(torch.zeros(1, 3, 16, 16)).min() > 2
    with pytest.raises(ConfigError, match="output activation"):
        ResnetConfig(residual_output=True, output_activation="none").build(16)


def test_norm_eps_is_that_of_every_norm() -> None:
    for kind in ("instance", "batch"):
        config = ResnetConfig(ngf=4, blocks=2, separable=True, norm=kind, norm_eps=0.5)
        norms = [part for part in config.build(16).modules() if isinstance(part, InstanceNorm | BatchNorm2d)]
        assert len(norms) == 3 + 2 * 4 + 2
        assert {part.eps for part in norms} == {0.5}


def test_a_large_norm_eps_keeps_a_faint_pattern_faint() -> None:
    """With ε of 1e-5 the contrast of a feature map is lost: a faint pattern becomes as strong as any other."""
    pattern = torch.rand(1, 3, 16, 16) - 0.5
    changes = []
    for norm_eps in (1e-5, 1.0):
        torch.manual_seed(0)
        network = ResnetConfig(ngf=8, blocks=1, weight_init="kaiming", norm_eps=norm_eps, output_gain=0.1).build(16)
        with torch.no_grad():
            changes.append([float(network(scale * pattern).std()) for scale in (1.0, 0.02)])
    assert changes[0][1] == pytest.approx(changes[0][0], rel=0.1)
    assert changes[1][1] < 0.1 * changes[1][0]


def test_output_gain_scales_the_initial_weights_of_the_last_convolution_alone() -> None:
    def weights(gain: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        return ResnetConfig(ngf=4, blocks=1, output_gain=gain).build(16).state_dict()

    plain, scaled = weights(1.0), weights(0.25)
    assert all(torch.equal(scaled[name], plain[name] * (0.25 if name == "to_rgb.1.weight" else 1)) for name in plain)


@pytest.mark.parametrize(
    ("option", "message"),
    [("residual_output", "--residual-output starts with 0"), ("spectral_norm", "--spectral-norm sets their size")],
)
def test_output_gain_is_refused_where_it_would_have_no_effect(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResnetConfig(output_gain=0.1, **{option: True}).build(16)
