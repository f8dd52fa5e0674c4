"""Post-training quantisation to int8 by NNCF, with accuracy control on photos of the user's.

NNCF calibrates the ranges of the activations on the photos, measures the PSNR of the results, and leaves those layers
in float32 whose quantisation costs most, until the PSNR is good enough.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i2i.config import from_json
from i2i.engines.export import LoadedNetwork
from i2i.engines.formats import ExportFormat, require_package
from i2i.engines.metadata import ExportInfo
from i2i.engines.network import EngineNetwork
from i2i.engines.onnx_format import OPSET
from i2i.engines.sessions import default_threads, first_line, open_session, quiet
from i2i.engines.tracing import reference_output
from i2i.errors import I2IError, UsageError
from i2i.images import read, to_float
from i2i.images.folders import list_images
from i2i.restoration import Task, find_task

logger = logging.getLogger(__name__)

MAX_LOSS = 0.1  # dB
MIN_PSNR = 35.0  # dB
MIN_PHOTOS, MAX_PHOTOS = 4, 100
MAX_ITERATIONS = 20  # in each, NNCF returns layers to float32
CROP_SIDE = 256  # pixels a side of the part of a photo that is used, at most
Sample = tuple[np.ndarray, np.ndarray]  # input (1, C, H, W) and reference (1, 3, s·H, s·W), both in [-1, 1]


@dataclass
class Quantization:
    """How a model is quantised, and with which outcome.

    Args:
        folder: of the photos.
        format: "onnx" or "openvino".
        max_loss: dB of PSNR that a restoration model may lose against the undamaged photos; None for MAX_LOSS.
        min_psnr: PSNR in dB of another model's results, against those of float32; None for MIN_PSNR.

    Attributes:
        outcome: a sentence about the loss.
    """

    folder: Path
    format: ExportFormat
    max_loss: float | None = None
    min_psnr: float | None = None
    outcome: str = field(default="", init=False)

    def quantize(self, model: Any, loaded: LoadedNetwork) -> Any:
        """Return the model in int8.

        Args:
            model: of ONNX or OpenVINO, in float32.
            loaded: the network of torch.

        Raises:
            UsageError: there are too few photos, or an option is for another kind of model.
            I2IError: the loss is too large.
        """
        task = task_of(loaded.export)
        self._check_options(loaded.export, task)
        samples = calibration_samples(self.folder, loaded, task)
        network = loaded.build()
        float_psnr = _mean_psnr(lambda image: reference_output(network, image), samples) if task is not None else 100.0
        required = float_psnr - self._max_loss() if task is not None else self._min_psnr()
        quantized = _quantize(model, self.format, samples, max(0.0, float_psnr - required))
        psnr = _mean_psnr(_runner(quantized, self.format), samples)
        self._report(loaded.export.model, task, psnr, float_psnr)
        if not _has_int8(quantized, self.format):
            raise I2IError(
                f"No layer of {loaded.export.model} can be int8 at a PSNR of {required:.2f} dB on these photos. "
                "Nothing was written."
            )
        if psnr < required:
            raise I2IError(f"{self.outcome} That is less than {required:.2f} dB. Nothing was written.")
        return quantized

    def _max_loss(self) -> float:
        return MAX_LOSS if self.max_loss is None else self.max_loss

    def _min_psnr(self) -> float:
        return MIN_PSNR if self.min_psnr is None else self.min_psnr

    def _check_options(self, export: ExportInfo, task: Task | None) -> None:
        if task is not None and self.min_psnr is not None:
            raise UsageError(f"{export.model} restores photos, which have a PSNR: give --max-loss, not --min-psnr.")
        if task is None and self.max_loss is not None:
            raise UsageError(
                f"{export.model} restores nothing, so that its results have no right values: give --min-psnr, the PSNR "
                "against the results of float32, not --max-loss."
            )

    def _report(self, model: str, task: Task | None, psnr: float, float_psnr: float) -> None:
        if task is None:
            self.outcome = f"int8: on these photos, {model} has a PSNR of {psnr:.2f} dB against its results in float32."
        else:
            self.outcome = (
                f"int8: on these photos, {model} has a PSNR of {psnr:.2f} dB, and {float_psnr:.2f} dB in float32."
            )


def task_of(export: ExportInfo) -> Task | None:
    """Return the restoration task of a model, which degrades photos; None for other models."""
    found = find_task(export.info.task_name) if export.info.task_name else None
    if export.info.task is None or found is None or getattr(export.config, "prediction", "") == "chroma":
        return None
    return from_json(found, export.info.task, "task")


def calibration_samples(folder: Path, loaded: LoadedNetwork, task: Task | None) -> list[Sample]:
    """Return inputs of a network with what their results should be.

    Args:
        folder: of the photos; the middle of each is used.
        loaded: the network.
        task: degrades the photos, which then are the references; None for references that the network itself makes.

    Raises: UsageError if there are too few photos of sufficient size.
    """
    export = loaded.export
    if not folder.is_dir():
        raise UsageError(f"--calibration {folder} is no folder. Name a folder of photos.")
    network = loaded.build()
    samples: list[Sample] = []
    step = export.size_multiple * export.info.scale if task is not None else export.size_multiple
    side = max(CROP_SIDE // step, -(-export.min_side // export.size_multiple)) * step
    for index, path in enumerate(list_images(folder)):
        if len(samples) == MAX_PHOTOS:
            break
        try:
            pixels = _middle(np.asarray(read(path)), side, step)
        except I2IError as error:
            logger.warning("%s", error)
            continue
        if pixels is None:
            continue
        if task is None:
            image = _with_level(_to_input(pixels), export.channels)
            reference = reference_output(network, image).clamp(-1, 1)
        else:
            degraded = task.degrade(pixels, np.random.default_rng(index))
            image, reference = _to_input(np.asarray(degraded)), _to_input(pixels)
        samples.append((image.numpy(), reference.numpy()))
    if len(samples) < MIN_PHOTOS:
        raise UsageError(
            f"--calibration {folder} has {len(samples)} usable photos; --int8 needs {MIN_PHOTOS} or more, of at least "
            f"{step} pixels a side."
        )
    return samples


def _middle(pixels: np.ndarray, side: int, step: int) -> np.ndarray | None:
    """Return the middle of a photo (H, W, 3), with sides that are multiples of ``step``; None if it is too small."""
    height, width = (min(side, length // step * step) for length in pixels.shape[:2])
    if not height or not width:
        return None
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _to_input(levels: np.ndarray) -> Tensor:
    """Return levels (H, W, C) as (1, C, H, W) in [-1, 1]."""
    return to_float(torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)[None]))).float()


def _with_level(image: Tensor, channels: int) -> Tensor:
    """Return an image with a fourth channel of zeros, a middle level, for a network that takes one."""
    return image if channels == 3 else torch.cat([image, torch.zeros_like(image[:, :1])], 1)


def _quantize(model: Any, format: ExportFormat, samples: list[Sample], max_drop: float) -> Any:
    """Return the quantised model of NNCF, whose metric drops by ``max_drop`` dB at most if that is possible."""
    nncf = require_package("nncf", "int8 models")
    if format == "onnx":
        onnx = require_package("onnx", "ONNX files")
        model = onnx.version_converter.convert_version(model, OPSET) if model.opset_import[0].version < 13 else model

    restorer = nncf.quantization.advanced_parameters.AdvancedAccuracyRestorerParameters

    def to_input(sample: Sample) -> Any:
        return {"image": sample[0]} if format == "onnx" else sample[0]

    def metric(compiled: Any, data: Iterable[Sample]) -> tuple[float, None]:
        return _mean_psnr(_compiled_runner(compiled), list(data)), None

    try:
        with quiet("nncf"):
            return nncf.quantize_with_accuracy_control(
                model, nncf.Dataset(samples, to_input), nncf.Dataset(samples), metric, max_drop=max_drop,
                subset_size=len(samples), advanced_accuracy_restorer_parameters=restorer(MAX_ITERATIONS),
            )  # fmt: skip
    except Exception as error:  # NNCF raises many types
        raise I2IError(f"NNCF cannot quantise this model ({first_line(error)}).") from error


def _has_int8(model: Any, format: ExportFormat) -> bool:
    """Return whether any layer of a model is quantised."""
    if format == "onnx":
        return any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def _compiled_runner(compiled: Any) -> Callable[[Tensor], Tensor]:
    """Return a function for what NNCF passes to its metric: a compiled OpenVINO model, or an onnxruntime session."""

    def run(image: Tensor) -> Tensor:
        if hasattr(compiled, "get_inputs"):
            return torch.from_numpy(compiled.run(None, {compiled.get_inputs()[0].name: image.numpy()})[0])
        return torch.from_numpy(np.array(compiled(image.numpy())[0]))

    return run


def _runner(model: Any, format: ExportFormat) -> Callable[[Tensor], Tensor]:
    """Return a function that runs a model as its file will."""
    with TemporaryDirectory() as folder:
        if format == "onnx":
            data = model.SerializeToString()
            return EngineNetwork(open_session(format, Path("model.onnx"), threads=default_threads(), data=data))
        openvino = require_package("openvino", "OpenVINO files")
        file = Path(folder) / "model.xml"
        openvino.save_model(model, str(file), compress_to_fp16=False)
        return EngineNetwork(open_session(format, file, threads=default_threads()))


def _mean_psnr(run: Callable[[Tensor], Tensor], samples: list[Sample]) -> float:
    """Return the mean over photos of the PSNR of results in [-1, 1], in dB, 100 at most."""
    values = []
    for image, reference in samples:
        result = run(torch.from_numpy(image)).clamp(-1, 1)
        error = float((result - torch.from_numpy(reference)).square().mean())
        values.append(min(100.0, 10 * np.log10(4 / max(error, 4e-10))))
    return float(np.mean(values))
