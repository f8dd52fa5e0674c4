"""The user's cache of engine files: exported models, and which engine is the fastest for each."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from i2i._version import __version__
from i2i.checkpoints.model_file import name_for_files
from i2i.engines.cache_folder import cache_folder
from i2i.engines.export import ExportOptions, export_model
from i2i.engines.formats import FORMAT_SUFFIXES, ExportFormat, is_installed
from i2i.engines.sessions import EngineName
from i2i.images import write_atomic
from i2i.json_parsing import JsonError, parse_json_table

ENGINE_FORMATS: dict[EngineName, ExportFormat] = {"onnxruntime": "onnx", "openvino": "openvino"}
_PACKAGES = {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}
_MEASUREMENTS = "measurements.json"


def installed_engines() -> list[EngineName]:
    """Return the engines whose packages are installed."""
    return [engine for engine in ENGINE_FORMATS if all(map(is_installed, _PACKAGES[engine]))]


class EngineCache:
    """The cached files of one direction of a model file.

    Args:
        path: of the model file.
        direction: of the model.
    """

    def __init__(self, path: Path, direction: str) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._path = path
        self._direction = direction
        name = name_for_files(path)[:80]
        self.folder = cache_folder() / f"{name}-{direction}-{digest[:32]}"

    def engine_file(self, engine: EngineName) -> Path:
        """Return the file of an engine, and export it first if it is not in the cache.

        Raises: as ``export_model``.
        """
        format = ENGINE_FORMATS[engine]
        file = self.folder / f"{engine}-{_version(engine)}-i2i-{__version__}{FORMAT_SUFFIXES[format]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            if not file.is_file():
                export_model(self._path, file, ExportOptions(format=format, direction=self._direction))
        return file

    def measurement(self, key: str) -> dict[str, Any] | None:
        """Return what ``keep_measurement`` kept under a key; None if there is nothing."""
        found = self._measurements().get(key)
        return found if isinstance(found, dict) else None

    def keep_measurement(self, key: str, values: dict[str, Any]) -> None:
        """Keep a measurement."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            text = json.dumps({**self._measurements(), key: values}, indent=2)
            write_atomic(self.folder / _MEASUREMENTS, text.encode())

    def _measurements(self) -> dict[str, Any]:
        with suppress(OSError, JsonError):
            return parse_json_table((self.folder / _MEASUREMENTS).read_bytes())
        return {}


def machine_key(engines: Sequence[str], precision: str, threads: int) -> str:
    """Return what a measurement depends on besides the model: CPU, threads, precision, and the engines' versions."""
    versions = " ".join(f"{name} {_version(name)}" for name in ("torch", *engines))
    return f"{_cpu_name()}, {threads} threads, {precision}, {versions}, i2i {__version__}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()
