"""Inception v3 of 2015-12-05, the network of FID and KID, with the weights of a local file if there is one."""

import io
import os
from typing import Any

import torch
from torch import nn

from i2i.device import is_out_of_memory
from i2i.errors import ModelFileError
from i2i.pretrained import find_weights, load_weights

WEIGHT_FILES = (  # the preferred file first
    "inception-v3-2015-12-05.safetensors",
    "inception-v3-2015-12-05.fp16.safetensors",
)
NUM_FEATURES = 2048  # of each image, from the last pooling layer
NUM_LOGITS = 1008


def load_inception() -> nn.Module:
    """Load torch-fidelity's network. Raises ModelFileError if its weights do not fit, or cannot be found."""
    path = next((path for name in WEIGHT_FILES if (path := find_weights(name))), None)
    if path is None:
        return _build_pretrained()
    tensors = load_weights(path)
    layers = ["2048", "logits_unbiased"] if "fc.weight" in tensors else ["2048"]
    if len(layers) == 1:  # the library requires these tensors, although it computes nothing from them here
        tensors |= {"fc.weight": torch.zeros(NUM_LOGITS, NUM_FEATURES), "fc.bias": torch.zeros(NUM_LOGITS)}
    # The library unpickles its weights, which runs code from an untrusted file. This buffer holds tensors that were
    # read from safetensors.
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    buffer.seek(0)
    try:
        return _build(layers, buffer)
    except RuntimeError as error:
        if is_out_of_memory(error):  # the file is right
            raise
        raise ModelFileError(
            f"{path} does not fit Inception v3: its tensors differ from those of torch-fidelity ({error}). "
            "Replace or remove the file."
        ) from error


def _build(layers: list[str], weights: Any = None) -> nn.Module:
    from torch_fidelity import FeatureExtractorInceptionV3  # takes a second or two to import

    with torch.random.fork_rng(devices=[]):  # the library initialises at random before it loads the weights
        return FeatureExtractorInceptionV3("i2i", layers, weights, verbose=False)


def _build_pretrained() -> nn.Module:
    try:
        return _build(["2048", "logits_unbiased"])
    except (OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelFileError(
            f"FID and KID need the weights of their network. {WEIGHT_FILES[1]} is in no folder of $I2I_WEIGHTS "
            f"({os.environ.get('I2I_WEIGHTS') or 'not set'}), and torch-fidelity could not download its own ({error}). "
            "Set I2I_WEIGHTS to the folder that holds the file."
        ) from error
