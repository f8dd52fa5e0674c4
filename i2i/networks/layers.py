"""What the networks are made of: norms, convolutions, initialisation, and the float32 island."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization

from i2i.networks.cpu_conv import Conv2d

Norm = Literal["instance", "batch", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal"]


class InstanceNorm(nn.Module):
    """Each channel of each picture to mean 0 and variance 1 (Ulyanov et al. 2016), no affine, no statistics kept.

    Not ``torch.nn.functional.instance_norm``: on CPU its gradient is wrong at batch 1 when the gradient from
    above is channels-last. Statistics are float32 whatever the input (float64 for float64).
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):  # a map computed in strips takes its statistics by itself
            return x.normalised(self.eps)
        if torch.compiler.is_compiling():  # the compiler fuses the formula, and derives its gradient, by itself
            return _plain(x, self.eps)
        return _Normalise.apply(x, self.eps)


class _Normalise(torch.autograd.Function):
    """(x − mean) / √(variance + ε) over height and width, and its gradient, in the order of channels-last memory.

    Seen as (N, H·W, C), a channels-last picture is reduced along its rows: several times faster on a CPU than the
    same formula over the last two of four dimensions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        rows = _rows(x)
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + eps)
        ctx.save_for_backward(x, mean, scale)
        ctx.eps = eps
        return _scaled(centred, scale, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        x, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # a penalty differentiates once more: the plain formula knows how
            (slope,) = torch.autograd.grad(_plain(x, ctx.eps), x, gradient, create_graph=True)
            return slope, None
        above, normal = _rows(gradient), (_rows(x) - mean).mul_(scale)
        along = (above * normal).mean(1, keepdim=True)
        slope = (above - above.mean(1, keepdim=True)).addcmul_(normal, along, value=-1)
        return _scaled(slope, scale, x), None


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H·W, C) in float32 (float64 stays); no copy of channels-last float32."""
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    return rows if x.dtype == torch.float64 else rows.float()


def _scaled(rows: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """rows · scale as a channels-last picture of the shape and type of ``like``, in one pass."""
    picture = torch.empty_like(like, memory_format=torch.channels_last)
    torch.mul(rows, scale, out=picture.permute(0, 2, 3, 1).flatten(1, 2))
    return picture


def _plain(x: Tensor, eps: float) -> Tensor:
    wide = x if x.dtype == torch.float64 else x.float()
    variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0, keepdim=True)
    return ((wide - mean) * torch.rsqrt(variance + eps)).to(x.dtype)


def norm(kind: Norm, channels: int) -> nn.Module:
    """The normalisation layer of a name."""
    if kind == "instance":
        return InstanceNorm()
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


def needs_bias(kind: Norm) -> bool:
    """A convolution before batch norm has its bias in the norm's shift."""
    return kind != "batch"


def conv(kind: Norm, channels: int, out: int, size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """The convolution before a norm."""
    layer = _ConvDeadBias if kind == "instance" else Conv2d
    return layer(channels, out, size, stride, padding, bias=needs_bias(kind))


def conv_transpose(
    kind: Norm, channels: int, out: int, size: int, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> nn.ConvTranspose2d:
    """The transposed convolution before a norm."""
    layer = _ConvTransposeDeadBias if kind == "instance" else nn.ConvTranspose2d
    return layer(channels, out, size, stride, padding, output_padding, bias=needs_bias(kind))


class _ConvDeadBias(Conv2d):
    """Before instance norm, which takes away whatever a bias adds.

    The bias belongs to the published networks, and stays among the weights; the work and the training leave it out.
    """

    def __init__(self, *shape: Any, **options: Any) -> None:
        super().__init__(*shape, **options)
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, None)


class _ConvTransposeDeadBias(nn.ConvTranspose2d):
    """As ``_ConvDeadBias``."""

    def __init__(self, *shape: Any, **options: Any) -> None:
        super().__init__(*shape, **options)
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        padding: Any = self.padding  # never one of the words that a plain convolution may have
        return F.conv_transpose2d(
            x, self.weight, None, self.stride, padding, self.output_padding, self.groups, self.dilation
        )


def in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """``module(x)`` outside autocast: the last layer of every network is computed in full precision."""
    with torch.autocast(x.device.type, enabled=False):
        return module(x if x.dtype == torch.float64 else x.float())


def with_activations(body: nn.Sequential, x: Tensor, kinds: tuple[type[nn.Module], ...]) -> tuple[Tensor, list[Tensor]]:
    """``body(x)``, and what each of its layers of ``kinds`` gives on the way."""
    found = []
    for layer in body:
        x = layer(x)
        if isinstance(layer, kinds):
            found.append(x)
    return x, found


def initialize(network: nn.Module, kind: Init, gain: float = 0.02) -> None:
    """Draw the weights of all convolutions and linear layers from ``kind``; biases 0; batch norm N(1, gain).

    ``normal`` is N(0, 0.02), the initialisation of DCGAN, Pix2Pix and CycleGAN.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            _draw(module.weight, kind, gain)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            init.normal_(module.weight, 1.0, gain)
            init.zeros_(module.bias)


def _draw(weight: Tensor, kind: Init, gain: float) -> None:
    if kind == "normal":
        init.normal_(weight, 0.0, gain)
    elif kind == "xavier":
        init.xavier_normal_(weight, gain=gain)
    elif kind == "kaiming":
        init.kaiming_normal_(weight, a=0, mode="fan_in")
    else:
        init.orthogonal_(weight, gain=gain)


def add_spectral_norm(network: nn.Module) -> None:
    """Divide every convolution's weight by its largest singular value (Miyato et al. 2018)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # As torch's own spectral_norm, which leaves the power iteration to autocast's bfloat16.
            dim = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            register_parametrization(module, "weight", _SpectralNorm(module.weight, dim=dim))


class _SpectralNorm(parametrizations._SpectralNorm):
    def forward(self, weight: Tensor) -> Tensor:
        if weight.is_meta:  # a network of shapes alone, for which there is no autocast
            return super().forward(weight)
        with torch.autocast(weight.device.type, enabled=False):
            return super().forward(weight)


def finish(network: nn.Module, kind: Init, spectral: bool) -> None:
    """What every network does last: initialise, then, if asked, constrain."""
    initialize(network, kind)
    if spectral:
        add_spectral_norm(network)
