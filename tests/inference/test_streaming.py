from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.errors import I2IError
from i2i.inference import translator as translate
from i2i.inference.streaming import Strips, in_strips, tensor
from i2i.inference.tiling import spans
from i2i.inference.translator import Translator
from i2i.networks import Identity, IdentityConfig, ResnetConfig, RestorerConfig, UnetConfig, use_mode
from i2i.networks.cpu_conv import THIN
from i2i.networks.layers import InstanceNorm
from tests.conftest import picture


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips of eight rows, which is the least."""
    monkeypatch.setattr(tensor, "STRIP_BYTES", 1)


def noise(height: int = 40, width: int = 24, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(height + channels))


def stripped(x: Tensor) -> Strips:
    return in_strips(x.shape[2], x.shape[3], lambda top, bottom: x[:, :, top:bottom])


def whole(x: Strips) -> Tensor:
    return torch.cat([strip for _, strip in x.strips()], 2)


class Halo(nn.Module):
    """Whatever else a network may call, one after the other."""

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
    "batch norm in training": lambda: _drawn(nn.BatchNorm2d(3)),
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "pooling": lambda: nn.AvgPool2d(2, 1),
    "tanh": nn.Tanh,
    "others": Halo,
    "conv in conv": lambda: nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2), nn.ReLU(True), nn.ConvTranspose2d(4, 3, 4, 2, 1)),
}


def _drawn(norm: nn.BatchNorm2d) -> nn.Module:
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("height", [14, 40])
@torch.no_grad()
def test_a_layer_gives_in_strips_what_it_gives_in_one_piece(name: str, height: int) -> None:
    torch.manual_seed(0)
    layer, x = LAYERS[name](), noise(height)
    given = layer(x)
    found = layer(stripped(x))  # type: ignore[arg-type]
    assert tuple(found.shape) == tuple(given.shape)
    assert found.dtype == given.dtype
    assert torch.allclose(whole(found), given, atol=2e-6, rtol=1e-5)  # type: ignore[arg-type]


NETWORKS = {
    "resnet": ResnetConfig(ngf=4, init="kaiming"),
    "resnet, wide enough for thin convolutions": ResnetConfig(ngf=THIN + 4, blocks=1, init="kaiming"),
    "resnet of 9 blocks, resized": ResnetConfig(ngf=2, upsampling="resize", init="kaiming"),
    "resnet, anti-aliased": ResnetConfig(ngf=2, blocks=2, upsampling="bilinear", antialias=True, init="kaiming"),
    "resnet, batch norm": ResnetConfig(ngf=2, blocks=2, norm="batch", inference="train", init="kaiming"),
    "resnet, residual": ResnetConfig(ngf=2, blocks=2, upsampling="resize", residual=True, spectral_norm=True),
    "resnet, spectral norm": ResnetConfig(ngf=2, blocks=2, spectral_norm=True, init="kaiming"),
    "unet, batch norm": UnetConfig(ngf=4, dropout=0.0, init="kaiming"),
    "unet, instance norm": UnetConfig(ngf=4, dropout=0.0, norm="instance", init="kaiming"),
    "unet, frozen": UnetConfig(ngf=4, inference="eval", init="kaiming"),
}


def built(config: ResnetConfig | UnetConfig) -> nn.Module:
    torch.manual_seed(0)
    return use_mode(config.build(32), config)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_network_gives_in_strips_what_it_gives_in_one_piece(name: str) -> None:
    network, x = built(NETWORKS[name]), noise(96, 64).clamp(-1, 1)
    expected = network(x)
    assert expected.std() > 0.1
    assert (whole(network(stripped(x))) - expected).abs().max() < 1e-4  # a level is 8e-3


@torch.no_grad()
def test_in_bfloat16_strips_are_as_near_to_the_truth_as_one_piece() -> None:
    network, x = built(NETWORKS["resnet"]), noise(96, 64).clamp(-1, 1)
    truth = network(x)
    with torch.autocast("cpu", torch.bfloat16):
        at_once, strips = network(x), network(stripped(x))
    found = whole(strips)  # also outside of autocast, as the network was called inside
    assert found.dtype == at_once.dtype == torch.float32
    errors = [float((one - truth).abs().mean()) for one in (at_once, found)]
    assert 0 < errors[1] < 1.3 * errors[0]
    assert not torch.equal(found, truth)


@torch.no_grad()
def test_dropout_in_use_is_drawn_once_and_leaves_about_its_share() -> None:
    torch.manual_seed(0)
    dropped = nn.Dropout(0.25)(stripped(torch.ones(1, 4, 64, 64)))  # type: ignore[arg-type]
    first, again = whole(dropped), torch.cat([dropped.rows(top, top + 4) for top in range(0, 64, 4)], 2)
    assert torch.equal(first, again)
    assert abs(float((first == 0).float().mean()) - 0.25) < 0.02


@torch.no_grad()
def test_a_strip_takes_only_the_rows_around_it() -> None:
    most = 0

    def fetch(top: int, bottom: int) -> Tensor:
        nonlocal most
        most = max(most, bottom - top)
        return torch.zeros(1, 3, bottom - top, 16)

    whole(built(ResnetConfig(ngf=2, blocks=3))(in_strips(800, 16, fetch)))
    assert most <= 60  # eight rows at a quarter of the height, and what lies around them


@torch.no_grad()
def test_no_map_above_half_the_pictures_height_and_width_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, int]] = []
    init = tensor.Kept.__init__

    def noted(self: tensor.Kept, store: Tensor, total: int) -> None:
        kept.append((store.shape[0], store.shape[1]))
        init(self, store, total)

    monkeypatch.setattr(tensor.Kept, "__init__", noted)
    whole(built(ResnetConfig(ngf=2, blocks=1))(stripped(noise(64, 32))))
    assert max(kept) == (32, 16)


def test_what_cannot_be_computed_in_strips_says_so() -> None:
    calls = [lambda x: torch.fft.fft2(x), lambda x: F.avg_pool2d(x, 3, padding=1), lambda x: x[:, :, ::2],
             lambda x: F.interpolate(x, scale_factor=1.5), lambda x: F.pad(x, (1, 1, 1, 1), "replicate")]  # fmt: skip
    for call in calls:
        with pytest.raises(NotImplementedError, match="strips"):
            call(stripped(noise()))


def translator(network: Any, config: Any, **how: Any) -> Translator:
    return Translator(network, config, size=32, direction="AtoB", device="cpu", precision="float32", **how)


@pytest.mark.parametrize("size", [(64, 96), (61, 95), (33, 150)])
def test_a_large_picture_is_translated_as_a_small_one_would_be(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    network, image = built(NETWORKS["resnet"]), picture(0, *size)
    at_once = translator(network, NETWORKS["resnet"])(image)
    monkeypatch.setattr(translate, "WHOLE", 1000)
    in_pieces = translator(network, NETWORKS["resnet"])
    strips = in_pieces(image)
    apart = np.abs(np.asarray(at_once).astype(int) - np.asarray(strips))
    assert in_pieces._pieces
    assert strips.size == size
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.001


def test_a_picture_that_does_not_fit_the_memory_goes_in_strips_and_so_do_larger_ones() -> None:
    told: list[str] = []
    network = built(NETWORKS["resnet"])
    expected = translator(network, NETWORKS["resnet"])(picture(0, 64, 64))
    translate_ = translator(network, NETWORKS["resnet"], notice=told.append)
    calls: list[type] = []

    def full(_: nn.Module, given: tuple[Any]) -> None:
        calls.append(type(given[0]))
        if isinstance(given[0], Tensor) and given[0].shape[2] > 32:
            raise RuntimeError("CUDA out of memory. Tried to allocate")

    network.register_forward_pre_hook(full)
    found = translate_(picture(0, 64, 64))
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).max() <= 1
    translate_(picture(0, 64, 64))
    translate_(picture(0, 32, 32))
    assert [issubclass(kind, Tensor) for kind in calls] == [True, False, False, True]
    assert len(told) == 1
    assert "64x64 pixels does not fit the memory of cpu in one piece: going on in pieces" in told[0]


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(x, (2,))


def test_a_network_that_strips_cannot_compute_goes_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "WHOLE", 1000)
    image = picture(0, 64, 64)
    found = translator(Odd(), IdentityConfig())(image)
    assert np.array_equal(np.asarray(found), np.asarray(image)[::-1])


def test_a_network_that_fits_neither_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Odd()
    network.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(I2IError, match="64x64 pixels does not fit the memory of cpu"):
        translator(network, IdentityConfig())(picture(0, 64, 64))


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2)


@pytest.mark.parametrize("limit", [10**9, 100])
def test_a_network_that_enlarges_gives_a_larger_picture(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(translate, "WHOLE", limit)
    larger = translator(Twice(), IdentityConfig())
    larger.sight.scale = 2
    image = picture(0, 15, 33)
    expected = image.resize((30, 66), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(larger(image)), np.asarray(expected))


def test_pictures_of_any_size_come_back_through_the_identity_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "WHOLE", 100)
    same = translator(Identity(), IdentityConfig())
    for size in ((17, 31), (64, 1), (1, 64), (40, 40)):
        assert np.array_equal(np.asarray(same(picture(0, *size))), np.asarray(picture(0, *size)))


RESTORERS = {
    "denoise": RestorerConfig(width=4, depth=1),
    "known": RestorerConfig(width=4, levels=2, depth=1, shows="level"),
    "superres": RestorerConfig(width=4, fold=1, levels=2, depth=1, scale=2),
    "inpaint": RestorerConfig(width=2, levels=2, depth=1, shows="mask", answers="patch"),
    "colorize": RestorerConfig(width=4, levels=2, depth=1, answers="chroma"),
}


def strong(config: RestorerConfig) -> nn.Module:
    """A restorer with weights that make every pixel it sees count."""
    torch.manual_seed(0)
    network = config.build(64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() * 3 if parameter.ndim > 1 else parameter)
    return network


@pytest.mark.parametrize("name", RESTORERS)
@torch.no_grad()
def test_a_restorer_sees_as_far_as_it_says_and_hardly_less(name: str) -> None:
    config = RESTORERS[name]
    network, middle = strong(config).double(), -(-2 * config.reach // 16) * 16
    x = noise(32, 2 * middle, 3 if config.shows == "picture" else 4).double()
    if config.shows == "mask":
        x[:, 3:] = 1.0
    y = x.clone()
    y[..., middle] += 0.5
    changed = (network(x) != network(y)).any(2).any(1)[0].nonzero().flatten() / config.scale
    left, right = middle - int(changed.min()), int(changed.max()) - middle
    assert max(left, right) <= config.reach
    assert max(left, right) >= config.reach - 3 * config.multiple(64)


@pytest.mark.parametrize("name", [name for name in RESTORERS if name != "colorize"])  # it sees small copies only
def test_a_restorer_gives_in_tiles_what_it_gives_in_one_piece(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RESTORERS[name]
    around = -(-config.reach // config.multiple(64)) * config.multiple(64)
    size = 4 * around - 3, 3 * around + 5
    image = picture(0, *size)
    if config.shows == "mask":
        image.putalpha(picture(1, *size).convert("L").point(lambda level: 255 * (level > 99)))
    network, passes = strong(config), list[tuple[int, int]]()
    expected = restored(network, config)(image)
    monkeypatch.setattr(translate, "WHOLE", 9 * around**2)
    network.register_forward_pre_hook(lambda _, given: passes.append(tuple(given[0].shape[2:])))
    found = restored(network, config)(image)
    assert len(passes) > 1
    assert max(height * width for height, width in passes) <= translate.WHOLE
    apart = np.abs(np.asarray(expected).astype(int) - np.asarray(found))
    assert found.size == (size[0] * config.scale, size[1] * config.scale)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.001


def restored(network: nn.Module, config: RestorerConfig) -> Translator:
    return Translator(network, config, size=64, direction="AtoB", device="cpu", precision="float32")


def test_a_restorer_that_sees_too_far_for_tiles_goes_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    config, image = RESTORERS["denoise"], picture(0, 96, 80)
    network = strong(config)
    expected = restored(network, config)(image)
    monkeypatch.setattr(translate, "WHOLE", 1000)
    kinds: list[bool] = []
    network.register_forward_pre_hook(lambda _, given: kinds.append(isinstance(given[0], Strips)))
    found = restored(network, config)(image)
    assert kinds == [True]
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(found)).max() <= 1


@pytest.mark.parametrize(("length", "side"), [(8, 100), (96, 32), (104, 32), (2000, 48)])
def test_tiles_cover_a_picture_once_and_see_what_lies_around_them(length: int, side: int) -> None:
    found = list(spans(length, side, 16, 8))
    assert [begin for begin, *_ in found] == [0, *(end for _, end, *_ in found)][:-1]
    assert found[-1][1] == length
    assert all(0 < end - begin <= side for begin, end, *_ in found)
    assert all(place % 8 == 0 for span in found for place in span)
    assert all((first, last) == (max(begin - 16, 0), min(end + 16, length)) for begin, end, first, last in found)


def test_a_cpu_is_given_no_more_pixels_at_once_than_in_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "WHOLE", 1000)
    network, passes = Identity(), list[int]()
    network.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    assert len(translator(network, IdentityConfig()).begin([picture(0, 16, 16)] * 7)) == 7
    assert passes == [3, 3, 1]
