"""Weights of pretrained networks: find, load and identify them."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from i2i.errors import ModelFileError
from i2i.paths import expand_user


def find_weights(name: str) -> Path | None:
    """Return the file ``name`` in the first folder of ``$I2I_WEIGHTS`` (separated as in $PATH) that contains it."""
    folders = filter(None, os.environ.get("I2I_WEIGHTS", "").split(os.pathsep))
    paths = (expand_user(folder) / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a .safetensors file in float32. Raises ModelFileError if it is damaged or not finite."""
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is not a readable safetensors file: {error}.") from error
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise ModelFileError(f"{path}: {bad[0]} holds values that are not finite. The file is damaged.")
    return {name: tensor.float() for name, tensor in tensors.items()}


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights: of their names and float values, whatever file or precision they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        if value.is_floating_point():
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
