from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.errors import I2IError
from i2i.inference import runner
from i2i.inference.options import InferenceOptions
from i2i.inference.streaming import StreamedTensor, stream_rows, tensor
from i2i.inference.translator import Translator
from i2i.networks import Identity, IdentityConfig, ResnetConfig, UnetConfig, prepare_for_inference
from i2i.networks.few_channels import FEW_CHANNELS
from i2i.networks.instance_norm import InstanceNorm
from tests.conftest import random_image


@pytest.fixture(autouse=True)
def use_short_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use strips of eight rows, the smallest height."""
    monkeypatch.setattr(tensor, "STRIP_BYTES", 1)


def noise(height: int = 40, width: int = 24, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(height + channels))


def streamed(x: Tensor) -> StreamedTensor:
    return stream_rows(x.shape[2], x.shape[3], lambda top, bottom: x[:, :, top:bottom])


def all_rows(x: StreamedTensor) -> Tensor:
    return torch.cat([strip for _, strip in x.strips()], 2)


class Halo(nn.Module):
    """Calls further functions of networks, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.pixel_unshuffle(x, 2), F.interpolate(x, scale_factor=2, mode="bicubic")
        c = torch.cat([F.pixel_shuffle(a, 2), F.leaky_relu(F.avg_pool2d(b, 2), 0.2)], 1)
        d = torch.where(c[:, :1] > 0, c[:, :3] * 2 + 1, torch.sigmoid(c[:, 3:]))
        return d + x


LAYERS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "3x3 convolution": lambda: nn.Conv2d(3, 5, 3, padding=1),
    "strided convolution": lambda: nn.Conv2d(3, 5, 4, stride=2, padding=1),
    "dilated convolution": lambda: nn.Conv2d(3, 5, 3, dilation=2, padding=2),
    "convolution without padding": lambda: nn.Conv2d(3, 5, (7, 3)),
    "transposed convolution, 3": lambda: nn.ConvTranspose2d(3, 5, 3, 2, 1, 1),
    "transposed convolution, 4": lambda: nn.ConvTranspose2d(3, 5, 4, 2, 1),
    "transposed convolution, 2": lambda: nn.ConvTranspose2d(3, 5, 2, 2),
    "reflection": lambda: nn.ReflectionPad2d(3),
    "reflection by much": lambda: nn.ReflectionPad2d(12),
    "zeros": lambda: nn.ZeroPad2d((1, 2, 3, 4)),
    "instance norm": InstanceNorm,
    "batch norm in use": lambda: nn.BatchNorm2d(3).eval(),
    "batch norm in training": lambda: _with_random_affine(nn.BatchNorm2d(3)),
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "pooling": lambda: nn.AvgPool2d(2, 1),
    "tanh": nn.Tanh,
    "others": Halo,
    "conv in conv": lambda: nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2), nn.ReLU(True), nn.ConvTranspose2d(4, 3, 4, 2, 1)),
}


def _with_random_affine(norm: nn.BatchNorm2d) -> nn.Module:
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("height", [14, 40])
@torch.no_grad()
def test_a_streamed_layer_equals_one_pass(name: str, height: int) -> None:
    torch.manual_seed(0)
    layer, x = LAYERS[name](), noise(height)
    expected = layer(x)
    result = layer(streamed(x))  # type: ignore[arg-type]
    assert tuple(result.shape) == tuple(expected.shape)
    assert result.dtype == expected.dtype
    assert torch.allclose(all_rows(result), expected, atol=2e-6, rtol=1e-5)  # type: ignore[arg-type]


