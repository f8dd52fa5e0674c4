"""The residual generator of CycleGAN (Zhu et al. 2017, appendix 7.2; Johnson et al. 2016)."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import Config, option
from i2i.errors import ConfigError, SettingError
from i2i.networks.batching import Dropout
from i2i.networks.blurpool import BilinearUpsample2x, BlurPool2d
from i2i.networks.channel_counts import require_equal_channels
from i2i.networks.checkpointing import CheckpointedSequential
from i2i.networks.few_channels import FewChannelConv2d
from i2i.networks.layers import Init, Norm, conv, conv_transpose, init_and_constrain, norm, run_in_float32
from i2i.networks.padding import ReflectionPad2d
from i2i.networks.texture_mask import CELL, TEXTURE_MASK_HELP, keep_untextured

ATANH_LIMIT = 0.996
_PADDINGS: dict[str, type[nn.Module]] = {
    "reflect": ReflectionPad2d, "replicate": nn.ReplicationPad2d, "zeros": nn.ZeroPad2d,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ResnetConfig(Config):
    """Config of ``Resnet``."""

    network: Literal["resnet"] = option("resnet", "architecture")
    ngf: int = option(64, "channels of the generator's first layer", ge=1, le=1024)
    blocks: int = option(9, "residual blocks; the paper uses 9 at 256 px and above, 6 at 128 px", ge=0, le=64)
    downsamplings: int = option(
        2, "times that the generator halves the resolution before its residual blocks; pix2pixHD uses 4", ge=1, le=5
    )
    padding: Literal["reflect", "replicate", "zeros"] = option(
        "reflect", "how the residual blocks pad their inputs", flag="block-padding"
    )
    separable: bool = option(
        False, "depthwise-separable convolutions in the residual blocks, which take a ninth of the arithmetic"
    )
    upsampling: Literal["transposed", "resize", "bilinear"] = option(
        "transposed", "transposed convolution (CycleGAN), or convolution after a nearest or bilinear (CUT) resize"
    )
    residual_output: bool = option(
        False, "add the output to the input before tanh, so that training starts from the identity", was="residual"
    )
    output_activation: Literal["tanh", "none"] = option(
        "tanh", "last function of the generator; without one, values beyond black and white are clipped"
    )
    skip_input: bool = option(
        False, "concatenate the input before the last convolution, so that colours can bypass instance norm"
    )
    skip_reduction: int = option(
        1, "factor by which the skipped input is reduced and enlarged again; above 1 only its colours pass", ge=1, le=64
    )
    texture_mask: bool = option(False, TEXTURE_MASK_HELP)
    decoder_norm: bool = option(True, "normalise the decoder as the rest of the generator; no: not at all")
    antialias: bool = option(False, "blur before every subsampling in the generator (CUT)")
    norm: Norm = option("instance", "normalisation of the generator")
    norm_eps: float = option(
        1e-5, "ε that the norm adds to the variance; 1 lets feature maps of low contrast stay so", gt=0, le=100
    )
    dropout: float = option(0.0, "dropout probability inside each residual block", ge=0, lt=1)
    inference_mode: Literal["train", "eval"] = option(
        "eval", "at inference: dropout and batch statistics as in training, or frozen", was="inference"
    )
    weight_init: Init = option("normal", "initialisation of the generator", was="init")
    output_gain: float = option(
        1.0, "factor of the initial weights of the last convolution; near 0, the first outputs are grey", ge=0, le=1
    )
    spectral_norm: bool = option(False, "spectral norm on every convolution of the generator")

    def size_multiple(self, size: int) -> int:
        """Return the number, in pixels, that must divide the height and width of an input."""
        cells = [self.skip_reduction] if self.skip_input else []
        return math.lcm(2**self.downsamplings, *cells, *([CELL] if self.texture_mask else []))

    @property
    def min_side(self) -> int:
        """Pixels a side of the smallest input: the residual blocks reflect one pixel of at least two."""
        return 2 * 2**self.downsamplings

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Resnet":
        """Build the generator, trained on images of ``size`` pixels a side. Raises ConfigError for a bad size.

        Args:
            size: pixels a side.
            in_channels: of its input.
            out_channels: of its output.
        """
        multiple = self.size_multiple(size)
        smallest = max(8, self.min_side)
        if size % multiple or size < smallest:
            expected = f"a multiple of {multiple}, from {smallest}"
            raise SettingError(f"{{size}} is {size}; this resnet generator needs {expected}.", "size")
        if self.residual_output and self.output_activation == "none":
            raise ConfigError("--residual-output needs the output activation tanh.")
        if self.residual_output:
            require_equal_channels("--residual-output", in_channels, out_channels)
        if self.output_gain != 1 and (self.residual_output or self.spectral_norm):
            other = "--residual-output starts with 0" if self.residual_output else "--spectral-norm sets their size"
            raise ConfigError(
                f"--output-gain {self.output_gain:g} scales the initial weights of the last convolution, but {other}. "
                "Leave out one of the two."
            )
        if self.texture_mask:
            require_equal_channels("--texture-mask", in_channels, out_channels)
        return Resnet(self, in_channels, out_channels)


class Resnet(nn.Module):
    """c7s1-ngf, two strided convolutions, residual blocks, two upsamplings, c7s1-3, tanh.

    With four of each it is the global generator of pix2pixHD (Wang et al. 2018, section 3.1).

    Takes (N, in_channels, H, W) in [-1, 1], H and W multiples of ``size_multiple`` and at least twice that; returns
    (N, out_channels, H, W) in the same range.
    """

    def __init__(self, config: ResnetConfig, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        n = config.ngf
        kind = config.norm
        widths = [n * 2**level for level in range(config.downsamplings + 1)]
        levels = list(pairwise(widths))
        self.in_channels = in_channels
        self.encoder = CheckpointedSequential(
            ReflectionPad2d(3), conv(kind, in_channels, n, 7), norm(kind, n, config.norm_eps), nn.ReLU(True),
            *(layer for above, below in levels for layer in downsample(above, below, config)),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(widths[-1], config) for _ in range(config.blocks)))
        decoder_config = config if config.decoder_norm else replace(config, norm="none")
        self.decoder = CheckpointedSequential(
            *(layer for above, below in reversed(levels) for layer in (
                *upsample(below, above, decoder_config),
                norm(decoder_config.norm, above, config.norm_eps), nn.ReLU(True),
            ))
        )  # fmt: skip
        self.skip_input = config.skip_input
        self.skip_reduction = config.skip_reduction
        last_conv = FewChannelConv2d(n + in_channels if config.skip_input else n, out_channels, 7)
        tanh = [] if config.residual_output or config.output_activation == "none" else [nn.Tanh()]
        self.to_rgb = nn.Sequential(ReflectionPad2d(3), last_conv, *tanh)
        self.residual_output = config.residual_output
        self.texture_mask = config.texture_mask
        init_and_constrain(self, config.weight_init, config.spectral_norm)
        if not config.spectral_norm:
            with torch.no_grad():
                last_conv.weight.mul_(0 if config.residual_output else config.output_gain)

    def forward(self, image: Tensor) -> Tensor:
        return self._decode(self.blocks(self.encoder(image)), image)

    def _decode(self, x: Tensor, image: Tensor) -> Tensor:
        x = self.decoder(x)
        if self.skip_input:
            x = torch.cat([x, self._skipped(image).to(x.dtype)], 1)
        output = run_in_float32(self.to_rgb, x)
        if self.residual_output:
            # tanh never reaches ±1, and atanh(±1) is infinite. ATANH_LIMIT changes white and black by half a level.
            output = torch.tanh(output + torch.atanh(ATANH_LIMIT * image.to(output.dtype)))
        return keep_untextured(output, image) if self.texture_mask else output

    def _skipped(self, image: Tensor) -> Tensor:
        if self.skip_reduction == 1:
            return image
        reduced = F.avg_pool2d(image, self.skip_reduction)
        return F.interpolate(reduced, scale_factor=self.skip_reduction, mode="bilinear")

    def feature_channels(self) -> list[int]:
        """Return the channels of each layer that ``features`` can return."""
        channels = [self.in_channels]
        for layer in (*self.encoder, *self.blocks):
            channels.append(layer.out_channels if isinstance(layer, nn.Conv2d) else channels[-1])
        return channels[1:]

    def features(self, image: Tensor, layers: Collection[int]) -> list[Tensor]:
        """Return the outputs of encoder layers, from shallow to deep. Deeper layers are not computed.

        The bias of a convolution before instance norm is left out.

        Args:
            image: (N, in_channels, H, W) in [-1, 1].
            layers: indices from 0 through ``encoder`` and ``blocks``; see ``feature_channels``.

        Returns: (N, C, h, w) for each layer.
        """
        return self._encode(image, layers, max(layers) + 1)[1]

    def with_features(self, image: Tensor, layers: Collection[int]) -> tuple[Tensor, list[Tensor]]:
        """Return the translation of ``image``, and its ``features``, in one pass.

        Args:
            image: (N, in_channels, H, W) in [-1, 1].
            layers: as for ``features``.

        Returns: what ``forward`` returns, and (N, C, h, w) for each layer.
        """
        x, features = self._encode(image, layers, len(self.encoder) + len(self.blocks))
        return self._decode(x, image), features

    def _encode(self, x: Tensor, layers: Collection[int], end: int) -> tuple[Tensor, list[Tensor]]:
        features: list[Tensor] = []
        for index, layer in enumerate([*self.encoder, *self.blocks][:end]):
            # An in-place ReLU must not overwrite a feature map that is returned.
            overwrites = isinstance(layer, nn.ReLU) and features and x is features[-1]
            x = F.relu(x) if overwrites else layer(x)
            if index in layers:
                features.append(x)
        return x, features


class ResidualBlock(nn.Module):
    """x + conv-norm-(ReLU-dropout-)conv-norm (x), padded by ``config.padding``; no ReLU after the sum."""

    def __init__(self, channels: int, config: ResnetConfig) -> None:
        super().__init__()
        kind = config.norm
        dropout = [Dropout(config.dropout)] if config.dropout else []
        pad = _PADDINGS[config.padding]
        self.body = CheckpointedSequential(
            pad(1), *block_conv(channels, config), norm(kind, channels, config.norm_eps),
            nn.ReLU(True), *dropout,
            pad(1), *block_conv(channels, config), norm(kind, channels, config.norm_eps),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def block_conv(channels: int, config: ResnetConfig) -> list[nn.Module]:
    """Build a 3×3 convolution, or a depthwise one, a norm and a 1×1 convolution (Li et al. 2020)."""
    kind = config.norm
    if not config.separable:
        return [conv(kind, channels, channels, 3)]
    return [
        conv(kind, channels, channels, 3, groups=channels), norm(kind, channels, config.norm_eps),
        conv(kind, channels, channels, 1),
    ]  # fmt: skip


def downsample(in_channels: int, out_channels: int, config: ResnetConfig) -> list[nn.Module]:
    """Build layers that halve height and width: a strided convolution, or a dense one and a blur (Zhang 2019)."""
    stride, blur = (1, [BlurPool2d()]) if config.antialias else (2, [])
    return [
        conv(config.norm, in_channels, out_channels, 3, stride, 1),
        norm(config.norm, out_channels, config.norm_eps),
        nn.ReLU(True),
        *blur,
    ]


def upsample(in_channels: int, out_channels: int, config: ResnetConfig) -> list[nn.Module]:
    """Build layers that double height and width. Resize-convolution avoids checkerboards (Odena et al. 2016)."""
    if config.upsampling == "transposed":
        return [conv_transpose(config.norm, in_channels, out_channels, 3, 2, 1, 1)]
    if config.upsampling == "bilinear":
        return [BilinearUpsample2x(), conv(config.norm, in_channels, out_channels, 3, 1, 1)]
    return [nn.Upsample(scale_factor=2), ReflectionPad2d(1), conv(config.norm, in_channels, out_channels, 3)]
