"""How different two pictures look, by the layers of a network that was trained to recognise things."""

import os
import re
import warnings
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from i2i.errors import BundleError, ConfigError
from i2i.weights import find_weights, load_weights

WEIGHTS = "lpips-alexnet-v0.1.safetensors"
SMALLEST = 31  # pixels a side that leave AlexNet's last layers one place


class Perceptual(nn.Module):
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018, eq. 1), frozen; its weights are in no state and move nobody.

    Takes pictures and the pictures they are to look like, (N, 3, H, W) in [-1, 1], H and W at least SMALLEST. Returns
    the mean distance, a scalar in float32; no gradient flows into the latter. Raises BundleError where the weights can
    be neither found nor downloaded.
    """

    def __init__(self) -> None:
        super().__init__()
        path = find_weights(WEIGHTS)
        self.network = _downloaded() if path is None else _from_file(path)
        _freeze(self.network)

    def train(self, mode: bool = True) -> "Perceptual":
        """Stays in evaluation: the heads have dropout."""
        return super().train(False)

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            with torch.no_grad():
                expected = self._features(truth)
            terms = [
                head((found - wanted).square()).mean()
                for head, found, wanted in zip(self.network.lins, self._features(pictures), expected, strict=True)
            ]
            return reduce(torch.add, terms)

    def _features(self, pictures: Tensor) -> list[Tensor]:
        """Each layer's activations, every place at unit length."""
        scaled = self.network.scaling_layer(pictures if pictures.dtype == torch.float64 else pictures.float())
        # 1e-20 where the library adds 1e-10 to the root: the same, but for a finite slope where all activations are 0.
        return [x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt() for x in self.network.net(scaled)]


def check_perceptual(weight: float, size: int) -> None:
    """Raise ConfigError where pictures of ``size`` pixels a side are too small for a perceptual loss of ``weight``."""
    if weight and size < SMALLEST:
        raise ConfigError(
            f"The perceptual loss needs pictures of at least {SMALLEST} px; size is {size}. Use a larger --size, or "
            "--weight-perceptual 0."
        )


def _library(**options: Any) -> Any:
    import lpips  # with torchvision: a second or two, only for those who ask for it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, on how the library asks for AlexNet
        return lpips.LPIPS(net="alex", verbose=False, **options)


def _from_file(path: Path) -> Any:
    """LPIPS with the tensors of a file: "features.…" as torchvision's AlexNet names them, and "lin0.…" to "lin4.…"."""
    with torch.device("meta"):
        network = _library(pretrained=False, pnet_rand=True)
    tensors = load_weights(path)
    held = {name: value for name, value in network.state_dict().items() if not value.is_meta}
    for name in network.state_dict().keys() - held:
        # The library has "net.slice2.3.weight" for "features.3.weight", and "lins.0.…" beside "lin0.…".
        source = re.sub(r"^lins\.(\d)", r"lin\1", re.sub(r"^net\.slice\d", "features", name))
        if source not in tensors:
            raise BundleError(f"{path} has no tensor {source!r}. It is not {WEIGHTS} of LPIPS v0.1.")
        held[name] = tensors[source]
    try:
        network.load_state_dict(held, assign=True)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit LPIPS v0.1 with AlexNet: {error}.") from error
    return network


def _downloaded() -> Any:
    try:
        with torch.random.fork_rng(devices=[]):  # AlexNet is drawn before it is loaded
            return _library()
    except (OSError, RuntimeError) as error:
        raise BundleError(
            f"The perceptual loss needs the weights of LPIPS with AlexNet. {WEIGHTS} is in no folder of $I2I_WEIGHTS "
            f"({os.environ.get('I2I_WEIGHTS') or 'not set'}), and AlexNet could not be downloaded ({error}). Set "
            "I2I_WEIGHTS to the folder that holds the file, or use --weight-perceptual 0."
        ) from error


def _freeze(network: nn.Module) -> None:
    """Make all weights buffers that are in no state: they go where the network goes, and no optimiser finds them."""
    for module in network.modules():
        held = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, value in held:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
