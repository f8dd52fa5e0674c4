"""The header of a model file: open the file, and read the metadata in it."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors

from i2i.checkpoints.foreign import describe_foreign
from i2i.checkpoints.model_info import FORMAT, ModelInfo
from i2i.checkpoints.run import STATE_NAMES, Run
from i2i.checkpoints.upgrade import add_later_fields, upgrade_metadata
from i2i.errors import ModelFileError
from i2i.json_parsing import JsonError, parse_json_table

METADATA_KEY = "i2i"


def is_foreign(path: Path) -> bool:
    """Return whether a file holds weights that another program wrote: a PyTorch checkpoint, or other safetensors."""
    if not path.is_file() or _is_training_state(path):
        return False
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return METADATA_KEY not in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        pass
    try:
        return describe_foreign(path).startswith("a PyTorch checkpoint")
    except OSError:
        return False


def open_model_file(path: Path, framework: str = "pt") -> Any:
    """Open a safetensors file; as a context, it yields what ``safetensors.safe_open`` returns.

    Raises: ModelFileError if it is missing or another file; the message says which.
    """
    if not path.is_file():
        raise ModelFileError(f"{path} does not exist. `i2i models list` lists the models.")
    try:
        return safetensors.safe_open(path, framework=framework)
    except (safetensors.SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    """Return the error for a file that is not a safetensors file, with what it is instead."""
    if _is_training_state(path):
        return ModelFileError(f"{path} is the state of a training, for --resume. The model is the run: {path.parent}.")
    try:
        foreign = describe_foreign(path)
    except OSError:
        foreign = ""
    if not foreign and Run(path.parent).exists() and path.suffix != ".safetensors":
        return ModelFileError(f"{path} is no model file. The model is the run: {path.parent}.")
    if not foreign:
        return ModelFileError(f"{path} is not a readable safetensors file: {error}.")
    if path.suffix.lower() in (".onnx", ".xml", ".pt2"):
        return ModelFileError(f"{path} is a file for another runtime: `i2i convert` and `i2i evaluate` take it.")
    if foreign.startswith("a PyTorch checkpoint"):
        return ModelFileError(f"{path} is {foreign}. `i2i models import {path} --name NAME` makes a model of it.")
    return ModelFileError(
        f"{path} is {foreign}. i2i reads its own model files and, of other programs, weights in .pth and .safetensors "
        "files. It runs no code of files."
    )


def _is_training_state(path: Path) -> bool:
    return path.name in STATE_NAMES and Run(path.parent).exists()


def parse_info(path: Path, header: Mapping[str, str] | None) -> ModelInfo:
    """Return the checked metadata of a model file of any format up to FORMAT.

    Args:
        path: of the model file, for messages.
        header: the strings in the header of the safetensors file; None if it has none.

    Raises:
        ModelFileError: the metadata are damaged, of another program, or of a later format.
    """
    try:
        metadata = parse_json_table((header or {})[METADATA_KEY])
        version = metadata["format"]
        if version == 1:
            metadata = upgrade_metadata(metadata)
        metadata = add_later_fields(metadata)
    except JsonError as error:
        raise ModelFileError(f"{path} is no usable model file: its metadata {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} is a safetensors file that was not written by i2i: its header has no i2i metadata. "
            f"`i2i models import {path} --name NAME` makes a model of it, if its network is known."
        ) from error
    if version not in (1, FORMAT):
        raise ModelFileError(
            f"{path} has model file format {reprlib.repr(version)}; this i2i reads formats 1 to {FORMAT}. Update i2i."
        )
    return ModelInfo.from_metadata(metadata, str(path))
