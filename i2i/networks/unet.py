"""The U-Net generator of Pix2Pix (Isola et al. 2017, appendix 6.1.1; Ronneberger et al. 2015)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.config import option, require
from i2i.errors import ConfigError
from i2i.networks.layers import Init, Norm, conv, conv_transpose, finish, in_float32, needs_bias, norm

SIZES = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, kw_only=True)
class UnetConfig:
    network: Literal["unet"] = option("unet", "architecture")
    ngf: int = option(64, "channels of the generator's first layer")
    norm: Norm = option("batch", "normalisation of the generator")
    dropout: float = option(0.5, "dropout probability in the three innermost decoder blocks")
    inference: Literal["train", "eval"] = option(
        "train", "in use: dropout and batch statistics as in training (the paper, section 3.4), or frozen"
    )
    init: Init = option("normal", "initialisation of the generator")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the generator")

    def __post_init__(self) -> None:
        require(1 <= self.ngf <= 1024, "ngf", self.ngf, "from 1 to 1024")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")

    def multiple(self, size: int) -> int:
        """Pixels of which an input's height and width must be multiples."""
        return size

    def build(self, size: int) -> "Unet":
        """The generator, for pictures of ``size`` pixels a side in training. Raises ConfigError for a bad size."""
        return Unet(self, size)


class Unet(nn.Module):
    """Strided 4×4 convolutions down to 1×1 and back, each decoder level seeing its encoder level.

    Takes (N, 3, H, W) in [-1, 1], H and W multiples of ``size``; returns the same shape and range. The
    depth is log2(``size``): 54,414k parameters at 256 px with batch norm.
    """

    def __init__(self, config: UnetConfig, size: int) -> None:
        super().__init__()
        if size not in SIZES:
            raise ConfigError(f"A U-Net's size must be one of {', '.join(map(str, SIZES))} px; found {size}.")
        depth = size.bit_length() - 1
        channels = [min(8, 2**level) * config.ngf for level in range(depth)]
        bias = needs_bias(config.norm)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()  # outermost first, as down
        for level, out in enumerate(channels):
            outermost, innermost = level == 0, level == depth - 1
            # No norm on the first layer, nor at the 1×1 bottleneck, where it would erase the activations.
            plain = outermost or innermost
            self.down.append(
                nn.Sequential(
                    *([] if outermost else [nn.LeakyReLU(0.2)]),
                    *(
                        [nn.Conv2d(3 if outermost else channels[level - 1], out, 4, 2, 1, bias=bias)]
                        if plain
                        else [conv(config.norm, channels[level - 1], out, 4, 2, 1), norm(config.norm, out)]
                    ),
                )
            )
            below = out if innermost else 2 * out
            if outermost:
                self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(below, 3, 4, 2, 1), nn.Tanh()))
                continue
            drop = config.dropout and level >= depth - 3 and channels[level - 1] == 8 * config.ngf
            self.up.append(
                nn.Sequential(
                    nn.ReLU(),
                    conv_transpose(config.norm, below, channels[level - 1], 4, 2, 1),
                    norm(config.norm, channels[level - 1]),
                    *([nn.Dropout(config.dropout)] if drop else []),
                )
            )
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        skips = []
        x = picture
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        x = self.up[-1](skips.pop())
        for layer in list(self.up)[-2:0:-1]:
            x = layer(torch.cat([skips.pop().to(x.dtype), x], dim=1))
        return in_float32(self.up[0], torch.cat([skips.pop().to(x.dtype), x], dim=1))
