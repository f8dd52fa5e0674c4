"""ONNX files of other programs, and hostile ones."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def sharpen(path: Path, shape: tuple[Any, ...] = ("n", 3, "h", "w"), scale: int = 1) -> Path:
    """Write a network of one convolution for values from 0 to 1: 2·image − mean of 3×3, enlarged ``scale`` times."""
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        kernel[channel, channel] = -1 / 9
        kernel[channel, channel, 1, 1] += 2
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1])]
    initializers = [numpy_helper.from_array(kernel, "kernel")]
    if scale > 1:
        nodes.append(helper.make_node("Resize", ["y", "", "scales"], ["z"], mode="nearest"))
        initializers.append(numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales"))
    return save(path, nodes, initializers, shape, output=nodes[-1].output[0])


def save(
    path: Path,
    nodes: list[Any],
    initializers: list[Any],
    shape: tuple[Any, ...] = ("n", 3, "h", "w"),
    output: str = "y",
) -> Path:
    """Write an ONNX file with the input x."""
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        initializers,
    )  # fmt: skip
    domains = {node.domain for node in nodes} | {""}
    opsets = [helper.make_opsetid(domain, 20 if not domain else 1) for domain in domains]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    return path


def external(path: Path, location: str) -> Path:
    """Write a network whose weights lie in another file."""
    tensor = numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.float32), "kernel")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "36"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return save(path, [helper.make_node("Conv", ["x", "kernel"], ["y"])], [tensor])


def hostile_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Write hostile files: path and what the error must say, by name."""
    folder.mkdir()
    (folder.parent / "outside.bin").write_bytes(b"\0" * 36)
    (folder / "link.bin").symlink_to(folder.parent / "outside.bin")
    whole = sharpen(folder / "whole.onnx").read_bytes()
    huge = numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.float32), "kernel")
    huge.dims[0] = 2**40
    bomb = [
        helper.make_node("ConstantOfShape", ["sizes"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    sizes = numpy_helper.from_array(np.array([2**40], np.int64), "sizes")
    return {
        "cut": (_write(folder / "cut.onnx", whole[: len(whole) // 2]), "cut off"),
        "garbage": (_write(folder / "garbage.onnx", b"\x80\x04" + b"garbage" * 30), "no ONNX file"),
        "empty": (_write(folder / "empty.onnx", b""), "no ONNX file"),
        "outside": (external(folder / "outside.onnx", "../outside.bin"), "outside of its folder"),
        "absolute": (external(folder / "absolute.onnx", "/etc/passwd"), "outside of its folder"),
        "link": (external(folder / "link.onnx", "link.bin"), "no plain file in its folder"),
        "custom": (
            save(folder / "custom.onnx", [helper.make_node("Run", ["x"], ["y"], domain="evil")], []),
            r"operator 'evil.Run', .* no libraries of custom",
        ),
        "huge": (
            save(folder / "huge.onnx", [helper.make_node("Conv", ["x", "kernel"], ["y"])], [huge]),
            "another size",
        ),
        "bomb": (save(folder / "bomb.onnx", bomb, [sizes]), "memory|cannot open it|ended by"),
        "rank": (sharpen(folder / "rank.onnx", ("n", "h", "w", 3)), "channels before height and width"),
        "fixed": (sharpen(folder / "fixed.onnx", (1, 3, 64, 64)), "one size only"),
    }


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
