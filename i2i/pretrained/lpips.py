"""LPIPS v0.1 (Zhang et al. 2018) as its library builds it, with the weights of local files if there are any."""

import os
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import torch

from i2i.device import is_out_of_memory
from i2i.errors import ModelFileError
from i2i.pretrained import find_weights, load_weights
from i2i.pretrained.vgg import load_vgg_weights, weights_file

WEIGHTS_FILE = "lpips-alexnet-v0.1.safetensors"
LPIPS_MIN_SIZE = 31  # pixels a side for which AlexNet's last layers have one position


def load_lpips(alternative: str, backbone: Literal["alexnet", "vgg16"] = "alexnet", *, user: str = "LPIPS") -> Any:
    """Load LPIPS v0.1.

    Args:
        alternative: what the user can do without LPIPS; ends the error message.
        backbone: the network whose features are compared. Published values of LPIPS are mostly those of AlexNet.
        user: what needs AlexNet; begins the error message.

    Returns: a module that takes images and references in [-1, 1], (N, 3, H, W) each, and returns (N, 1, 1, 1).

    Raises: ModelFileError if the weights do not fit, or can neither be found nor downloaded.
    """
    if backbone == "vgg16":
        return _build_vgg(alternative)
    path = find_weights(WEIGHTS_FILE)
    return _build_pretrained(alternative, user) if path is None else _load_file(path)


def _build(**options: Any) -> Any:
    import lpips  # with torchvision this takes a second or two

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns about the arguments of the library
        return lpips.LPIPS(verbose=False, **{"net": "alex", **options})


def _build_vgg(alternative: str) -> Any:
    """Build LPIPS with VGG16: torchvision's weights of the convolutions, and the heads that are in the library."""
    with torch.device("meta"):
        network = _build(net="vgg", pretrained=False, pnet_rand=True)
    import lpips

    heads = torch.load(Path(lpips.__file__).parent / "weights/v0.1/vgg.pth", map_location="cpu", weights_only=True)
    convolutions = load_vgg_weights("vgg16", alternative)
    state = {name: value for name, value in network.state_dict().items() if not value.is_meta}
    for name in network.state_dict().keys() - state:
        # The library has "net.slice2.5.weight" for "features.5.weight", and "lins.0.…" beside "lin0.…".
        source = re.sub(r"^lins\.(\d)", r"lin\1", re.sub(r"^net\.slice\d", "features", name))
        tensor = convolutions.get(source, heads.get(source))
        if tensor is None:
            raise ModelFileError(f"{weights_file('vgg16')} has no tensor {source!r}. It is not VGG16.")
        state[name] = tensor
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelFileError(f"{weights_file('vgg16')} does not fit VGG16: {error}.") from error
    return network


def _load_file(path: Path) -> Any:
    """Load LPIPS from a file with torchvision's names of AlexNet, "features.…", and "lin0.…" to "lin4.…"."""
    with torch.device("meta"):
        network = _build(pretrained=False, pnet_rand=True)
    tensors = load_weights(path)
    state = {name: value for name, value in network.state_dict().items() if not value.is_meta}
    for name in network.state_dict().keys() - state:
        # The library has "net.slice2.3.weight" for "features.3.weight", and "lins.0.…" beside "lin0.…".
        source = re.sub(r"^lins\.(\d)", r"lin\1", re.sub(r"^net\.slice\d", "features", name))
        if source not in tensors:
            raise ModelFileError(f"{path} has no tensor {source!r}. It is not {WEIGHTS_FILE} of LPIPS v0.1.")
        state[name] = tensors[source]
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelFileError(f"{path} does not fit LPIPS v0.1 with AlexNet: {error}.") from error
    return network


def _build_pretrained(alternative: str, user: str) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):  # the library initialises AlexNet at random before it loads the weights
            return _build()
    except (OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelFileError(
            f"{user} needs the weights of AlexNet. {WEIGHTS_FILE} is in no folder of $I2I_WEIGHTS "
            f"({os.environ.get('I2I_WEIGHTS') or 'not set'}), and AlexNet could not be downloaded ({error}). Set "
            f"I2I_WEIGHTS to the folder that holds the file, or {alternative}."
        ) from error
