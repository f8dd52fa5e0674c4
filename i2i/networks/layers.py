"""Building blocks of the networks: norms, convolutions, initialisation, spectral norm and float32 layers."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization

from i2i.networks.few_channels import FewChannelConv2d
from i2i.networks.instance_norm import BatchNorm2d, InstanceNorm
from i2i.networks.precision import at_least_float32
from i2i.networks.weight_gradient import ConvTranspose2d

Norm = Literal["instance", "batch", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal"]


def norm(kind: Norm, channels: int, eps: float = 1e-5) -> nn.Module:
    """Build the normalisation layer ``kind`` for feature maps of ``channels``; ``eps`` is added to the variance."""
    if kind == "instance":
        return InstanceNorm(eps)
    return BatchNorm2d(channels, eps) if kind == "batch" else nn.Identity()


def uses_bias(kind: Norm) -> bool:
    """Return whether a convolution before this norm has a bias. Before batch norm the norm's shift replaces it."""
    return kind != "batch"


def conv(
    kind: Norm,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> nn.Conv2d:
    """Build a convolution that is followed by the norm ``kind``: (N, in_channels, H, W) to (N, out_channels, h, w)."""
    layer = _ConvFrozenBias if kind == "instance" else FewChannelConv2d
    return layer(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=uses_bias(kind))


def conv_transpose(
    kind: Norm,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> nn.ConvTranspose2d:
    """Build a transposed convolution that is followed by the norm ``kind``, of the shapes of ``conv``."""
    layer = _ConvTransposeFrozenBias if kind == "instance" else ConvTranspose2d
    return layer(in_channels, out_channels, kernel_size, stride, padding, output_padding, bias=uses_bias(kind))


class _ConvFrozenBias(FewChannelConv2d):
    """Convolution before instance norm, which cancels any bias.

    The bias is kept among the weights, as in the published networks, but it is neither computed nor trained.
    """

    def __init__(self, *shape: Any, **options: Any) -> None:
        super().__init__(*shape, **options)
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, None)


class _ConvTransposeFrozenBias(ConvTranspose2d):
    """Transposed convolution with the frozen, unused bias of ``_ConvFrozenBias``."""

    def __init__(self, *shape: Any, **options: Any) -> None:
        super().__init__(*shape, **options)
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return self.convolve(x, None)


def run_in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """Return ``module(x)`` in float32, outside autocast (float64 stays). The last layer of every network runs so."""
    with torch.autocast(x.device.type, enabled=False):
        return module(at_least_float32(x))


def forward_with_activations(
    body: nn.Sequential, x: Tensor, layer_types: tuple[type[nn.Module], ...]
) -> tuple[Tensor, list[Tensor]]:
    """Return ``body(x)`` and the outputs of some of its layers.

    Args:
        body: layers on feature maps.
        x: (N, C, H, W).
        layer_types: types of the layers whose outputs are returned.

    Returns: the output of the last layer, and (N, C, h, w) for each layer of these types, in their order.
    """
    activations = []
    for layer in body:
        x = layer(x)
        if isinstance(layer, layer_types):
            activations.append(x)
    return x, activations


def initialize(network: nn.Module, kind: Init, gain: float = 0.02) -> None:
    """Initialise convolutions and linear layers by ``kind``, their biases with 0, batch norm's weights by N(1, gain).

    Args:
        network: its weights are changed in place.
        kind: "normal", N(0, gain), which DCGAN, Pix2Pix and CycleGAN use with 0.02; "xavier" (Glorot and Bengio 2010);
            "kaiming" (He et al. 2015), which has no gain; "orthogonal" (Saxe et al. 2014).
        gain: of the initialisation, and σ of the weights of batch norm.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            _initialize_weight(module.weight, kind, gain)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            init.normal_(module.weight, 1.0, gain)
            init.zeros_(module.bias)


def _initialize_weight(weight: Tensor, kind: Init, gain: float) -> None:
    if kind == "normal":
        init.normal_(weight, 0.0, gain)
    elif kind == "xavier":
        init.xavier_normal_(weight, gain=gain)
    elif kind == "kaiming":
        init.kaiming_normal_(weight, a=0, mode="fan_in")
    else:
        init.orthogonal_(weight, gain=gain)


def add_spectral_norm(network: nn.Module) -> None:
    """Divide the weight of every convolution and linear layer by its largest singular value (Miyato et al. 2018)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # torch's own spectral_norm would run the power iteration in autocast's bfloat16.
            dim = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            register_parametrization(module, "weight", _SpectralNorm(module.weight, dim=dim))


class _SpectralNorm(parametrizations._SpectralNorm):
    def forward(self, weight: Tensor) -> Tensor:
        if weight.is_meta:  # autocast does not support the meta device
            return super().forward(weight)
        with torch.autocast(weight.device.type, enabled=False):
            return super().forward(weight)

    def _power_method(self, weight: Tensor, iterations: int) -> None:
        if not weight.is_meta:  # without values, the iterations would only take time
            super()._power_method(weight, iterations)


def init_and_constrain(network: nn.Module, kind: Init, spectral_norm: bool) -> None:
    """Initialise the weights of a finished network, then add spectral norm if wanted."""
    initialize(network, kind)
    if spectral_norm:
        add_spectral_norm(network)
