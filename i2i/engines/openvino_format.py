"""OpenVINO IR, a pair of files .xml and .bin: convert a traced network, and write it with its metadata."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.engines.formats import INPUT_NAME, OUTPUT_NAME, require_package
from i2i.engines.sessions import first_line, quiet
from i2i.errors import I2IError, ModelFileError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MAX_XML_BYTES = 200_000_000


def to_openvino(program: "ExportedProgram", channels: int) -> Any:
    """Return the OpenVINO model of a traced network, with dynamic batch, height and width.

    The converter of OpenVINO itself is used without its command ``ovc``, which reports its use to a server.

    Args:
        program: see ``trace``.
        channels: of its input.

    Raises: I2IError if OpenVINO has no operation for a function of the network.
    """
    openvino = require_package("openvino", "OpenVINO files")
    frontend = require_package("openvino.frontend", "OpenVINO files")
    decoders = require_package("openvino.frontend.pytorch.fx_decoder", "OpenVINO files")
    try:
        with quiet(""):
            converter = frontend.FrontEndManager().load_by_framework("pytorch")
            decoder = decoders.TorchFXPythonDecoder.from_exported_program(program)
            model = converter.convert(converter.load(decoder))
        model.decoder = decoder  # the weights are in its memory
        model.inputs[0].get_tensor().set_names({INPUT_NAME})
        model.outputs[0].get_tensor().set_names({OUTPUT_NAME})
        model.reshape({model.inputs[0]: openvino.PartialShape([-1, channels, -1, -1])})
    except Exception as error:
        raise I2IError(f"The network cannot be written for OpenVINO ({first_line(error)}).") from error
    return model


def save_openvino(model: Any, path: Path, texts: dict[str, str], *, half: bool) -> None:
    """Write ``path`` and, beside it, the weights with the ending .bin.

    Args:
        model: of ``to_openvino``.
        path: ends with .xml.
        texts: metadata, written as runtime information below "i2i".
        half: whether weights are stored as float16.
    """
    openvino = require_package("openvino", "OpenVINO files")
    for name, text in texts.items():
        model.set_rt_info(text, ["i2i", name])
    openvino.save_model(model, str(path), compress_to_fp16=half)


def check_openvino_file(path: Path) -> None:
    """Check that an OpenVINO IR is a pair of plain files. Raises ModelFileError."""
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelFileError(f"{path} needs its weights, {weights.name}, in the same folder: there is no such file.")
    if path.stat().st_size > MAX_XML_BYTES:
        raise ModelFileError(f"{path} has more than {MAX_XML_BYTES} bytes: it is no OpenVINO model.")
    with path.open("rb") as file:
        head = file.read(1000)
    if b"<net" not in head:
        raise ModelFileError(f"{path} is no OpenVINO model: it does not begin with <net.")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise ModelFileError(f"{path} is no OpenVINO model: it declares XML entities.")