NETWORKS = {
    "resnet": ResnetConfig(ngf=4, weight_init="kaiming"),
    "resnet, wide enough for thin convolutions": ResnetConfig(ngf=FEW_CHANNELS + 4, blocks=1, weight_init="kaiming"),
    "resnet of 9 blocks, resized": ResnetConfig(ngf=2, upsampling="resize", weight_init="kaiming"),
    "resnet, anti-aliased": ResnetConfig(ngf=2, blocks=2, upsampling="bilinear", antialias=True, weight_init="kaiming"),
    "resnet, batch norm": ResnetConfig(ngf=2, blocks=2, norm="batch", inference_mode="train", weight_init="kaiming"),
    "resnet, large ε of the norm": ResnetConfig(ngf=4, blocks=2, norm_eps=1.0, weight_init="kaiming"),
    "resnet, separable": ResnetConfig(ngf=2, blocks=2, separable=True, weight_init="kaiming"),
    "resnet, input skip": ResnetConfig(ngf=2, blocks=1, skip_input=True),
    "resnet, colour skip": ResnetConfig(
        ngf=2, blocks=1, skip_input=True, skip_reduction=8, decoder_norm=False, weight_init="kaiming"
    ),
    "resnet, texture mask": ResnetConfig(ngf=2, blocks=1, texture_mask=True, weight_init="kaiming"),
    "resnet, residual": ResnetConfig(ngf=2, blocks=2, upsampling="resize", residual_output=True, spectral_norm=True),
    "resnet, spectral norm": ResnetConfig(ngf=2, blocks=2, spectral_norm=True, weight_init="kaiming"),
    "unet, batch norm": UnetConfig(ngf=4, dropout=0.0, weight_init="kaiming"),
    "unet, instance norm": UnetConfig(ngf=4, dropout=0.0, norm="instance", weight_init="kaiming"),
    "unet, frozen": UnetConfig(ngf=4, inference_mode="eval", weight_init="kaiming"),
}


def built(config: ResnetConfig | UnetConfig) -> nn.Module:
    torch.manual_seed(0)
    return prepare_for_inference(config.build(32), config)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_streamed_network_equals_one_pass(name: str) -> None:
    network, x = built(NETWORKS[name]), noise(96, 64).clamp(-1, 1)
    expected = network(x)
    assert expected.std() > 0.1
    assert (all_rows(network(streamed(x))) - expected).abs().max() < 1e-4  # a level is 8e-3


@torch.no_grad()
def test_streaming_in_bfloat16_is_as_accurate_as_one_pass() -> None:
    network, x = built(NETWORKS["resnet"]), noise(96, 64).clamp(-1, 1)
    reference = network(x)
    with torch.autocast("cpu", torch.bfloat16):
        at_once, strips = network(x), network(streamed(x))
    result = all_rows(strips)  # also outside of autocast, as the network was called inside
    assert result.dtype == at_once.dtype == torch.float32
    errors = [float((output - reference).abs().mean()) for output in (at_once, result)]
    assert 0 < errors[1] < 1.3 * errors[0]
    assert not torch.equal(result, reference)


@torch.no_grad()
def test_dropout_is_drawn_once_and_drops_its_fraction() -> None:
    torch.manual_seed(0)
    dropped = nn.Dropout(0.25)(streamed(torch.ones(1, 4, 64, 64)))  # type: ignore[arg-type]
    first, again = all_rows(dropped), torch.cat([dropped.rows(top, top + 4) for top in range(0, 64, 4)], 2)
    assert torch.equal(first, again)
    assert abs(float((first == 0).float().mean()) - 0.25) < 0.02


@torch.no_grad()
def test_a_strip_depends_only_on_the_rows_around_it() -> None:
    max_rows = 0

    def fetch(top: int, bottom: int) -> Tensor:
        nonlocal max_rows
        max_rows = max(max_rows, bottom - top)
        return torch.zeros(1, 3, bottom - top, 16)

    all_rows(built(ResnetConfig(ngf=2, blocks=3))(stream_rows(800, 16, fetch)))
    assert max_rows <= 60  # eight rows at a quarter of the height, and the rows around them


@torch.no_grad()
def test_no_feature_map_above_half_the_height_and_width_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, int]] = []
    init = tensor.MaterializedTensor.__init__

    def record_size(self: tensor.MaterializedTensor, values: Tensor, image_pixels: int) -> None:
        kept.append((values.shape[0], values.shape[1]))
        init(self, values, image_pixels)

    monkeypatch.setattr(tensor.MaterializedTensor, "__init__", record_size)
    all_rows(built(ResnetConfig(ngf=2, blocks=1))(streamed(noise(64, 32))))
    assert max(kept) == (32, 16)


