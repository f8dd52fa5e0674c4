"""Load a translator from a file of another runtime: ONNX, OpenVINO, or an archive of torch.export that i2i wrote."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn

from i2i.checkpoints.model_file import provenance_of
from i2i.checkpoints.model_info import MIN_SIZE, ModelInfo
from i2i.device import resolve_dtype
from i2i.directions import Direction
from i2i.engines.formats import FORMAT_SUFFIXES, READABLE, ExportFormat, format_of_path
from i2i.engines.memory import EngineMemory
from i2i.engines.metadata import ExportInfo
from i2i.engines.network import MINUS_ONE_TO_ONE, EngineNetwork
from i2i.engines.onnx_format import check_onnx_file
from i2i.engines.openvino_format import check_openvino_file
from i2i.engines.probe import Probed, probe
from i2i.engines.pt2_format import read_pt2
from i2i.engines.sessions import FORMAT_ENGINES, open_session
from i2i.engines.tracing import to_portable
from i2i.errors import ConfigError, ModelFileError, UsageError
from i2i.inference.options import InferenceOptions
from i2i.networks import GeneratorConfig, prepare_for_inference

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

MAX_TILED_REACH = 128  # pixels; images of networks that reach farther run in one pass


@dataclass(frozen=True)
class UnknownNetworkConfig:
    """What was found out about the network of a file without metadata of i2i, in place of its config.

    Args:
        multiple: number of pixels that must divide height and width.
        scale: size of the result relative to the image.
        receptive_radius: distance in pixels beyond which no pixel changes the result; None if there is none.
    """

    multiple: int
    scale: int
    receptive_radius: int | None
    conditioning: ClassVar = "image"
    prediction: ClassVar = "direct"
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        """Return the number, in pixels, that must divide the height and width of an input."""
        return self.multiple


@dataclass(frozen=True)
class ExportedFile:
    """A checked file of another runtime.

    Args:
        path: of the file.
        format: of the file.
        info: metadata of the model; made up for a file without any.
        export: metadata of i2i; None if the file has none.
        probed: what the file was seen to do.
        weights: of a pt2 archive.
    """

    path: Path
    format: ExportFormat
    info: ModelInfo
    export: ExportInfo | None
    probed: Probed
    weights: dict[str, torch.Tensor] | None = None

    @property
    def direction(self) -> str:
        return self.export.direction if self.export is not None else Direction.A_TO_B

    @property
    def config(self) -> Any:
        if self.export is not None:
            return self.export.config
        reach = self.probed.reach
        radius = None if reach is None or reach > MAX_TILED_REACH else reach + 1
        return UnknownNetworkConfig(self.probed.multiple, self.probed.scale, radius)


def is_exported(path: Path) -> bool:
    """Return whether the name of a file has the ending of a format of another runtime."""
    return format_of_path(path) is not None


def open_exported(path: Path) -> ExportedFile:
    """Check a file of another runtime and read its metadata. Files of ONNX and OpenVINO are tried in another process.

    Raises:
        UsageError: a package is missing.
        ModelFileError: the file cannot be read, cannot be read safely, or holds no network of images.
    """
    format = format_of_path(path)
    if format not in READABLE:
        endings = ", ".join(FORMAT_SUFFIXES[name] for name in READABLE)
        raise ModelFileError(f"{path} is for ExecuTorch, on devices. i2i runs files that end with {endings}.")
    weights = None
    if format == "pt2":
        texts, weights = read_pt2(path)
        probed = Probed(texts)
    else:
        check_openvino_file(path) if format == "openvino" else check_onnx_file(path)
        probed = probe(format, path)
    export = ExportInfo.from_strings(probed.metadata, str(path))
    if export is None:
        scale = {"scale": probed.scale} if probed.scale > 1 else {}
        info = ModelInfo(size=MIN_SIZE, directions=(Direction.A_TO_B,), generator={"network": format, **scale})
        return ExportedFile(path, format, info, None, probed)
    if format != "pt2" and probed.scale != getattr(export.config, "scale", 1):
        raise ModelFileError(f"{path}: its metadata states another scale than its network has. The file is damaged.")
    return ExportedFile(path, format, replace(export.info, directions=(export.direction,)), export, probed, weights)


def load_exported(path: Path, direction: str | None, options: InferenceOptions) -> "Translator":
    """Load a translator from a file of another runtime.

    Raises:
        UsageError: an option does not fit the file.
        ModelFileError: as ``open_exported``.
    """
    from i2i.inference.translator import Translator

    opened = open_exported(path)
    if direction not in (None, opened.direction):
        raise UsageError(f"{path} has no direction {str(direction)!r}; it has {opened.direction}.")
    options.check_for(str(path), opened.info)
    network, options = _network(opened, options)
    provenance = provenance_of(path)
    return Translator(
        network,
        cast("GeneratorConfig", opened.config),
        size=opened.info.size,
        direction=opened.direction,
        info=opened.info,
        provenance=replace(provenance, model=f"{provenance.model} {opened.direction}"),
        options=options,
    )


def _network(opened: ExportedFile, options: InferenceOptions) -> tuple[nn.Module, InferenceOptions]:
    """Return the network of a file, and the options with the device and precision that it runs with."""
    engine = FORMAT_ENGINES.get(opened.format, "torch")
    if options.engine not in (None, "auto", engine):
        raise UsageError(f"{opened.path} is computed by {engine}: omit --engine {options.engine}.")
    value_range = _value_range(opened, options)
    if engine == "torch":
        return _torch_network(opened), options
    if options.device not in ("auto", "cpu"):
        raise UsageError(f"{opened.path} is computed by {engine} on the CPU: omit --device {options.device}.")
    bfloat16 = engine == "openvino" and resolve_dtype(options.precision, torch.device("cpu")) == torch.bfloat16
    session = open_session(opened.format, opened.path, threads=torch.get_num_threads(), bfloat16=bfloat16)
    options = replace(options, device="cpu", precision="bfloat16" if bfloat16 else "float32")
    multiple = opened.config.size_multiple(opened.info.size)
    memory = EngineMemory(opened.format, opened.path.absolute(), multiple, bfloat16)
    return EngineNetwork(session, value_range, memory), options


def _value_range(opened: ExportedFile, options: InferenceOptions) -> tuple[float, float]:
    stated = options.network_range
    if opened.export is not None:
        if stated is not None:
            raise UsageError(f"{opened.path} states its values itself: omit --network-range.")
        return MINUS_ONE_TO_ONE
    if stated is None:
        raise UsageError(
            f"{opened.path} has no metadata of i2i, and does not say which values its network takes for black and "
            "white: give --network-range 0 1, --network-range -1 1 or --network-range 0 255 (network_range in Python)."
        )
    return checked_network_range(stated)


def checked_network_range(stated: tuple[float, float]) -> tuple[float, float]:
    """Return values of black and white. Raises UsageError if they are equal or not finite."""
    low, high = map(float, stated)
    if low == high or not all(abs(value) < 1e9 for value in (low, high)):
        raise UsageError(f"--network-range {low:g} {high:g}: black and white must be two different numbers.")
    return low, high


def _torch_network(opened: ExportedFile) -> nn.Module:
    """Return the network that a pt2 archive describes, with its weights."""
    export, weights, path = opened.export, opened.weights, opened.path
    assert export is not None
    assert weights is not None
    try:
        with torch.device("meta"):  # its weights take no memory before they are known to fit
            network = prepare_for_inference(export.config.build(export.info.size), export.config)
            network = to_portable(network, str(path), without_dropout=export.without_dropout)
    except (ConfigError, TypeError) as error:
        raise ModelFileError(f"{path}: its metadata does not describe a network ({error}).") from error
    expected = {name: value.shape for name, value in network.state_dict().items() if value.is_floating_point()}
    found = {name: value.shape for name, value in weights.items()}
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ModelFileError(f"{path}: its weights do not fit the network it describes: {wrong[0][:100]!r}.")
    network.load_state_dict(weights, strict=False, assign=True)
    return network.requires_grad_(False)
