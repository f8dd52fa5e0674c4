from typing import Any

import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from i2i.networks.batching import MinibatchStd, together
from i2i.networks.layers import InstanceNorm


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_authors_torch_networks_have_3_576_704_and_2_765_568_parameters() -> None:
    with torch.device("meta"):
        assert count(DCGANGeneratorConfig(ngf=64).build(64)) == 3_576_704
        assert count(DCGANDiscriminatorConfig(ndf=64).build(64)) == 2_765_568


def test_the_papers_generator_goes_from_1024_channels_at_4_pixels_to_3_at_64() -> None:
    with torch.device("meta"):
        G, x = DCGANGeneratorConfig(ngf=128).build(64), torch.zeros(1, 100, 1, 1)
        shapes = []
        for layer in (*G.body, *G.to_rgb):
            x = layer(x)
            if isinstance(layer, nn.ConvTranspose2d):
                shapes.append(tuple(x.shape[1:]))
    assert shapes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]


@pytest.mark.parametrize("size", [8, 32, 64, 128])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_noise_becomes_a_picture_in_range_and_a_picture_one_logit(size: int, norm: str) -> None:
    G = DCGANGeneratorConfig(latent=5, ngf=2, norm=norm, init="kaiming").build(size)
    D = DCGANDiscriminatorConfig(ndf=2, norm=norm).build(size)
    picture = G(torch.randn(3, 5))
    assert picture.shape == (3, 3, size, size)
    assert picture.abs().max() <= 1
    assert D(picture).shape == (3, 1, 1, 1)


def test_layers_stop_widening_at_16_times_the_channels_of_the_pictures_end() -> None:
    G = DCGANGeneratorConfig(ngf=2).build(512)
    widths = [layer.out_channels for layer in G.body if isinstance(layer, nn.ConvTranspose2d)]
    assert widths == [32, 32, 32, 16, 8, 4, 2]


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", InstanceNorm)])
def test_the_generator_has_a_norm_on_all_layers_but_the_last_and_the_critic_on_all_between_its_ends(
    norm: str, kind: type
) -> None:
    G, D = DCGANGeneratorConfig(ngf=2, norm=norm).build(32), DCGANDiscriminatorConfig(ndf=2, norm=norm).build(32)
    assert [isinstance(part, kind) for part in G.body] == [False, True, False] * 3
    assert [type(part) for part in D.body][:2] == [nn.Conv2d, nn.LeakyReLU]
    assert [isinstance(part, kind) for part in D.body][2:] == [False, True, False] * 2


def test_only_a_layer_between_the_ends_that_has_no_batch_norm_has_a_bias() -> None:
    for norm, inner in (("batch", False), ("none", True)):
        G, D = DCGANGeneratorConfig(ngf=2, norm=norm).build(16), DCGANDiscriminatorConfig(ndf=2, norm=norm).build(16)
        layers = [part for part in D.modules() if isinstance(part, nn.Conv2d)]
        assert [layer.bias is not None for layer in layers] == [False, inner, False]
        ups = [part for part in G.modules() if isinstance(part, nn.ConvTranspose2d)]
        assert [layer.bias is not None for layer in ups] == [inner, inner, False]


def test_weights_begin_as_published() -> None:
    G = DCGANGeneratorConfig().build(64)
    for part in G.modules():
        if isinstance(part, nn.ConvTranspose2d):
            assert part.weight.std().item() == pytest.approx(0.02, rel=0.05)
        elif isinstance(part, nn.BatchNorm2d):
            assert part.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert part.bias.abs().max() == 0


@pytest.mark.parametrize("size", [4, 48, 1024])
def test_a_size_that_halving_does_not_lead_to_4_is_refused_with_those_that_do(size: int) -> None:
    for config in (DCGANGeneratorConfig(), DCGANDiscriminatorConfig()):
        with pytest.raises(ConfigError, match=rf"8, 16, 32, 64, 128, 256, 512 px; size is {size}"):
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
def test_a_dcgan_that_does_not_exist_is_refused(config: Any, change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        config(**change)


def test_features_are_what_every_layer_but_the_last_gives_beside_the_same_logits() -> None:
    D, picture = DCGANDiscriminatorConfig(ndf=2, norm="none").build(32), torch.rand(2, 3, 32, 32)
    logits, features = D.with_features(picture)
    assert torch.equal(logits, D(picture))
    assert [tuple(x.shape[1:]) for x in features] == [(2, 16, 16), (4, 8, 8), (8, 4, 4)]
    torch.testing.assert_close(features[-1], D.body(picture))


def test_pictures_and_logits_stay_float32_under_autocast() -> None:
    G, D = DCGANGeneratorConfig(latent=4, ngf=2).build(16), DCGANDiscriminatorConfig(ndf=2).build(16)
    with torch.autocast("cpu", torch.bfloat16):
        picture = G(torch.randn(2, 4))
        assert (picture.dtype, D(picture).dtype) == (torch.float32, torch.float32)


def test_spectral_norm_is_on_every_layer_of_the_critic() -> None:
    D = DCGANDiscriminatorConfig(ndf=4, norm="none", init="kaiming", spectral_norm=True).build(16)
    for _ in range(100):
        D(torch.randn(1, 3, 16, 16))
    layers = [part for part in D.modules() if isinstance(part, nn.Conv2d)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


def test_minibatch_std_shows_d_how_much_the_pictures_of_a_batch_differ() -> None:
    maps = torch.rand(4, 3, 2, 2)
    shown = MinibatchStd()(maps)
    torch.testing.assert_close(shown[:, :3], maps)
    torch.testing.assert_close(shown[:, 3], torch.full((4, 2, 2), float(maps.numpy().std(axis=0).mean())))
    alike = maps[:1].expand(4, -1, -1, -1).clone().requires_grad_()
    MinibatchStd()(alike)[:, 3].sum().backward()
    assert alike.grad is not None
    assert torch.isfinite(alike.grad).all()


def test_a_d_with_minibatch_std_judges_each_batch_by_itself() -> None:
    D = DCGANDiscriminatorConfig(ndf=2, norm="none", minibatch_std=True).build(16)
    some, alike = torch.rand(4, 3, 16, 16), torch.rand(1, 3, 16, 16).expand(4, -1, -1, -1)
    apart = together(D, some, alike)
    assert torch.equal(apart[0], D(some))
    assert torch.equal(apart[1], D(alike))
    assert not torch.allclose(D(torch.cat([some, alike]))[4:], D(alike))
