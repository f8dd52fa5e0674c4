"""LPIPS as its library builds it (Zhang et al. 2018), with the weights of a local file where there is one."""

import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from i2i.errors import BundleError
from i2i.pretrained import find_weights, load_weights

WEIGHTS = "lpips-alexnet-v0.1.safetensors"
SMALLEST = 31  # pixels a side that leave AlexNet's last layers one place


def lpips_network(otherwise: str) -> Any:
    """LPIPS v0.1 with AlexNet: takes pictures in [-1, 1] and others, (N, 3, H, W), and gives (N, 1, 1, 1).

    otherwise: what to do without it, for the message. Raises BundleError where the weights can be neither found nor
    downloaded, or do not fit.
    """
    path = find_weights(WEIGHTS)
    return _downloaded(otherwise) if path is None else _from_file(path)


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


def _downloaded(otherwise: str) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):  # AlexNet is drawn before it is loaded
            return _library()
    except (OSError, RuntimeError) as error:
        raise BundleError(
            f"LPIPS needs the weights of its AlexNet. {WEIGHTS} is in no folder of $I2I_WEIGHTS "
            f"({os.environ.get('I2I_WEIGHTS') or 'not set'}), and AlexNet could not be downloaded ({error}). Set "
            f"I2I_WEIGHTS to the folder that holds the file, or {otherwise}."
        ) from error
