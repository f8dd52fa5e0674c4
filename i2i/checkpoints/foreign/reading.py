"""Read the tensors of a model file of another program, within limits. No code of the file is run.

Two containers are read: safetensors, and what ``torch.save`` writes, with ``weights_only=True``.
"""

import re
import reprlib
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.checkpoints.foreign.description import describe_foreign
from i2i.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

MAX_FILE_BYTES = 4 << 30
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 8  # of a tensor
MAX_NAME = 300  # characters of a tensor's name
MAX_PICKLE_BYTES = 64 << 20  # of the part of a PyTorch checkpoint that names its tensors
_OTHER_PARTS = 20  # of a PyTorch checkpoint, beside its tensors
_UNWRAPPED = (  # keys under which programs save the weights, the averaged ones first
    "params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net", "netG", "generator", "G",
    "netG_A", "netG_A2B", "g_ema",
)  # fmt: skip
_MAX_NESTING = 3
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)|[Cc]an(?:not|'t) (?:load|find) (\S+)")


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Return the tensors of a file, by name, on the CPU; floating-point ones in float32.

    Of a checkpoint with several sets of weights, the averaged ones are returned ("params_ema").

    Raises:
        ModelFileError: the file cannot be read, exceeds a limit, holds other objects than tensors, or is TorchScript.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelFileError(f"{path} has {size / 1e9:.1f} GB; model files of other programs may have 4.3 GB.")
    content = _read_safetensors(path) if _is_safetensors(path) else _read_checkpoint(path)
    found = _find_weights(path, content)
    return {name: _checked(path, name, tensor) for name, tensor in found.items()}


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= MAX_FILE_BYTES


def _read_safetensors(path: Path) -> "dict[str, Tensor]":
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = list(file.keys())
            _check_count(path, len(names))
            for name in names:
                _check_name(path, name, len(file.get_slice(name).get_shape()))
            return {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path} is no readable safetensors file: {_first_line(error)}.") from error


def _read_checkpoint(path: Path) -> Any:
    """Return what ``torch.save`` wrote: numbers, texts, tensors, and lists and dicts of them."""
    import torch

    what = describe_foreign(path)
    if not what.startswith("a PyTorch checkpoint"):
        raise ModelFileError(f"{path} is {what or 'no model file that i2i knows'}. {_READABLE}")
    if zipfile.is_zipfile(path):
        _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says about odd files is said in the error below
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can fail in many ways
        found = _GLOBAL.search(str(error))
        if (found is not None and "weights_only" in str(error).lower()) or "Unsupported global" in str(error):
            name = next(filter(None, found.groups()), "") if found is not None else ""
            raise ModelFileError(
                f"{path} holds other Python objects than tensors ({name or 'unknown'}), which could run code: i2i does "
                "not load them. Ask for the weights alone, as a state dict or as .safetensors."
            ) from error
        raise ModelFileError(f"{path} is a damaged PyTorch checkpoint: {_first_line(error)}.") from error


_READABLE = (
    "i2i reads its own .safetensors files and, of other programs, weights in .safetensors and PyTorch files "
    "(.pth, .ckpt, .pt, .bin)."
)


def _check_zip(path: Path) -> None:
    """Raise ModelFileError unless the parts of a zip archive are stored as ``torch.save`` does: uncompressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ModelFileError(f"{path} is a damaged PyTorch checkpoint: {_first_line(error)}.") from error
    _check_count(path, max(1, len(parts) - _OTHER_PARTS))
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise ModelFileError(f"{path} is a compressed zip archive. PyTorch writes no such files, so i2i reads none.")
    if sum(part.file_size for part in parts) > path.stat().st_size:
        raise ModelFileError(f"{path} is a damaged PyTorch checkpoint: its parts claim more bytes than it has.")
    if any(part.filename.endswith(".pkl") and part.file_size > MAX_PICKLE_BYTES for part in parts):
        raise ModelFileError(f"{path} is a damaged PyTorch checkpoint: its table of contents is too large.")


def _find_weights(path: Path, content: Any) -> "dict[str, Tensor]":
    """Return the tensors of a checkpoint by name. They may be in a table in it."""
    import torch

    for _ in range(_MAX_NESTING):
        if not isinstance(content, Mapping):
            break
        if tensors := {name: x for name, x in content.items() if isinstance(name, str) and isinstance(x, torch.Tensor)}:
            _check_count(path, len(tensors))
            return tensors
        tables = {name: value for name, value in content.items() if isinstance(value, Mapping) and value}
        known = next((name for name in _UNWRAPPED if name in tables), None)
        if known is None and len(tables) != 1:
            names = ", ".join(reprlib.repr(name) for name in list(content)[:6]) or "nothing"
            raise ModelFileError(f"{path} holds no table of weights that i2i knows; it holds {names}.")
        content = tables[known] if known is not None else next(iter(tables.values()))
    raise ModelFileError(f"{path} holds {reprlib.repr(type(content).__name__)} and no tensors by name. {_READABLE}")


def _checked(path: Path, name: str, tensor: "Tensor") -> "Tensor":
    """Return a tensor with its own memory, floating-point values in float32."""
    import torch

    _check_name(path, name, tensor.dim())
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not is_plain or tensor.is_complex():
        raise ModelFileError(f"{path}: {reprlib.repr(name)} is no plain tensor of real numbers.")
    tensor = tensor.detach()
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ModelFileError(
            f"{path}: {reprlib.repr(name)} claims the shape {tuple(tensor.shape)}; the file has fewer values."
        )
    if not tensor.is_floating_point():
        return tensor.contiguous().clone()
    tensor = tensor.to(torch.float32, copy=True).contiguous()
    if not tensor.isfinite().all():
        raise ModelFileError(f"{path}: {reprlib.repr(name)} holds values that are not finite. The file is damaged.")
    return tensor


def _check_count(path: Path, count: int) -> None:
    if not 0 < count <= MAX_TENSORS:
        raise ModelFileError(f"{path} holds {count} tensors; a model may have 1 to {MAX_TENSORS}.")


def _check_name(path: Path, name: str, dimensions: int) -> None:
    if len(name) > MAX_NAME or not name.isprintable():
        raise ModelFileError(f"{path} has a tensor with an unusable name: {reprlib.repr(name)}.")
    if dimensions > MAX_DIMENSIONS:
        raise ModelFileError(f"{path}: {reprlib.repr(name)} has {dimensions} dimensions, more than {MAX_DIMENSIONS}.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
