"""The file formats of exported models, and the packages that each needs."""

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any, Literal

from i2i.errors import UsageError, install_command

ExportFormat = Literal["onnx", "openvino", "pt2", "executorch"]
FORMAT_SUFFIXES: dict[ExportFormat, str] = {
    "onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2", "executorch": ".pte",
}  # fmt: skip
READABLE: tuple[ExportFormat, ...] = ("onnx", "openvino", "pt2")
MODEL_KEY = "i2i"  # of the metadata: JSON of ModelInfo, as in a model file
EXPORT_KEY = "i2i.export"  # JSON of the other fields of ExportInfo
INPUT_NAME, OUTPUT_NAME = "image", "result"
_NO_REPORTS = ("ORT_DISABLE_TELEMETRY", "NNCF_CI")  # otherwise these packages report their use to a server
_EXTRAS = {"onnx": "onnx", "onnxscript": "onnx", "onnxruntime": "onnx", "openvino": "openvino", "nncf": "openvino",
           "executorch": "executorch"}  # fmt: skip


def format_of_path(path: str | os.PathLike[str]) -> ExportFormat | None:
    """Return the format that the ending of a file name stands for; None for another ending.

    >>> format_of_path("zebra.onnx")
    'onnx'
    """
    suffix = Path(path).suffix.lower()
    return next((format for format, own in FORMAT_SUFFIXES.items() if own == suffix), None)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def require_package(package: str, purpose: str) -> Any:
    """Import an optional package and return it.

    Args:
        package: name of its module.
        purpose: what needs it, such as "ONNX files".

    Raises: UsageError if it is not installed.
    """
    for variable in _NO_REPORTS:
        os.environ.setdefault(variable, "1")
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = _EXTRAS[package.partition(".")[0]]
        raise UsageError(
            f"{purpose} need the package {package}, which cannot be imported ({error}). Install it by "
            f"{install_command(extra)}."
        ) from error
