"""The U-Net generator of Pix2Pix (Isola et al. 2017, appendix 6.1.1; Ronneberger et al. 2015)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.config import Config, option
from i2i.errors import SettingError
from i2i.networks.batching import Dropout
from i2i.networks.channel_counts import require_equal_channels
from i2i.networks.checkpointing import CheckpointedSequential
from i2i.networks.layers import Init, Norm, conv, conv_transpose, init_and_constrain, norm, run_in_float32, uses_bias
from i2i.networks.texture_mask import TEXTURE_MASK_HELP, keep_untextured
from i2i.networks.weight_gradient import Conv2d

SIZES = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, kw_only=True)
class UnetConfig(Config):
    """Config of ``Unet``."""

    network: Literal["unet"] = option("unet", "architecture")
    ngf: int = option(64, "channels of the generator's first layer", ge=1, le=1024)
    norm: Norm = option("batch", "normalisation of the generator")
    dropout: float = option(0.5, "dropout probability in the decoder blocks of --dropout-blocks", ge=0, lt=1)
    dropout_blocks: Literal["innermost", "reference"] = option(
        "innermost",
        "decoder blocks with dropout: the three innermost ones (Isola et al.), or those of the reference "
        "implementation, which has none in the innermost block, but in all further ones of 8·ngf channels",
    )
    inference_mode: Literal["train", "eval"] = option(
        "train", "at inference: dropout and batch statistics as in training (Isola et al., section 3.4), or frozen",
        was="inference",
    )  # fmt: skip
    texture_mask: bool = option(False, TEXTURE_MASK_HELP)
    weight_init: Init = option("normal", "initialisation of the generator", was="init")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the generator")

    def size_multiple(self, size: int) -> int:
        """Return the number, in pixels, that must divide the height and width of an input."""
        return size

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Unet":
        """Build the generator, trained on images of ``size`` pixels a side. Raises ConfigError for a bad size.

        Args:
            size: pixels a side.
            in_channels: of its input.
            out_channels: of its output.
        """
        if self.texture_mask:
            require_equal_channels("--texture-mask", in_channels, out_channels)
        return Unet(self, size, in_channels, out_channels)


class Unet(nn.Module):
    """Strided 4×4 convolutions down to 1×1 and back, with a skip connection at every level.

    Takes (N, in_channels, H, W) in [-1, 1], H and W multiples of ``size``; returns (N, out_channels, H, W) in the same
    range. The depth is log2(``size``): 54,414k parameters at 256 px with batch norm.
    """

    def __init__(self, config: UnetConfig, size: int, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        if size not in SIZES:
            raise SettingError(f"{{size}} is {size}; a U-Net takes one of {', '.join(map(str, SIZES))} px.", "size")
        self.texture_mask = config.texture_mask
        depth = size.bit_length() - 1
        channels = [min(8, 2**level) * config.ngf for level in range(depth)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()  # outermost first, as down
        for level in range(depth):
            self.down.append(_down_block(config, channels, level, in_channels))
            self.up.append(_up_block(config, channels, level, out_channels))
        init_and_constrain(self, config.weight_init, config.spectral_norm)

    def forward(self, image: Tensor) -> Tensor:
        skips = []
        x = image
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.up[-1](skips.pop())
        for block in list(self.up)[-2:0:-1]:
            x = block(torch.cat([skips.pop().to(x.dtype), x], dim=1))
        output = run_in_float32(self.up[0], torch.cat([skips.pop().to(x.dtype), x], dim=1))
        return keep_untextured(output, image) if self.texture_mask else output


def _down_block(config: UnetConfig, channels: list[int], level: int, image_channels: int) -> CheckpointedSequential:
    """Build the encoder block of a level; 0 is the outermost."""
    outermost = level == 0
    innermost = level == len(channels) - 1
    in_channels = image_channels if outermost else channels[level - 1]
    layers: list[nn.Module] = [] if outermost else [nn.LeakyReLU(0.2)]
    if outermost or innermost:
        # The first layer has no norm, nor the 1×1 bottleneck, where a norm would erase the activations.
        layers.append(Conv2d(in_channels, channels[level], 4, 2, 1, bias=uses_bias(config.norm)))
    else:
        layers += [conv(config.norm, in_channels, channels[level], 4, 2, 1), norm(config.norm, channels[level])]
    return CheckpointedSequential(*layers)


def _up_block(config: UnetConfig, channels: list[int], level: int, image_channels: int) -> CheckpointedSequential:
    """Build the decoder block of a level; 0 is the outermost, which returns the image."""
    innermost = level == len(channels) - 1
    in_channels = channels[level] if innermost else 2 * channels[level]  # with the skip connection
    if level == 0:
        return CheckpointedSequential(nn.ReLU(), nn.ConvTranspose2d(in_channels, image_channels, 4, 2, 1), nn.Tanh())
    out_channels = channels[level - 1]
    layers: list[nn.Module] = [
        nn.ReLU(), conv_transpose(config.norm, in_channels, out_channels, 4, 2, 1), norm(config.norm, out_channels)
    ]  # fmt: skip
    if config.dropout and _has_dropout(config, len(channels), level) and out_channels == 8 * config.ngf:
        layers.append(Dropout(config.dropout))
    return CheckpointedSequential(*layers)


def _has_dropout(config: UnetConfig, depth: int, level: int) -> bool:
    """Return whether the decoder block of a level is one of ``config.dropout_blocks``."""
    return level >= depth - 3 if config.dropout_blocks == "innermost" else 4 <= level < depth - 1
