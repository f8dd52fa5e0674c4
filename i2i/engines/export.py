"""Export one direction of a model file to a file of another runtime, checked against torch."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from i2i._version import __version__
from i2i.checkpoints.model_file import load_model_file, model_name, name_for_files
from i2i.engines.executorch_format import MAX_BATCH, open_executorch, save_executorch
from i2i.engines.executorch_format import PURPOSE as EXECUTORCH_PURPOSE
from i2i.engines.formats import FORMAT_SUFFIXES, ExportFormat, require_package
from i2i.engines.metadata import ExportInfo, ExportPrecision
from i2i.engines.network import EngineNetwork
from i2i.engines.onnx_format import set_metadata, to_onnx, with_half_weights
from i2i.engines.openvino_format import save_openvino, to_openvino
from i2i.engines.parity import check_parity, largest_difference, parity_images
from i2i.engines.pt2_format import save_pt2
from i2i.engines.sessions import FORMAT_ENGINES, default_threads, open_session
from i2i.engines.tracing import HalfWeights, Limits, draws_dropout, to_portable, trace
from i2i.errors import UsageError, io_errors
from i2i.images.files import temporary_folder
from i2i.model_networks import build_translator
from i2i.networks import prepare_for_inference

_HALF_ADVICE = " Weights in float16 are less precise: export it with --full."


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How a model is exported.

    Args:
        format: of the file.
        direction: of the model; None for its first.
        half: whether weights are stored in float16. The file computes in float32.
        without_dropout: leave out dropout that is on at inference.
        max_side: largest height and width of an input of ExecuTorch, which plans its memory for it, in pixels.
        quantize: turns the model of an engine into one that computes in int8; None for no such model. It is called with
            the model, the format and the network of torch.
    """

    format: ExportFormat
    direction: str | None = None
    half: bool = False
    without_dropout: bool = False
    max_side: int = 512
    quantize: "Callable[[Any, LoadedNetwork], Any] | None" = None


@dataclass(frozen=True)
class LoadedNetwork:
    """One direction of a model file.

    Args:
        build: returns the network in its inference mode, on the CPU, anew at each call.
        export: its metadata, without the difference from torch.
    """

    build: Callable[[], nn.Module]
    export: ExportInfo


def export_model(path: Path, out: Path, options: ExportOptions) -> ExportInfo:
    """Export a model file, and return the metadata of the new file.

    Args:
        path: of the model file.
        out: of the new file, which does not exist. Of OpenVINO, .xml; the weights are written beside it with .bin.
        options: how.

    Raises:
        ModelFileError: the model file cannot be read.
        UsageError: it has no such direction, draws random numbers, or a package is missing.
        I2IError: the network cannot be exported, or the new file's results differ from those of torch.
    """
    loaded = load_network(path, options)
    model = _convert(loaded, options)
    with io_errors(out), temporary_folder(out) as folder:
        file = folder / out.name
        _save(model, file, loaded.export, options)
        difference, shape = _difference(loaded, file, options.format)
        if options.quantize is None:  # int8 is measured on images of the user's, see ``quantization``
            check_parity(difference, shape, _engine(options.format), _HALF_ADVICE if options.half else "")
        export = replace(loaded.export, difference=difference)
        _save(model, file, export, options)
        for written in sorted(folder.iterdir()):  # .bin before .xml: the .xml says that the export is complete
            written.replace(out.with_name(written.name))
    return export


def load_network(path: Path, options: ExportOptions) -> LoadedNetwork:
    """Load the network that is exported, with the metadata of the new file.

    Raises:
        UsageError: the model cannot be exported, or has no such direction.
        ModelFileError: the model file is damaged.
    """
    model_file = load_model_file(path)
    info, name = model_file.info, model_name(path)
    if info.samples_from_noise:
        raise UsageError(f"{name} generates images from noise: only models that translate images are exported.")
    direction = options.direction or info.directions[0]
    if direction not in info.directions:
        raise UsageError(f"{name} has no direction {direction!r}; it has {', '.join(info.directions)}.")

    if info.generator["network"] == "spandrel":
        raise UsageError(f"{name} is a network of another program (spandrel), which i2i runs but does not export.")

    if not info.takes_pictures:
        raise UsageError(f"{name} translates images of other channels than RGB: only models of RGB are exported.")

    def build() -> nn.Module:
        return prepare_for_inference(*build_translator(path, model_file, direction))

    precision: ExportPrecision = "float16" if options.half else "float32"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    export = ExportInfo(
        info=info, model=name, direction=direction, precision="int8" if options.quantize else precision, source=digest,
        version=__version__, without_dropout=draws_dropout(build()) and options.without_dropout,
    )  # fmt: skip
    return LoadedNetwork(build, export)


