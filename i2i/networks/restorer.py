"""The restoration network: a U-Net of plain residual blocks whose first level has half the image's resolution.

After DRUNet (Zhang et al. 2021, section 3.1), with its norm-free residual blocks, 2×2 convolutions down and up and
skips that are added, and FFDNet (Zhang et al. 2018, section 3.2), whose first step moves 2×2 pixels into channels.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init

from i2i.config import Config, option, require
from i2i.networks.channel_counts import require_equal_channels
from i2i.networks.checkpointing import CheckpointedSequential
from i2i.networks.layers import run_in_float32
from i2i.networks.output_heads import Conditioning, Prediction, compose_output
from i2i.networks.weight_gradient import Conv2d


@dataclass(frozen=True, kw_only=True)
class RestorerConfig(Config):
    """Config of ``Restorer``."""

    network: Literal["restorer"] = option("restorer", "architecture")
    width: int = option(
        32, "channels of the restorer's first level; each further level has twice as many (compact: of all layers)",
        ge=1, le=512,
    )  # fmt: skip
    unshuffle: int = option(
        2, "pixel-unshuffle factor before the restorer's first layer; 1: finer, 4 times the work",
        was="fold", ge=1, le=4,
    )  # fmt: skip
    levels: int = option(3, "resolutions of the restorer, each half of the one above", ge=1, le=6)
    depth: int = option(2, "residual blocks at each level of the restorer's encoder and of its decoder", ge=0, le=32)
    conditioning: Conditioning = option(
        "image", "input of the restorer: the image alone, or with a level or mask [set by --task]",
        was="shows", was_values={"picture": "image"}, flag="restorer-conditioning",
    )  # fmt: skip
    prediction: Prediction = option(
        "residual", "how the restorer's output becomes the result [set by --task]",
        was="answers", was_values={"plain": "direct", "patch": "masked_residual"}, flag="restorer-prediction",
    )  # fmt: skip
    scale: int = option(
        1,
        "size of the restorer's or compact network's result relative to its input [set by --task]",
        flag="restorer-scale",
        ge=1,
        le=4,
    )
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        """Return the number, in pixels, that must divide the height and width of an input."""
        return self.unshuffle * 2 ** (self.levels - 1)

    @property
    def receptive_radius(self) -> int:
        """The distance, in input pixels, beyond which no input pixel changes a pixel of the result."""
        cells = [self.unshuffle * 2**level for level in range(self.levels)]  # input pixels a side of a cell, by level
        blocks = [2 * self.depth * cell for cell in cells]  # two convolutions in each block, each adds one cell
        convolutions = sum(blocks) + sum(blocks[:-1]) + 2 * cells[0]  # encoder, decoder, head and tail
        upscaling = 2 if self.scale > 1 else 0  # bicubic
        return convolutions + sum(cells) + upscaling  # cells begin at multiples of their size

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Restorer":
        """Build the network. Raises ConfigError where it cannot be trained on results of ``size`` pixels a side.

        Args:
            size: pixels a side.
            in_channels: of the image, without a level or a mask.
            out_channels: of the result.
        """
        multiple = self.scale * self.size_multiple(size)
        require(size % multiple == 0, "size", size, f"a multiple of {multiple}, for this restorer")
        if self.conditioning != "image" or self.prediction in ("masked_residual", "chroma"):
            require(
                (in_channels, out_channels) == (3, 3), "channels", (in_channels, out_channels), "3 and 3, for a task"
            )
        if self.prediction == "residual":
            require_equal_channels("--restorer-prediction residual", in_channels, out_channels)
        return Restorer(self, in_channels, out_channels)


class Restorer(nn.Module):
    """Restore an image.

    Takes (N, in_channels, H, W) in [-1, 1], one more with a level or a mask; H and W multiples of ``size_multiple``.
    Returns the restored image, (N, out_channels, scale·H, scale·W).
    """

    def __init__(self, config: RestorerConfig, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.levels)]
        channels = in_channels + (config.conditioning != "image")
        self.head = nn.Conv2d(channels * config.unshuffle**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(above, below, 2, 2) for above, below in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, 2) for above, below in pairwise(widths))
        self.encoder = nn.ModuleList(_blocks(width, config.depth) for width in widths)
        self.decoder = nn.ModuleList(_blocks(width, config.depth) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], out_channels * (config.unshuffle * config.scale) ** 2, 3, padding=1)
        _initialize(self)

    def forward(self, network_input: Tensor) -> Tensor:
        x = self.head(F.pixel_unshuffle(network_input, self.config.unshuffle))
        skips = []
        for level, blocks in enumerate(self.encoder):
            x = blocks(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](self.up[level](x) + skips[level])
        output = F.pixel_shuffle(run_in_float32(self.tail, x), self.config.unshuffle * self.config.scale)
        return compose_output(self.config.prediction, network_input, output, self.config.scale)


class _Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.second = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


def _blocks(width: int, count: int) -> CheckpointedSequential:
    return CheckpointedSequential(*(_Block(width) for _ in range(count)))


def _initialize(network: Restorer) -> None:
    """Draw weights that preserve the variance (He et al. 2015); residual branches and output start near 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            init.kaiming_normal_(module.weight, nonlinearity="linear")
            init.zeros_(module.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, _Block):
                module.first.weight *= 2**0.5
                module.second.weight *= 0.1
        network.tail.weight *= 0.1
