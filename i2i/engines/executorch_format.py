"""ExecuTorch programs (.pte), for phones and other small devices: written with the XNNPACK backend, and read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.engines.formats import require_package
from i2i.engines.sessions import first_line, quiet
from i2i.errors import I2IError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

METADATA_METHOD = "metadata"
PURPOSE = "ExecuTorch programs"
MAX_BATCH = 2  # memory is planned for the largest input


def save_executorch(program: "ExportedProgram", path: Path, texts: dict[str, str]) -> None:
    """Write a program for ExecuTorch, whose convolutions run in XNNPACK on the CPU.

    Its method "forward" is the network. Its method "metadata" takes nothing and returns texts by name, as JSON.

    Args:
        program: see ``trace``, with limits.
        path: of the new file.
        texts: metadata.

    Raises: I2IError if ExecuTorch has no operator for a function of the network.
    """
    exir = require_package("executorch.exir", PURPOSE)
    partitioners = require_package("executorch.backends.xnnpack.partition.xnnpack_partitioner", PURPOSE)
    try:
        with quiet("", "executorch", "torch"):
            lowered = exir.to_edge_transform_and_lower(
                program,
                partitioner=[partitioners.XnnpackPartitioner()],
                constant_methods={METADATA_METHOD: json.dumps(texts)},
            )
            buffer = lowered.to_executorch().buffer
    except Exception as error:  # the converter raises many types
        raise I2IError(f"The network cannot be written for ExecuTorch ({first_line(error)}).") from error
    path.write_bytes(buffer)


def open_executorch(path: Path) -> "tuple[Callable[[Tensor], Tensor], dict[str, str]]":
    """Return the network and the metadata of a program that i2i wrote."""
    runtime = require_package("executorch.runtime", PURPOSE)
    program = runtime.Runtime.get().load_program(path)
    texts: dict[str, str] = json.loads(program.load_method(METADATA_METHOD).execute([])[0])
    forward: Any = program.load_method("forward")
    return lambda image: forward.execute([image.contiguous()])[0], texts
