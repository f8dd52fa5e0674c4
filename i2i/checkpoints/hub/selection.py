"""Which file of a repository is its model."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from i2i.checkpoints.hub.address import SUFFIXES, HubAddress
from i2i.errors import ModelFileError

DEFAULT_FILE = "weights.safetensors"  # as `i2i models push` names it
CARD_FILE = "README.md"
_CHOSEN = (".safetensors", ".pth")  # taken without being named, in this order, if there is one of them
_LISTED = 10


def choose_file(address: HubAddress, files: Iterable[str]) -> str:
    """Return the path of the model file in a repository.

    Args:
        address: of the model.
        files: paths in the repository.

    Raises: ModelFileError if there is none, there are several, or the named one is missing.
    """
    models = sorted(file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES)
    listed = ", ".join(map(_printable, models[:_LISTED])) + (" …" if len(models) > _LISTED else "")
    if address.file is not None:
        if address.file in models:
            return address.file
        raise ModelFileError(f"{address}: the repository has no such file. Model files in it: {listed or 'none'}.")
    if DEFAULT_FILE in models:
        return DEFAULT_FILE
    for suffix in _CHOSEN:
        found = [file for file in models if file.lower().endswith(suffix)]
        if len(found) == 1:
            return found[0]
        if found:
            break
    if not models:
        raise ModelFileError(f"{address} has no model file that i2i reads ({', '.join(SUFFIXES)}).")
    raise ModelFileError(f"{address} has several model files: {listed}. Name one of them, as hf://USER/REPO/FILE.")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
