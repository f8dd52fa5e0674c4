"""Try an exported file in a process of its own: python -m i2i.engines.probe FORMAT FILE

A file that hangs, crashes or takes too much memory ends this process and no other. It prints one line of JSON. Only
numbers and texts are exchanged.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.engines.formats import MODEL_KEY
from i2i.errors import I2IError, ModelFileError

if TYPE_CHECKING:
    from i2i.engines.sessions import Session

SECONDS = 120.0
SPARE_BYTES = 6_000_000_000  # of address space: the engines reserve much
BYTES_PER_FILE_BYTE = 8
MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
REACH_SIDE = 256  # pixels a side of the image on which the reach is measured, at least
PROBE_SIDE = 64  # pixels a side of the smallest image that is tried
CHANGE = 1e-3  # of the largest change of the result: what is smaller counts as none
MAX_SIDE = 2048  # pixels a side of the smallest image that metadata may state
MAX_SCALE = 16
MAX_METADATA_BYTES = 50_000_000


@dataclass(frozen=True)
class Probed:
    """What a file does.

    Args:
        metadata: its texts by name.
        scale: size of the result relative to the image.
        multiple: number of pixels that must divide height and width of an image.
        reach: distance in pixels beyond which no pixel changes the result; None if there is none below half of
            REACH_SIDE. Measured for files without metadata of i2i only.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    scale: int = 1
    multiple: int = 1
    reach: int | None = None


