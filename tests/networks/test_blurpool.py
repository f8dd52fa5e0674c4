import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks import PatchGAN, PatchGANConfig, Resnet, ResnetConfig
from i2i.networks.blurpool import BilinearUpsample2x, BlurPool2d, _BlurPool

CUT = {"antialias": True, "upsampling": "bilinear"}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def filtered(x: Tensor, taps: list[float], stride: int) -> Tensor:
    """Filter each channel of a padded image by the outer product of ``taps`` with itself."""
    row = torch.tensor(taps, dtype=x.dtype)
    kernel = (row[:, None] * row).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, stride=stride, groups=x.shape[1])


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 5), (2, 2)])
def test_blurpool_is_the_filter_1_2_1_at_every_second_pixel(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    expected = filtered(F.pad(x, (1, 1, 1, 1), mode="reflect"), [0.25, 0.5, 0.25], stride=2)
    torch.testing.assert_close(BlurPool2d()(x), expected)
    assert expected.shape[2:] == (-(-height // 2), -(-width // 2))


@pytest.mark.parametrize("height", [2, 3, 4, 7])
@pytest.mark.parametrize("width", [2, 5, 6])
def test_blurpool_by_slices_has_the_values_and_both_derivatives_of_the_poolings(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    output, expected = _BlurPool.apply(x), BlurPool2d()(x)
    torch.testing.assert_close(output, expected)
    grad_output = torch.randn_like(output)
    (gradient,) = torch.autograd.grad(output, x, grad_output)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, x, grad_output)[0])
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    assert torch.autograd.gradgradcheck(_BlurPool.apply, (x,))


def test_bilinear_upsampling_is_the_filter_1_3_3_1_after_inserting_zeros() -> None:
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    with_zeros = torch.zeros(2, 3, 12, 16, dtype=torch.float64)
    with_zeros[:, :, ::2, ::2] = padded
    expected = filtered(F.pad(with_zeros, (1, 1, 1, 1)), [0.25, 0.75, 0.75, 0.25], stride=1)[:, :, 1:9, 1:13]
    torch.testing.assert_close(BilinearUpsample2x()(x), expected)


def test_blurpool_turns_a_checkerboard_grey() -> None:
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(4, 4)[None, None]
    assert BlurPool2d()(board).abs().max() == 0
    assert board[..., ::2, ::2].abs().min() == 1  # subsampling alone would give a constant


def test_the_antialiased_networks_have_as_many_parameters_as_cyclegans() -> None:
    with torch.device("meta"):
        networks = [Resnet(ResnetConfig(**CUT)), PatchGAN(PatchGANConfig(antialias=True))]
    assert [sum(w.numel() for w in network.parameters()) for network in networks] == [11_378_179, 2_764_737]


def test_no_convolution_of_the_antialiased_networks_is_strided() -> None:
    networks = Resnet(ResnetConfig(ngf=2, blocks=1, **CUT)), PatchGAN(PatchGANConfig(ndf=2, antialias=True))
    for network, halvings in zip(networks, (2, 3), strict=True):
        layers = list(network.modules())
        assert {part.stride for part in layers if isinstance(part, nn.Conv2d)} == {(1, 1)}
        assert sum(isinstance(part, BlurPool2d) for part in layers) == halvings
        assert not any(isinstance(part, nn.ConvTranspose2d) for part in layers)


def test_an_antialiased_resnet_returns_the_shape_of_its_input() -> None:
    network = Resnet(ResnetConfig(ngf=2, blocks=1, **CUT))
    assert network(torch.zeros(2, 3, 16, 24)).shape == (2, 3, 16, 24)
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("field", [16, 34, 70])
def test_an_antialiased_discriminator_returns_as_many_logits_down_to_the_smallest_input(field: int) -> None:
    config = PatchGANConfig(ndf=2, receptive_field=field, antialias=True)
    plain = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field))
    antialiased = PatchGAN(config)
    for size in (config.min_input_size(), 64, 75):
        if size >= config.min_input_size():
            image = torch.zeros(1, 3, size, size)
            assert antialiased(image).shape == plain(image).shape


def test_the_receptive_field_of_cuts_discriminator_is_84_pixels() -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=2, antialias=True, norm="none", weight_init="kaiming")).double()
    image = torch.rand(1, 3, 192, 192, dtype=torch.float64, requires_grad=True)
    logits = discriminator(image)
    (gradient,) = torch.autograd.grad(logits[0, 0, 11, 11], image)
    visible = gradient[0].abs().sum(0) > 0
    assert (int(visible.any(0).sum()), int(visible.any(1).sum())) == (84, 84)