def test_a_function_that_cannot_be_streamed_raises_an_error() -> None:
    calls = [lambda x: torch.fft.fft2(x), lambda x: F.avg_pool2d(x, 3, padding=1), lambda x: x[:, :, ::2],
             lambda x: F.interpolate(x, scale_factor=1.5), lambda x: F.pad(x, (1, 1, 1, 1), "replicate")]  # fmt: skip
    for call in calls:
        with pytest.raises(NotImplementedError, match="stream"):
            call(streamed(noise()))


def translator(network: Any, config: Any, **options: Any) -> Translator:
    return Translator(network, config, size=32, direction="AtoB", options=InferenceOptions("cpu", "float32"), **options)


@pytest.mark.parametrize("size", [(64, 96), (61, 95), (33, 150)])
def test_a_large_image_is_translated_like_in_one_pass(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    network, image = built(NETWORKS["resnet"]), random_image(0, *size)
    at_once = translator(network, NETWORKS["resnet"])(image)
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 1000)
    in_pieces = translator(network, NETWORKS["resnet"])
    strips = in_pieces(image)
    difference = np.abs(np.asarray(at_once).astype(int) - np.asarray(strips))
    assert in_pieces.runner.runs_piecewise((64, 96))
    assert strips.size == size
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_an_image_that_does_not_fit_is_streamed_and_the_limit_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    network = built(NETWORKS["resnet"])
    expected = translator(network, NETWORKS["resnet"])(random_image(0, 64, 64))
    translate_ = translator(network, NETWORKS["resnet"])
    calls: list[type] = []

    def full(_: nn.Module, inputs: tuple[Any]) -> None:
        calls.append(type(inputs[0]))
        if isinstance(inputs[0], Tensor) and inputs[0].shape[2] > 32:
            raise RuntimeError("CUDA out of memory. Tried to allocate")

    network.register_forward_pre_hook(full)
    result = translate_(random_image(0, 64, 64))
    assert np.abs(np.asarray(result).astype(int) - np.asarray(expected)).max() <= 1
    translate_(random_image(0, 64, 64))
    translate_(random_image(0, 32, 32))
    assert [issubclass(kind, Tensor) for kind in calls] == [True, False, False, True]
    (message,) = caplog.messages
    assert "64x64 pixels does not fit the memory of cpu in one pass: continuing in tiles or row by row" in message


class FlipRows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(x, (2,))


def test_a_network_that_cannot_be_streamed_runs_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 1000)
    image = random_image(0, 64, 64)
    result = translator(FlipRows(), IdentityConfig())(image)
    assert np.array_equal(np.asarray(result), np.asarray(image)[::-1])


def test_a_network_that_fits_in_no_way_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = FlipRows()
    network.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(I2IError, match="64x64 pixels does not fit the memory of cpu"):
        translator(network, IdentityConfig())(random_image(0, 64, 64))


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2)


@pytest.mark.parametrize("limit", [10**9, 100])
def test_a_network_that_enlarges_gives_a_larger_image(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", limit)
    larger = translator(Twice(), IdentityConfig())
    larger.postprocessor.scale = 2
    image = random_image(0, 15, 33)
    expected = image.resize((30, 66), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(larger(image)), np.asarray(expected))


def test_the_streamed_identity_returns_images_of_any_size_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 100)
    same = translator(Identity(), IdentityConfig())
    for size in ((17, 31), (64, 1), (1, 64), (40, 40)):
        assert np.array_equal(np.asarray(same(random_image(0, *size))), np.asarray(random_image(0, *size)))


def test_a_batch_on_a_cpu_has_at_most_the_pixels_of_the_largest_untiled_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 1000)
    network, passes = Identity(), list[int]()
    network.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    assert len(translator(network, IdentityConfig()).submit([random_image(0, 16, 16)] * 7)) == 7
    assert passes == [3, 3, 1]