def probe(format: str, path: Path) -> Probed:
    """Open a file in another process, with limits of time and memory, and run it on small images.

    Args:
        format: "onnx" or "openvino".
        path: of the file.

    Raises: ModelFileError if the file cannot be opened or run; the message says why.
    """
    command = [sys.executable, "-m", "i2i.engines.probe", format, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"{path} was not used: a small image took more than {SECONDS:.0f} seconds.") from error
    try:
        reply = json.loads(done.stdout[:MAX_METADATA_BYTES].decode().strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        cause = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        raise ModelFileError(
            f"{path} was not used: the process that opened it ended by {cause}. The file is damaged or hostile, or "
            "takes too much memory."
        ) from error
    if "error" in reply:
        raise ModelFileError(str(reply["error"]))
    return Probed(reply["metadata"], reply["scale"], reply["multiple"], reply["reach"])


def main() -> None:
    """Probe the file of the command line."""
    format, name = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("wb") as null:  # libraries print messages
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    path = Path(name)
    _limit_memory(SPARE_BYTES + BYTES_PER_FILE_BYTE * _bytes_of(path))
    try:
        reply = _try(format, path)
    except MemoryError as error:
        reply = {"error": f"{path} was not used: a small image takes too much memory ({str(error)[:200]})."}
    except (I2IError, RuntimeError, ValueError) as error:
        text = str(error) if isinstance(error, I2IError) else f"{path} cannot be run: {str(error)[:300]}."
        reply = {"error": text}
    replies.write(json.dumps(reply) + "\n")
    replies.flush()
    os._exit(0)  # engines may crash when they are taken down


def _try(format: Any, path: Path) -> dict[str, Any]:
    import numpy as np

    from i2i.engines.sessions import open_session

    session = open_session(format, path, threads=2)
    channels = _check_input(path, session)
    rng = np.random.default_rng(0)
    if MODEL_KEY in session.metadata:
        side = _stated_side(path, session.metadata)
        scale = _scale(session, rng.random((1, channels, side, side)))
        return {"metadata": session.metadata, "scale": scale, "multiple": 1, "reach": None}
    if channels != 3:
        raise ModelFileError(f"{path} takes {channels} channels and has no metadata of i2i: i2i runs networks of RGB.")
    multiple, scale = _find_multiple(path, session, rng)
    reach = _reach(session, rng, multiple, scale)
    return {"metadata": session.metadata, "scale": scale, "multiple": multiple, "reach": reach}


def _check_input(path: Path, session: "Session") -> int:
    """Return the channels of the input. Raises ModelFileError unless it is (any, 3 or 4, any, any) of floats."""
    shape = session.input_shape
    described = "x".join("?" if size is None else str(size) for size in shape) or "any number of dimensions"
    if session.input_dtype.kind != "f":
        raise ModelFileError(f"{path} takes no floating-point numbers: i2i runs networks of float32 or float16.")
    if len(shape) != 4 or shape[1] not in (3, 4, None) or (shape[1] is None and shape[3] is not None):
        raise ModelFileError(
            f"{path} takes {described}. i2i runs networks of images (N, 3, H, W): channels before height and width."
        )
    if shape[2] is not None or shape[3] is not None:
        raise ModelFileError(
            f"{path} takes images of one size only ({described}). i2i runs networks of any height and width: export it "
            "again with dynamic axes 2 and 3."
        )
    return shape[1] or 3


def _stated_side(path: Path, metadata: dict[str, str]) -> int:
    try:
        side = int(metadata["min_side"])
    except (KeyError, ValueError):
        side = 0
    if not 1 <= side <= MAX_SIDE:
        raise ModelFileError(f"{path}: its metadata have no usable min_side. The file is damaged.")
    return side


def _scale(session: "Session", image: Any) -> int:
    """Run an image in [0, 1] and return the scale of the result. Raises ValueError unless it is an RGB image."""
    import numpy as np

    result = session(image.astype(session.input_dtype))
    height, width = image.shape[2:]
    scale = result.shape[2] // height if result.ndim == 4 else 0
    if result.shape != (1, 3, scale * height, scale * width) or not 1 <= scale <= MAX_SCALE:
        raise ValueError(f"it makes {result.shape} of an image {image.shape}, expected (1, 3, s H, s W)")
    if not np.isfinite(result).all():
        raise ValueError("its result holds values that are not finite")
    return scale


def _find_multiple(path: Path, session: "Session", rng: Any) -> tuple[int, int]:
    """Return the smallest number that must divide the sides of an image, and the scale of the result."""
    problem = ""
    for multiple in MULTIPLES:
        units = -(-PROBE_SIDE // multiple)
        sizes = [((units + 1 + i) * multiple, (units + i * 2) * multiple) for i in range(2)]  # odd and even multiples
        try:
            scales = {_scale(session, rng.random((1, 3, *size))) for size in sizes}
        except (RuntimeError, ValueError) as error:
            problem = problem or str(error)
            continue
        if len(scales) == 1:
            return multiple, scales.pop()
    raise ModelFileError(f"{path} takes no RGB image of {PROBE_SIDE} pixels a side or a little more: {problem}.")


def _reach(session: "Session", rng: Any, multiple: int, scale: int) -> int | None:
    """Return how far a change of pixels reaches in the result; None if it reaches everywhere.

    Tiles of an image need that much overlap. Networks with instance norm or attention change the whole result.
    """
    import numpy as np

    side = -(-REACH_SIDE // multiple) * multiple
    image = rng.random((1, 3, side, side)).astype(session.input_dtype)
    changed = image.copy()
    middle, half = side // 2, max(4, multiple // 2)
    changed[..., middle - half : middle + half, middle - half : middle + half] = (
        1 - changed[..., middle - half : middle + half, middle - half : middle + half]
    )
    difference = np.abs(session(image).astype(np.float64) - session(changed)).max(axis=(0, 1))
    rows, columns = np.nonzero(difference > CHANGE * max(1e-6, float(difference.max())))
    if not len(rows):
        return 0
    edge = max(abs(x / scale - middle) for axis in (rows, columns) for x in (axis.min(), axis.max() + 1))
    reach = int(np.ceil(edge)) - half
    return None if reach + half >= side // 2 - 2 * multiple else max(0, reach)


def _bytes_of(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, path.with_suffix(".bin")) if file.is_file())


def _limit_memory(extra_bytes: int) -> None:
    """Limit the address space to what is in use plus ``extra_bytes``, where the system supports it."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = used + extra_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
