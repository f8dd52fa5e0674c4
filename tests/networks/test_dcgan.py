from typing import Any

import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from i2i.networks.batching import MinibatchStd, batched_forward
from i2i.networks.instance_norm import InstanceNorm


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count_parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_authors_torch_networks_have_3_576_704_and_2_765_568_parameters() -> None:
    with torch.device("meta"):
        assert count_parameters(DCGANGeneratorConfig(ngf=64).build(64)) == 3_576_704
        assert count_parameters(DCGANDiscriminatorConfig(ndf=64).build(64)) == 2_765_568


def test_the_papers_generator_goes_from_1024_channels_at_4_pixels_to_3_at_64() -> None:
    with torch.device("meta"):
        G = DCGANGeneratorConfig(ngf=128).build(64)
        x = torch.zeros(1, 100, 1, 1)
        shapes = []
        for layer in (*G.body, *G.to_rgb):
            x = layer(x)
            if isinstance(layer, nn.ConvTranspose2d):
                shapes.append(tuple(x.shape[1:]))
    assert shapes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]


@pytest.mark.parametrize("size", [8, 32, 64, 128])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_noise_gives_an_image_in_range_and_an_image_gives_one_logit(size: int, norm: str) -> None:
    G = DCGANGeneratorConfig(latent=5, ngf=2, norm=norm, weight_init="kaiming").build(size)
    D = DCGANDiscriminatorConfig(ndf=2, norm=norm).build(size)
    image = G(torch.randn(3, 5))
    assert image.shape == (3, 3, size, size)
    assert image.abs().max() <= 1
    assert D(image).shape == (3, 1, 1, 1)


def test_channels_stop_doubling_at_16_times_the_first_layers() -> None:
    G = DCGANGeneratorConfig(ngf=2).build(512)
    channels = [layer.out_channels for layer in G.body if isinstance(layer, nn.ConvTranspose2d)]
    assert channels == [32, 32, 32, 16, 8, 4, 2]


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", InstanceNorm)])
def test_the_generators_last_layer_and_the_discriminators_first_and_last_have_no_norm(norm: str, kind: type) -> None:
    G = DCGANGeneratorConfig(ngf=2, norm=norm).build(32)
    D = DCGANDiscriminatorConfig(ndf=2, norm=norm).build(32)
    assert [isinstance(part, kind) for part in G.body] == [False, True, False] * 3
    assert [type(part) for part in D.body][:2] == [nn.Conv2d, nn.LeakyReLU]
    assert [isinstance(part, kind) for part in D.body][2:] == [False, True, False] * 2


def test_inner_layers_have_a_bias_unless_batch_norm_follows() -> None:
    for norm, inner in (("batch", False), ("none", True)):
        G = DCGANGeneratorConfig(ngf=2, norm=norm).build(16)
        D = DCGANDiscriminatorConfig(ndf=2, norm=norm).build(16)
        layers = [part for part in D.modules() if isinstance(part, nn.Conv2d)]
        assert [layer.bias is not None for layer in layers] == [False, inner, False]
        ups = [part for part in G.modules() if isinstance(part, nn.ConvTranspose2d)]
        assert [layer.bias is not None for layer in ups] == [inner, inner, False]


def test_weights_are_initialised_as_published() -> None:
    G = DCGANGeneratorConfig().build(64)
    for part in G.modules():
        if isinstance(part, nn.ConvTranspose2d):
            assert part.weight.std().item() == pytest.approx(0.02, rel=0.05)
        elif isinstance(part, nn.BatchNorm2d):
            assert part.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert part.bias.abs().max() == 0


@pytest.mark.parametrize("size", [4, 48, 1024])
def test_an_unsupported_size_is_refused_with_the_supported_ones(size: int) -> None:
    for config in (DCGANGeneratorConfig(), DCGANDiscriminatorConfig()):
        with pytest.raises(ConfigError, match=rf"size is {size}; .* 8, 16, 32, 64, 128, 256, 512 px"):
            config.build(size)


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (DCGANGeneratorConfig, {"latent": 0}),
        (DCGANGeneratorConfig, {"latent": 10**6}),
        (DCGANGeneratorConfig, {"ngf": 0}),
        (DCGANDiscriminatorConfig, {"ndf": 1025}),
    ],
)
def test_values_out_of_range_are_refused(config: Any, change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        config(**change)


def test_features_are_the_activations_of_every_layer_but_the_last() -> None:
    D = DCGANDiscriminatorConfig(ndf=2, norm="none").build(32)
    image = torch.rand(2, 3, 32, 32)
    logits, features = D.with_features(image)
    assert torch.equal(logits, D(image))
    assert [tuple(x.shape[1:]) for x in features] == [(2, 16, 16), (4, 8, 8), (8, 4, 4)]
    torch.testing.assert_close(features[-1], D.body(image))


def test_images_and_logits_stay_float32_under_autocast() -> None:
    G = DCGANGeneratorConfig(latent=4, ngf=2).build(16)
    D = DCGANDiscriminatorConfig(ndf=2).build(16)
    with torch.autocast("cpu", torch.bfloat16):
        image = G(torch.randn(2, 4))
        assert (image.dtype, D(image).dtype) == (torch.float32, torch.float32)


def test_spectral_norm_is_on_every_layer_of_the_discriminator() -> None:
    D = DCGANDiscriminatorConfig(ndf=4, norm="none", weight_init="kaiming", spectral_norm=True).build(16)
    for _ in range(100):
        D(torch.randn(1, 3, 16, 16))
    layers = [part for part in D.modules() if isinstance(part, nn.Conv2d)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


def test_minibatch_std_appends_the_mean_standard_deviation_over_the_batch() -> None:
    features = torch.rand(4, 3, 2, 2)
    output = MinibatchStd()(features)
    torch.testing.assert_close(output[:, :3], features)
    torch.testing.assert_close(output[:, 3], torch.full((4, 2, 2), float(features.numpy().std(axis=0).mean())))
    identical = features[:1].expand(4, -1, -1, -1).clone().requires_grad_()
    MinibatchStd()(identical)[:, 3].sum().backward()
    assert identical.grad is not None
    assert torch.isfinite(identical.grad).all()


def test_with_minibatch_std_real_and_fake_batches_are_computed_separately() -> None:
    D = DCGANDiscriminatorConfig(ndf=2, norm="none", minibatch_std=True).build(16)
    images, identical = torch.rand(4, 3, 16, 16), torch.rand(1, 3, 16, 16).expand(4, -1, -1, -1)
    separate = batched_forward(D, images, identical)
    assert torch.equal(separate[0], D(images))
    assert torch.equal(separate[1], D(identical))
    assert not torch.allclose(D(torch.cat([images, identical]))[4:], D(identical))
