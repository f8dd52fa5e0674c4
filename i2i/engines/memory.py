"""The memory that an exported file takes for an image: python -m i2i.engines.memory FORMAT FILE MULTIPLE BFLOAT16

A system ends a process that takes more memory than there is, without an error. So the memory for a pixel is measured on
small images, in a process of its own, before a large image runs in one pass.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from i2i.engines.formats import ExportFormat
from i2i.errors import I2IError

PIXELS_UNCHECKED = 2_000_000  # of an image that runs without a measurement
SIDE = 512  # pixels a side of the image on which the memory is measured
SECONDS = 300.0
USABLE_FRACTION = 0.8  # of the available memory


@dataclass(frozen=True)
class EngineMemory:
    """The memory for a pixel of an image that runs in one pass, measured at the first large image.

    Args:
        format: "onnx" or "openvino".
        path: of the file.
        multiple: pixels that must divide height and width of an image.
        bfloat16: whether the engine computes in bfloat16.
    """

    format: ExportFormat
    path: Path
    multiple: int = 1
    bfloat16: bool = False

    @cached_property
    def bytes_per_pixel(self) -> float | None:
        """Bytes for a pixel of the input; None where they cannot be measured."""
        command = [
            sys.executable, "-m", "i2i.engines.memory", self.format, str(self.path), str(self.multiple),
            str(int(self.bfloat16)),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=environment, check=True)
            return float(done.stdout.split()[-1])
        except (subprocess.SubprocessError, OSError, ValueError, IndexError):
            return None

    def check(self, width: int, height: int, count: int = 1) -> None:
        """Raise I2IError if ``count`` images take more than the available memory in one pass."""
        pixels = width * height * count
        if pixels <= PIXELS_UNCHECKED:
            return
        available = available_bytes()
        if available is None or self.bytes_per_pixel is None:
            return
        if self.bytes_per_pixel * pixels <= USABLE_FRACTION * available:
            return
        scale = (USABLE_FRACTION * available / self.bytes_per_pixel / pixels) ** 0.5
        side = max(self.multiple, int(max(width, height) * scale) // 100 * 100)
        raise I2IError(
            f"An image of {width}x{height} pixels needs the whole network in one pass, which takes "
            f"{self.bytes_per_pixel * pixels / 2**30:.0f} GiB of memory; {available / 2**30:.1f} GiB are available. "
            f"Give --max-side {side}. If the file was exported by i2i, its model file runs such images by rows."
        )


def available_bytes() -> int | None:
    """Return the bytes that this process can still take: of the machine, or of its control group if that has fewer."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no group, or no limit: "max"
        return available
    return max(0, min(available, limit))


def peak_bytes(call: Callable[[], object]) -> int:
    """Return by how much the resident memory of this process grows at most during a call. Raises OSError off Linux.

    Where the system does not let the highest value be reset, what was freed before the call counts too.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5): VmHWM becomes VmRSS
    start = _status_bytes("VmRSS")
    call()
    return max(0, _status_bytes("VmHWM") - start)


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Print the bytes for a pixel."""
    import numpy as np

    from i2i.engines.sessions import default_threads, open_session

    format, name, multiple, bfloat16 = sys.argv[1:]
    session = open_session(format, Path(name), threads=default_threads(), bfloat16=bool(int(bfloat16)))  # type: ignore[arg-type]
    side = -(-SIDE // int(multiple)) * int(multiple)
    image = np.full((1, session.input_shape[1] or 3, side, side), 0.5, session.input_dtype)
    print(peak_bytes(lambda: session(image)) / side**2, flush=True)
    os._exit(0)  # engines may crash when they are taken down


if __name__ == "__main__":
    main()
