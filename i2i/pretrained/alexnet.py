"""Frozen features of AlexNet, for discriminators and losses."""

from collections.abc import Collection
from typing import ClassVar

from torch import Tensor, nn

from i2i.pretrained.lpips import LPIPS_MIN_SIZE, load_lpips


class AlexNetFeatures(nn.Module):
    """The activations of AlexNet's five convolutions, with the weights of LPIPS (Zhang et al. 2018).

    Takes images (N, 3, H, W) in [-1, 1], H and W at least ``MIN_SIZE``. Its weights are non-persistent buffers: they
    follow ``to()``, and no optimizer or saved file contains them. Raises ModelFileError if the weights can neither be
    found nor downloaded.
    """

    CHANNELS: ClassVar = (64, 192, 384, 256, 256)
    MIN_SIZE: ClassVar = LPIPS_MIN_SIZE

    def __init__(self) -> None:
        super().__init__()
        library = load_lpips("choose another discriminator: --discriminator patchgan")
        net = library.net
        self.scaling = library.scaling_layer
        self.slices = nn.ModuleList([net.slice1, net.slice2, net.slice3, net.slice4, net.slice5])
        freeze(self)

    def train(self, mode: bool = True) -> "AlexNetFeatures":
        """Keep evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Collection[int]) -> list[Tensor]:
        """Return the activations after convolution and ReLU of ``layers``, counted from 1: (N, C, h, w) each."""
        x = self.scaling(images)
        features = []
        for number, part in enumerate(self.slices[: max(layers)], start=1):
            x = part(x)
            if number in layers:
                features.append(x)
        return features


def freeze(network: nn.Module) -> None:
    """Turn all weights into non-persistent buffers: they follow ``to()``, and no optimizer or saved file has them."""
    for module in network.modules():
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in tensors:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
