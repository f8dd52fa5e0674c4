"""Frozen features of AlexNet, for discriminators and losses."""

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from i2i.errors import ModelFileError
from i2i.pretrained import find_weights, load_weights
from i2i.pretrained.lpips import LPIPS_MIN_SIZE, WEIGHTS_FILE, load_lpips

_SLICE_ENDS = (2, 5, 8, 10, 12)  # in torchvision's list of layers: after the ReLU of each convolution
_SHIFT = (-0.030, -0.088, -0.188)  # mean and standard deviation of RGB in [-1, 1], as LPIPS has them
_SCALE = (0.458, 0.448, 0.450)


class AlexNetFeatures(nn.Module):
    """The activations of AlexNet's five convolutions, with the weights of LPIPS (Zhang et al. 2018).

    Takes images (N, 3, H, W) in [-1, 1], H and W at least ``MIN_SIZE``. Its weights are non-persistent buffers: they
    follow ``to()``, and no optimizer or saved file contains them. With a local weights file the package ``lpips`` is
    not needed. Raises ModelFileError if the weights can neither be found nor downloaded.
    """

    CHANNELS: ClassVar = (64, 192, 384, 256, 256)
    MIN_SIZE: ClassVar = LPIPS_MIN_SIZE

    def __init__(self) -> None:
        super().__init__()
        path = find_weights(WEIGHTS_FILE)
        if path is not None:
            self.scaling: nn.Module = _Scaling()
            self.slices = nn.ModuleList(_load_slices(path))
        else:
            library = load_lpips(
                "choose another discriminator: --discriminator patchgan", user="The projected discriminator"
            )
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


class _Scaling(nn.Module):
    """Normalise images (N, 3, H, W) in [-1, 1] as LPIPS does."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(_SHIFT)[None, :, None, None])
        self.register_buffer("scale", torch.tensor(_SCALE)[None, :, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.shift) / self.scale


def _load_slices(path: Path) -> list[nn.Sequential]:
    """Build the layers up to the last convolution, with the weights "features.…" of a file of LPIPS.

    Raises:
        ModelFileError: the weights do not fit.
    """
    from torchvision.models import alexnet

    with torch.device("meta"):
        layers = alexnet(weights=None).features[: _SLICE_ENDS[-1]]
    tensors = load_weights(path)
    weights = {name: tensors.get(f"features.{name}") for name in layers.state_dict()}
    if missing := [name for name, value in weights.items() if value is None]:
        raise ModelFileError(f"{path} has no tensor 'features.{missing[0]}'. It is not {WEIGHTS_FILE} of LPIPS v0.1.")
    try:
        layers.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ModelFileError(f"{path} does not fit AlexNet: {error}.") from error
    starts = (0, *_SLICE_ENDS)
    return [layers[start:end] for start, end in zip(starts, _SLICE_ENDS, strict=False)]


def freeze(network: nn.Module) -> None:
    """Turn all weights into non-persistent buffers: they follow ``to()``, and no optimizer or saved file has them."""
    for module in network.modules():
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in tensors:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