def _convert(loaded: LoadedNetwork, options: ExportOptions) -> Any:
    """Return the model in the form of its format: a program of torch.export, or the model of an engine."""
    export = loaded.export
    portable = to_portable(loaded.build(), export.model, without_dropout=options.without_dropout)
    if options.format == "pt2" and options.half:
        portable = HalfWeights(portable)
    limits = _limits(export, options) if options.format == "executorch" else None
    program = trace(portable, export.channels, export.size_multiple, export.model, limits)
    if options.format in ("pt2", "executorch"):
        return program
    if options.format == "onnx":
        model = to_onnx(program, example_of(export), export.info.scale)
        if options.half:
            with_half_weights(model)
    else:
        model = to_openvino(program, export.channels)
    return options.quantize(model, loaded) if options.quantize is not None else model


def _limits(export: ExportInfo, options: ExportOptions) -> Limits:
    """Return the limits of a program's inputs. Raises UsageError if the images of the comparison exceed them."""
    largest = max(max(image.shape[2:]) for image in parity_images(3, "image", export.size_multiple))
    if options.max_side < largest:
        raise UsageError(f"--max-side {options.max_side} is too small for {export.model}: it needs {largest} or more.")
    return Limits(batch=MAX_BATCH, min_side=export.min_side, max_side=options.max_side)


def example_of(export: ExportInfo) -> Tensor:
    """Return an input of the network: a batch of two."""
    return next(image for image in parity_images(export.channels, export.conditioning, export.size_multiple)).repeat(
        2, 1, 1, 1
    )


def _save(model: Any, file: Path, export: ExportInfo, options: ExportOptions) -> None:
    texts = export.to_strings()
    if options.format == "pt2":
        save_pt2(model, file, texts)
    elif options.format == "executorch":
        save_executorch(model, file, {**texts, "max_side": str(options.max_side), "max_batch": str(MAX_BATCH)})
    elif options.format == "onnx":
        set_metadata(model, texts)
        file.write_bytes(model.SerializeToString())
    else:
        save_openvino(model, file, texts, half=options.half)


def _difference(loaded: LoadedNetwork, file: Path, format: ExportFormat) -> tuple[float, tuple[int, ...]]:
    """Return the largest difference of the written file from torch, and the shape of the image that has it."""
    export = loaded.export
    images = parity_images(export.channels, export.conditioning, export.size_multiple)
    return largest_difference(loaded.build(), run_file(file, format), images)


def run_file(file: Path, format: ExportFormat) -> Callable[[Tensor], Tensor]:
    """Return a function that runs a file which this process has just written."""
    if format == "pt2":
        program = torch.export.load(file).module()
        return torch.inference_mode()(program)
    if format == "executorch":
        return open_executorch(file)[0]
    return EngineNetwork(open_session(format, file, threads=default_threads()))


def _engine(format: ExportFormat) -> str:
    return FORMAT_ENGINES.get(format, "ExecuTorch" if format == "executorch" else "torch.export")


def export_path(out: Path, format: ExportFormat, path: Path, direction: str | None, directions: int) -> Path:
    """Return the path of the new file: ``out`` itself if it has the ending of the format, else a file in that folder.

    Args:
        out: file or folder.
        format: of the file.
        path: of the model file.
        direction: that is exported, if it was named.
        directions: how many the model has.
    """
    suffix = FORMAT_SUFFIXES[format]
    if out.suffix.lower() == suffix:
        return out
    name = name_for_files(path)
    return out / f"{name}-{direction}{suffix}" if direction and directions > 1 else out / f"{name}{suffix}"


def check_target(out: Path) -> None:
    """Raise UsageError if a file would be overwritten."""
    for file in (out, out.with_suffix(".bin")) if out.suffix.lower() == FORMAT_SUFFIXES["openvino"] else (out,):
        if file.exists():
            raise UsageError(f"{file} exists already; nothing is overwritten. Choose another --out.")


def check_packages(format: ExportFormat) -> None:
    """Raise UsageError if a package that writes a format is missing."""
    packages, purpose = {
        "onnx": (("onnx", "onnxscript", "onnxruntime"), "ONNX files"),
        "openvino": (("openvino",), "OpenVINO files"),
        "executorch": (("executorch.exir", "executorch.runtime"), EXECUTORCH_PURPOSE),
    }.get(format, ((), ""))
    for package in packages:
        require_package(package, purpose)
