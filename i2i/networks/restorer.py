"""The restoration network: a U-Net of plain residual blocks that begins at a half of the picture's resolution.

After DRUNet (Zhang et al. 2021, section 3.1), with its norm-free residual blocks, 2×2 convolutions down and up and
skips that are added, and FFDNet (Zhang et al. 2018, section 3.2), whose first step is to fold 2×2 pixels into channels.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init

from i2i.config import option, require
from i2i.networks.layers import in_float32
from i2i.networks.output_heads import Answers, Shows, composed


@dataclass(frozen=True, kw_only=True)
class RestorerConfig:
    network: Literal["restorer"] = option("restorer", "architecture")
    width: int = option(32, "channels of the restorer at its first resolution; twice as many at each one below")
    fold: int = option(2, "pixels a side that the restorer first folds into channels; 1: finer, 4 times the work")
    levels: int = option(3, "resolutions of the restorer, each half of the one above")
    depth: int = option(2, "residual blocks at each level of the restorer, on the way down and on the way up")
    shows: Shows = option("picture", "what the restorer is given: the picture, and level or mask [set by --task]")
    answers: Answers = option("residual", "how the restorer's answer becomes the result [set by --task]")
    scale: int = option(1, "how much larger the restorer's result is than its input [set by --task]", flag="enlarge")
    inference: ClassVar = "eval"

    def __post_init__(self) -> None:
        require(1 <= self.width <= 512, "width", self.width, "from 1 to 512")
        require(1 <= self.fold <= 4, "fold", self.fold, "from 1 to 4")
        require(1 <= self.levels <= 6, "levels", self.levels, "from 1 to 6")
        require(0 <= self.depth <= 32, "depth", self.depth, "from 0 to 32")
        require(1 <= self.scale <= 4, "scale", self.scale, "from 1 to 4")

    def multiple(self, size: int) -> int:
        """Pixels of which an input's height and width must be multiples."""
        return self.fold * 2 ** (self.levels - 1)

    @property
    def reach(self) -> int:
        """Pixels of the input beyond which nothing changes a pixel of the result."""
        cells = [self.fold * 2**level for level in range(self.levels)]  # pixels a side of a map's, at each level
        blocks = [2 * self.depth * cell for cell in cells]  # of two convolutions, each of which sees a cell farther
        there_and_back = sum(blocks) + sum(blocks[:-1]) + 2 * cells[0]  # with head and tail
        enlarged = 2 if self.scale > 1 else 0  # bicubic
        return there_and_back + sum(cells) + enlarged  # cells begin at multiples of their size

    def build(self, size: int) -> "Restorer":
        """The network. Raises ConfigError where results of ``size`` pixels a side cannot be learnt from."""
        whole = self.scale * self.multiple(size)
        require(size % whole == 0, "size", size, f"a multiple of {whole}, for this restorer")
        return Restorer(self)


class Restorer(nn.Module):
    """Takes (N, 3, H, W) in [-1, 1], or 4 channels with a level or a mask; H and W multiples of ``multiple``.

    Returns the restored picture, (N, 3, scale·H, scale·W).
    """

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.levels)]
        channels = 3 if config.shows == "picture" else 4
        self.head = nn.Conv2d(channels * config.fold**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths))
        self.encoder = nn.ModuleList(_blocks(width, config.depth) for width in widths)
        self.decoder = nn.ModuleList(_blocks(width, config.depth) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], 3 * (config.fold * config.scale) ** 2, 3, padding=1)
        _draw(self)

    def forward(self, given: Tensor) -> Tensor:
        x, skips = self.head(F.pixel_unshuffle(given, self.config.fold)), []
        for level, blocks in enumerate(self.encoder):
            x = blocks(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](self.up[level](x) + skips[level])
        answer = F.pixel_shuffle(in_float32(self.tail, x), self.config.fold * self.config.scale)
        return composed(self.config.answers, given, answer, self.config.scale)


class _Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(count)))


def _draw(network: Restorer) -> None:
    """Weights that keep the variance on its way (He et al. 2015), with branches and answer that begin near 0."""
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
