"""Exported files opened by onnxruntime or OpenVINO on the CPU. This module does not import torch."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from i2i.engines.formats import ExportFormat, require_package
from i2i.errors import ModelFileError

EngineName = Literal["onnxruntime", "openvino"]
FORMAT_ENGINES: dict[str, EngineName] = {"onnx": "onnxruntime", "openvino": "openvino"}
_OUT_OF_MEMORY = re.compile(r"alloc|memory", re.IGNORECASE)


class Session(Protocol):
    """An opened file.

    Attributes:
        name: of the engine.
        input_shape: of the only input, such as (None, 3, None, None), where None is any size.
        input_dtype: of the only input.
        metadata: texts by name.
    """

    name: EngineName
    input_shape: tuple[int | None, ...]
    input_dtype: np.dtype
    metadata: dict[str, str]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Run the network on an array of ``input_shape`` and ``input_dtype``, and return its first output."""
        ...


def open_session(
    format: ExportFormat, path: Path, *, threads: int, bfloat16: bool = False, data: bytes | None = None
) -> Session:
    """Open an exported file for its engine.

    Args:
        format: "onnx" or "openvino".
        path: of the file.
        threads: of the CPU.
        bfloat16: whether the engine may compute in bfloat16 (OpenVINO).
        data: content of the file; None to read it.

    Raises:
        UsageError: the package of the engine is missing.
        ModelFileError: the engine cannot open the file, or it has not one input and at least one output.
    """
    if format == "onnx":
        return OnnxSession(path, threads, data)
    return OpenVinoSession(path, threads, bfloat16)


class OnnxSession:
    """An ONNX file, opened by onnxruntime. No library of custom operators is loaded."""

    name: EngineName = "onnxruntime"

    def __init__(self, path: Path, threads: int, data: bytes | None = None) -> None:
        ort = require_package("onnxruntime", "ONNX files")
        ort.disable_telemetry_events()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised
        options.enable_mem_pattern = False  # it plans memory for one size of image
        try:
            self._session = ort.InferenceSession(
                str(path) if data is None else data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises types of its own
            raise unusable(path, "onnxruntime", error) from error
        inputs = self._session.get_inputs()
        _check_counts(path, len(inputs), len(self._session.get_outputs()))
        self._input, self._output = inputs[0].name, self._session.get_outputs()[0].name
        self.input_shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
        self.input_dtype = np.dtype({"tensor(float)": "float32", "tensor(float16)": "float16"}.get(inputs[0].type, "V"))
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        try:
            (output,) = self._session.run([self._output], {self._input: image})
        except Exception as error:
            raise run_error("onnxruntime", error) from error
        return output


class OpenVinoSession:
    """An OpenVINO IR, opened by OpenVINO on the CPU. No extension library is loaded."""

    name: EngineName = "openvino"

    def __init__(self, path: Path, threads: int, bfloat16: bool = False) -> None:
        openvino = require_package("openvino", "OpenVINO files")
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": str(threads),
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            model = core.read_model(str(path))
            self.metadata = _rt_info(model)
            _check_counts(path, len(model.inputs), len(model.outputs))
            shape = model.inputs[0].get_partial_shape()
            sizes = list(shape) if shape.rank.is_static else []
            self.input_shape = tuple(size.get_length() if size.is_static else None for size in sizes)
            self.input_dtype = np.dtype({"f32": "float32", "f16": "float16"}.get(
                model.inputs[0].get_element_type().get_type_name(), "V"
            ))  # fmt: skip
            self._compiled = core.compile_model(model, "CPU", settings)
        except ModelFileError:
            raise
        except Exception as error:
            raise unusable(path, "OpenVINO", error) from error

    def __call__(self, image: np.ndarray) -> np.ndarray:
        try:
            return np.array(self._compiled(image)[0])  # a copy: the next run overwrites the output
        except Exception as error:
            raise run_error("OpenVINO", error) from error


def _rt_info(model: Any) -> dict[str, str]:
    """Return the texts of i2i in the runtime information of an OpenVINO model."""
    if not model.has_rt_info(["i2i"]):
        return {}
    table = model.get_rt_info(["i2i"]).value
    if not isinstance(table, dict):
        return {}
    return {name: text for name, text in table.items() if isinstance(name, str) and isinstance(text, str)}


def _check_counts(path: Path, inputs: int, outputs: int) -> None:
    if inputs != 1 or outputs < 1:
        raise ModelFileError(
            f"{path} has {inputs} inputs and {outputs} outputs. i2i runs networks with one input, an image, and one "
            "output."
        )


def unusable(path: Path, engine: str, error: Exception) -> ModelFileError:
    """Return the error for a file that an engine cannot open."""
    return ModelFileError(f"{path} cannot be used: {engine} cannot open it ({first_line(error)}).")


def run_error(engine: str, error: Exception) -> Exception:
    """Return the error for a failed run: MemoryError, or RuntimeError."""
    text = f"{engine}: {first_line(error)}"
    is_memory = isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error))
    return MemoryError(text) if is_memory else RuntimeError(text)


def first_line(error: BaseException, length: int = 300) -> str:
    """Return the first line of an error's message with printable characters only."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return "".join(char if char.isprintable() else " " for char in line)[:length].rstrip(" .")


def default_threads() -> int:
    """Return the number of threads that an engine gets: $OMP_NUM_THREADS, else one for each CPU of this process."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    except (KeyError, ValueError):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Silence warnings, and loggers below errors, of a library that reports its own inner workings."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
