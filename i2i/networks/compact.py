"""The compact network: a chain of 3×3 convolutions at the input's resolution, enlarged at the end.

SRVGGNetCompact of Real-ESRGAN (Wang et al. 2021; its model ``realesr-general-x4v3`` has 64 channels and 32
convolutions): names, shapes and arithmetic of its weights, so that programs which run such files run these.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init

from i2i.config import Config, option, require
from i2i.networks.channel_counts import require_equal_channels
from i2i.networks.layers import run_in_float32
from i2i.networks.output_heads import Conditioning, Prediction
from i2i.networks.weight_gradient import Conv2d


@dataclass(frozen=True, kw_only=True)
class CompactConfig(Config):
    """Config of ``Compact``."""

    network: Literal["compact"] = option("compact", "architecture")
    width: int = option(64, "channels of the compact network", ge=1, le=512)
    convolutions: int = option(
        16, "convolutions of the compact network between its first and its last one", ge=0, le=128
    )
    scale: int = option(
        1,
        "size of the compact network's result relative to its input [set by --task]",
        flag="restorer-scale",
        ge=1,
        le=4,
    )
    conditioning: ClassVar[Conditioning] = "image"
    prediction: ClassVar[Prediction] = "residual"
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        """Return 1: inputs of any size are valid."""
        return 1

    @property
    def receptive_radius(self) -> int:
        """The distance, in input pixels, beyond which no input pixel changes a pixel of the result."""
        return self.convolutions + 2

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Compact":
        """Build the network. Raises ConfigError where it cannot be trained on results of ``size`` pixels a side.

        Args:
            size: pixels a side.
            in_channels: of its input.
            out_channels: of its output; equal to ``in_channels``.
        """
        require_equal_channels("--generator compact", in_channels, out_channels)
        require(size % self.scale == 0, "size", size, f"a multiple of {self.scale}, for this compact network")
        return Compact(self, in_channels)


class Compact(nn.Module):
    """Restore or enlarge an image: the output of the last convolution is added to the image.

    Takes (N, channels, H, W) in [-1, 1]. Returns (N, channels, scale·H, scale·W). Inside, as in the published network,
    an image has values from 0 to 1, and it is enlarged by repeating its pixels.
    """

    def __init__(self, config: CompactConfig, channels: int = 3) -> None:
        super().__init__()
        self.config = config
        widths = [channels, *(config.convolutions + 1) * [config.width]]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [Conv2d(inputs, outputs, 3, padding=1), nn.PReLU(outputs)]
        layers.append(nn.Conv2d(config.width, channels * config.scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)
        _initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        image = (image + 1) / 2
        output = run_in_float32(self.body[-1], self.body[:-1](image))
        scale = self.config.scale
        base = F.interpolate(image, scale_factor=scale, mode="nearest") if scale > 1 else image
        return (F.pixel_shuffle(output, scale) + base) * 2 - 1


def _initialize(network: Compact) -> None:
    """Draw weights that preserve the variance through PReLUs of slope 0.25 (He et al. 2015); start near the input."""
    *_, last = convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        init.kaiming_normal_(layer.weight, a=0.25)
        init.zeros_(layer.bias)  # type: ignore[arg-type]
    last.weight.data *= 0.1
