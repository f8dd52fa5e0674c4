"""Frozen features of AlexNet as a module: what discriminators and losses look at images with."""

from collections.abc import Collection
from typing import ClassVar

from torch import Tensor, nn

from i2i.pretrained.lpips import SMALLEST, lpips_network


class AlexNetFeatures(nn.Module):
    """The activations of AlexNet's five convolutions, with the weights that LPIPS comes with (Zhang et al. 2018).

    Takes images (N, 3, H, W) in [-1, 1], H and W at least ``MIN_SIZE``. Its weights are buffers that are in no state:
    they follow ``to()``, and no optimizer or saved file has them. Raises BundleError where the weights can be neither
    found nor downloaded.
    """

    CHANNELS: ClassVar = (64, 192, 384, 256, 256)
    MIN_SIZE: ClassVar = SMALLEST

    def __init__(self) -> None:
        super().__init__()
        library = lpips_network("choose another discriminator: --discriminator patchgan")
        net = library.net
        self.scaling = library.scaling_layer
        self.slices = nn.ModuleList([net.slice1, net.slice2, net.slice3, net.slice4, net.slice5])
        freeze(self)

    def train(self, mode: bool = True) -> "AlexNetFeatures":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Collection[int]) -> list[Tensor]:
        """The activations after convolution and ReLU of each of ``layers``, counted from 1: (N, C, h, w) each."""
        x, features = self.scaling(images), []
        for number, part in enumerate(self.slices[: max(layers)], start=1):
            x = part(x)
            if number in layers:
                features.append(x)
        return features


def freeze(network: nn.Module) -> None:
    """Make all weights buffers that are in no state: they go where the network goes, and no optimizer finds them."""
    for module in network.modules():
        held = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in held:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
