"""ONNX: write a traced network with its metadata, and check a file of somebody else before it is opened."""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from i2i.engines.formats import INPUT_NAME, OUTPUT_NAME, require_package
from i2i.engines.sessions import first_line, quiet
from i2i.errors import I2IError, ModelFileError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

OPSET = 20
MAX_BYTES = 2**31 - 1  # of a protocol buffer
MAX_NODES = 1_000_000
HALF_MIN_VALUES = 64  # smaller constants stay in float32
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
_REFUSED_OPS = ("PythonOp", "PythonOpGrad", "ATen", "EPContext", "TritonOp")  # they load files or call other code


def to_onnx(program: "ExportedProgram", example: "Tensor", scale: int) -> Any:
    """Return the ONNX model of a traced network, with dynamic batch, height and width.

    Args:
        program: see ``trace``.
        example: an input of it.
        scale: size of its output relative to its input.

    Raises: I2IError if ONNX has no operator for a function of the network.
    """
    import torch

    require_package("onnxscript", "ONNX files")
    try:
        with quiet("torch.onnx", "onnxscript", "onnx_ir"):
            exported = torch.onnx.export(
                program, (example,), dynamo=True, input_names=[INPUT_NAME], output_names=[OUTPUT_NAME],
                opset_version=OPSET, external_data=False, verbose=False,
            )  # fmt: skip
    except Exception as error:  # the converter raises many types
        raise I2IError(f"The network cannot be written as ONNX ({first_line(error)}).") from error
    assert exported is not None
    model = exported.model_proto
    _name_dimensions(model.graph.input[0], ("batch", None, "height", "width"))
    enlarged = ("height", "width") if scale == 1 else (f"{scale}*height", f"{scale}*width")
    _name_dimensions(model.graph.output[0], ("batch", 3, *enlarged))
    del model.graph.value_info[:]  # their sizes are formulas of other names
    _strip_traces(model)
    return model


def _name_dimensions(value: Any, names: tuple[str | int | None, ...]) -> None:
    for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        if isinstance(name, str):
            dimension.dim_param = name
        elif name is not None:
            dimension.dim_value = name


def _strip_traces(model: Any) -> None:
    """Remove the source lines that the exporter notes with every node: they name folders of this machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for values in (model.graph.input, model.graph.output, model.graph.initializer):
        for value in values:
            del value.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = ""


def with_half_weights(model: Any) -> None:
    """Store the weights of an ONNX model as float16, each followed by a cast to float32."""
    onnx = require_package("onnx", "ONNX files")
    casts = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < HALF_MIN_VALUES:
            continue
        name, values = tensor.name, onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), f"{name}.float16"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def set_metadata(model: Any, texts: dict[str, str]) -> None:
    """Write texts as the metadata of an ONNX model."""
    onnx = require_package("onnx", "ONNX files")
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, texts)
    model.producer_name, model.producer_version = "i2i", ""


def check_onnx_file(path: Path) -> bytes | None:
    """Check an ONNX file of anybody without opening it in an engine.

    Args:
        path: an existing file.

    Returns: its content; None if it must be opened by its path, because tensors lie in other files beside it.

    Raises:
        UsageError: onnx is not installed.
        ModelFileError: it is no ONNX file, is cut off, names files outside of its folder, has operators beyond those of
            ONNX and onnxruntime, or a tensor whose size differs from its data.
    """
    onnx = require_package("onnx", "ONNX files")
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{path} has more than {MAX_BYTES} bytes: it is no ONNX file.")
    data = path.read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:
        raise ModelFileError(f"{path} is no ONNX file, or is cut off ({first_line(error)}).") from error
    if not model.HasField("graph") or not model.graph.node or not model.opset_import:
        raise ModelFileError(f"{path} is no ONNX file, or is cut off: it has no graph.")
    functions = {(function.domain, function.name) for function in model.functions}
    nodes = _nodes([*model.graph.node, *(node for function in model.functions for node in function.node)])
    for count, node in enumerate(nodes):
        _check_operator(path, node, functions)
        if count == MAX_NODES:
            raise ModelFileError(f"{path} has more than {MAX_NODES} nodes.")
    has_external = False
    for tensor in _tensors(model):
        has_external |= _check_tensor(path, tensor, onnx)
    return None if has_external else data


def _nodes(nodes: Any) -> Iterator[Any]:
    """Yield nodes and those of the graphs within them."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                pending.extend(graph.node)


def _tensors(model: Any) -> Iterator[Any]:
    """Yield all tensors of a model: initializers and attributes, also of graphs within nodes and of functions."""
    yield from _initializers(model.graph)
    for node in _nodes([*model.graph.node, *(node for function in model.functions for node in function.node)]):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
                           *attribute.sparse_tensors):  # fmt: skip
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _initializers(graph)


def _initializers(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _check_operator(path: Path, node: Any, functions: set[tuple[str, str]]) -> None:
    if (node.domain, node.op_type) in functions:
        return
    if node.domain not in _DOMAINS or node.op_type in _REFUSED_OPS:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise ModelFileError(
            f"{path} needs the operator {name[:100]!r}, which is none of ONNX. i2i loads no libraries of custom "
            "operators, as these run code."
        )


def _check_tensor(path: Path, tensor: Any, onnx: Any) -> bool:
    """Check the size of a tensor's data, and where they are. Return whether they are in another file."""
    count = 1
    for size in tensor.dims:
        if size < 0:
            raise _wrong_size(path, tensor)
        count *= size
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        _check_external(path, {entry.key: entry.value for entry in tensor.external_data})
        return True
    if tensor.HasField("raw_data"):
        bits = _BITS.get(tensor.data_type)
        if bits is not None and len(tensor.raw_data) != -(-count * bits // 8):
            raise _wrong_size(path, tensor)
        return False
    typed = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    if tensor.data_type != onnx.TensorProto.STRING and count > 2 * max(map(len, typed)):
        raise _wrong_size(path, tensor)
    return False


_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}


def _wrong_size(path: Path, tensor: Any) -> ModelFileError:
    shape = "x".join(map(str, list(tensor.dims)[:8]))
    return ModelFileError(f"{path}: the tensor {tensor.name[:100]!r} of shape {shape} has data of another size.")


def _check_external(path: Path, entries: dict[str, str]) -> None:
    """Check that the data of a tensor are in a plain file beside the model file."""
    location = entries.get("location", "")
    pure = PurePosixPath(location)
    if not location or pure.is_absolute() or ".." in pure.parts or "\\" in location or ":" in location:
        raise ModelFileError(f"{path} takes data from {location[:200]!r}, outside of its folder. i2i does not read it.")
    file = path.parent / location
    folder = path.parent.resolve()
    if file.is_symlink() or folder not in file.resolve().parents or not file.is_file():
        raise ModelFileError(f"{path} takes data from {location[:200]!r}, which is no plain file in its folder.")
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or 0)
    except ValueError:
        offset = length = -1
    if offset < 0 or length < 0 or offset + length > file.stat().st_size:
        raise ModelFileError(f"{path} takes data from {location[:200]!r} beyond the end of that file.")
