"""The residual generator of CycleGAN (Zhu et al. 2017, appendix 7.2; Johnson et al. 2016)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.errors import ConfigError
from i2i.networks.blurpool import Double, Halve
from i2i.networks.cpu_conv import Conv2d
from i2i.networks.layers import Init, Norm, conv, conv_transpose, finish, in_float32, norm

NEAR_ONE = 0.996


@dataclass(frozen=True, kw_only=True)
class ResnetConfig:
    network: Literal["resnet"] = option("resnet", "architecture")
    ngf: int = option(64, "channels of the generator's first layer")
    blocks: int = option(9, "residual blocks; the paper uses 9 at 256 px and above, 6 at 128 px")
    upsampling: Literal["transposed", "resize", "bilinear"] = option(
        "transposed", "transposed convolution (CycleGAN), or convolution after a nearest or bilinear (CUT) resize"
    )
    residual: bool = option(False, "add the answer to the input ahead of tanh: learning begins at the picture itself")
    antialias: bool = option(False, "blur before every subsampling in the generator (CUT)")
    norm: Norm = option("instance", "normalisation of the generator")
    dropout: float = option(0.0, "dropout probability inside each residual block")
    inference: Literal["train", "eval"] = option(
        "eval", "in use: dropout and batch statistics as in training, or frozen"
    )
    init: Init = option("normal", "initialisation of the generator")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the generator")

    def __post_init__(self) -> None:
        require(1 <= self.ngf <= 1024, "ngf", self.ngf, "from 1 to 1024")
        require(0 <= self.blocks <= 64, "blocks", self.blocks, "from 0 to 64")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")

    def multiple(self, size: int) -> int:
        """Pixels of which an input's height and width must be multiples."""
        return 4

    def build(self, size: int) -> "Resnet":
        """The generator, for pictures of ``size`` pixels a side in training. Raises ConfigError for a bad size."""
        if size % 4 or size < 8:
            raise ConfigError(f"A resnet generator needs a size that is a multiple of 4, from 8; found {size}.")
        return Resnet(self)


class Resnet(nn.Module):
    """c7s1-ngf, two strided convolutions, residual blocks, two upsamplings, c7s1-3, tanh.

    Takes (N, 3, H, W) in [-1, 1], H and W multiples of 4 and at least 8; returns the same shape and range.
    """

    def __init__(self, config: ResnetConfig) -> None:
        super().__init__()
        n, kind = config.ngf, config.norm
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3), conv(kind, 3, n, 7), norm(kind, n), nn.ReLU(True),
            *downsample(n, 2 * n, config), *downsample(2 * n, 4 * n, config),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(4 * n, config) for _ in range(config.blocks)))
        self.decoder = nn.Sequential(
            *upsample(4 * n, 2 * n, config), norm(kind, 2 * n), nn.ReLU(True),
            *upsample(2 * n, n, config), norm(kind, n), nn.ReLU(True),
        )  # fmt: skip
        last = Conv2d(n, 3, 7)
        self.to_rgb = nn.Sequential(nn.ReflectionPad2d(3), last, *([] if config.residual else [nn.Tanh()]))
        self.residual = config.residual
        finish(self, config.init, config.spectral_norm)
        if config.residual and not config.spectral_norm:
            nn.init.zeros_(last.weight)

    def forward(self, picture: Tensor) -> Tensor:
        return self._decoded(self.blocks(self.encoder(picture)), picture)

    def _decoded(self, x: Tensor, picture: Tensor) -> Tensor:
        answer = in_float32(self.to_rgb, self.decoder(x))
        # NEAR_ONE: tanh is 1 nowhere, and atanh not a number there. White and black are lost by half a grey level.
        return torch.tanh(answer + torch.atanh(NEAR_ONE * picture.to(answer.dtype))) if self.residual else answer

    def widths(self) -> list[int]:
        """The channels after each layer that ``features`` can be asked for."""
        found = [3]
        for layer in (*self.encoder, *self.blocks):
            found.append(layer.out_channels if isinstance(layer, nn.Conv2d) else found[-1])
        return found[1:]

    def features(self, picture: Tensor, layers: Collection[int]) -> list[Tensor]:
        """What stands after each of ``layers``, (N, C, h, w) each, shallow to deep; nothing deeper is computed.

        Layers are counted from 0 through ``encoder`` and ``blocks``; ``widths`` gives the channels of each. The bias of
        a convolution that instance norm will take away is left out.
        """
        return self._encoded(picture, layers, max(layers) + 1)[1]

    def with_features(self, picture: Tensor, layers: Collection[int]) -> tuple[Tensor, list[Tensor]]:
        """The translation of ``picture``, and as ``features``, in one pass."""
        x, features = self._encoded(picture, layers, len(self.encoder) + len(self.blocks))
        return self._decoded(x, picture), features

    def _encoded(self, x: Tensor, layers: Collection[int], end: int) -> tuple[Tensor, list[Tensor]]:
        features: list[Tensor] = []
        for place, layer in enumerate([*self.encoder, *self.blocks][:end]):
            overwrites = isinstance(layer, nn.ReLU) and features and x is features[-1]
            x = F.relu(x) if overwrites else layer(x)
            if place in layers:
                features.append(x)
        return x, features


class ResidualBlock(nn.Module):
    """x + conv-norm-(ReLU-dropout-)conv-norm (x), reflection-padded; no ReLU after the sum."""

    def __init__(self, channels: int, config: ResnetConfig) -> None:
        super().__init__()
        kind = config.norm
        dropout = [nn.Dropout(config.dropout)] if config.dropout else []
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1), conv(kind, channels, channels, 3), norm(kind, channels),
            nn.ReLU(True), *dropout,
            nn.ReflectionPad2d(1), conv(kind, channels, channels, 3), norm(kind, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def downsample(channels: int, out: int, config: ResnetConfig) -> list[nn.Module]:
    """Half the height and width: by a strided convolution, or by blur after one of every pixel (Zhang 2019)."""
    stride, blur = (1, [Halve()]) if config.antialias else (2, [])
    return [conv(config.norm, channels, out, 3, stride, 1), norm(config.norm, out), nn.ReLU(True), *blur]


def upsample(channels: int, out: int, config: ResnetConfig) -> list[nn.Module]:
    """Twice the height and width. Resize-convolution avoids checkerboards (Odena et al. 2016)."""
    if config.upsampling == "transposed":
        return [conv_transpose(config.norm, channels, out, 3, 2, 1, 1)]
    if config.upsampling == "bilinear":
        return [Double(), conv(config.norm, channels, out, 3, 1, 1)]
    return [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), conv(config.norm, channels, out, 3)]
