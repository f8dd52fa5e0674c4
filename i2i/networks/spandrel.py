"""Restoration networks of other programs as networks of i2i."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from i2i.config import Config, option
from i2i.networks.output_heads import Prediction
from i2i.pretrained.spandrel_models import MAX_MULTIPLE, MAX_SCALE, Descriptor, Tiling

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class SpandrelConfig(Config):
    """What i2i knows of a network of another program. It is not trained: the weights alone tell how to build it."""

    network: Literal["spandrel"] = option("spandrel", "architecture")
    architecture: str = option("", "name of the network's architecture")
    scale: int = option(1, "size of the result relative to the input", ge=1, le=MAX_SCALE)
    conditioning: Literal["image", "mask"] = option("image", "input of the network: the image alone, or with a mask")
    in_channels: int = option(3, "channels that the network takes", choices=(1, 3, 4))
    out_channels: int = option(3, "channels that the network returns", choices=(1, 3, 4))
    multiple: int = option(
        16, "tiles begin at multiples of this many pixels, which divides the sides of inputs", ge=1, le=MAX_MULTIPLE
    )
    tiling: Tiling = option("supported", "whether its authors advise for or against tiles, or the network makes them")
    bfloat16: bool = option(False, "whether the network works in bfloat16")

    prediction: ClassVar[Prediction] = "direct"
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        """Return the number, in pixels, that must divide the height and width of an input."""
        return self.multiple


class SpandrelNetwork(nn.Module):
    """Restore an image with a network of another program, which takes and returns values from 0 to 1.

    Takes (N, 3, H, W) in [-1, 1], or 4 channels with a mask. Returns (N, 3, scale·H, scale·W) in [-1, 1].

    A network of one channel runs on red, green and blue one after the other; a network from RGB to one channel returns
    grey. A network of four channels gets an opaque alpha, and the alpha that it returns is left out: i2i enlarges the
    transparency of an image itself.

    Args:
        descriptor: the network.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__()
        self.model = descriptor.model
        self._descriptor = descriptor

    def forward(self, network_input: Tensor) -> Tensor:
        return torch.cat([self._restore(image) for image in network_input.split(1)])

    def _restore(self, network_input: Tensor) -> Tensor:
        image = (network_input[:, :3] + 1) / 2
        inputs, outputs = self._descriptor.input_channels, self._descriptor.output_channels
        if self._descriptor.purpose == "Inpainting":
            output = self._call(image, (network_input[:, 3:] > 0).to(image.dtype))
        elif inputs == 1 and outputs == 1:
            output = torch.cat([self._call(channel) for channel in image.split(1, 1)], 1)
        elif inputs == 1:
            weights = image.new_tensor(_LUMA).reshape(1, 3, 1, 1)
            output = self._call((weights * image).sum(1, keepdim=True))
        elif inputs == 4:
            output = self._call(torch.cat([image, torch.ones_like(image[:, :1])], 1))
        else:
            output = self._call(image)
        rgb = output[:, :3] if output.shape[1] >= 3 else output[:, :1].expand(-1, 3, -1, -1)
        return rgb.float() * 2 - 1

    def _call(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self._descriptor(*inputs)
        return result
