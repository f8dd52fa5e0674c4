"""A process that decodes images for another one: python -m i2i.images.worker READER_MODULE

A file that hangs, crashes or takes too much memory ends this process and no other. Requests are lines of JSON on
standard input. A reply on standard output is one line of JSON, followed by as many bytes as it announces. Only numbers,
text and pixels are exchanged: a decoder that a hostile file has taken over cannot make the parent process run anything.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import AvifImagePlugin, Image

from i2i.errors import ImageError
from i2i.images.channel_transport import channels_to_parts, header_to_json
from i2i.images.channels import read_channel_header
from i2i.images.sample_types import BYTES_PER_PIXEL
from i2i.images.value_range import ValueRanges, ranges_from_json, summary_to_json

if TYPE_CHECKING:
    from i2i.images.reading import LoadedImage

Reply = tuple[dict[str, Any], list[bytes]]  # header, and the parts that follow it
PIXEL_BYTES = 48  # address space allowed for each pixel: alpha compositing holds seven copies of four bytes
CHANNEL_BYTES = 4  # address space allowed for each byte of an image of many channels
SPARE_BYTES = 512_000_000
_SECONDS_PER_MEGAPIXEL = 1.0


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("wb") as null:  # C libraries print messages
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    Image.MAX_IMAGE_PIXELS = None  # the reader checks sizes itself, with a better message
    AvifImagePlugin.DEFAULT_MAX_THREADS = 2
    reader = importlib.import_module(sys.argv[1]).FrameReader()
    for line in sys.stdin.buffer:
        _send(replies, *_handle(reader, json.loads(line)))


def _handle(reader: Any, request: dict[str, Any]) -> Reply:
    """Return the reply to a request: its header, and its parts in bytes. An error becomes a header with its message."""
    path = Path(request["path"])
    try:
        answer = _answer(reader, path, request)
    except ImageError as error:
        return {"error": str(error)}, []
    except MemoryError:
        return {"error": f"{path} takes more memory to decode than an image of its size should."}, []
    except Exception as error:  # an error of the reader itself: report it, so that other files can still be read
        return {"error": f"{path} could not be read: {type(error).__name__}: {error}."}, []
    finally:
        _clear_limits()
    return answer if isinstance(answer, tuple) else _image_to_parts(answer)


def _answer(reader: Any, path: Path, request: dict[str, Any]) -> "Reply | LoadedImage":
    """Do the task of a request within its limits of time and memory.

    Returns: the reply; for the task "read" the image, which is packed after the limits are lifted.
    """
    max_pixels = request["max_pixels"]
    seconds = request["seconds"]
    _set_limits(seconds, max_pixels)
    (width, height), frames = reader.probe(path)
    if request["task"] == "probe":
        return {"size": (width, height), "frames": frames}, []
    if request["task"] == "header":
        return header_to_json(read_channel_header(path)), []
    pixels = min(width * height, max_pixels)
    _set_limits(seconds + _SECONDS_PER_MEGAPIXEL * pixels / 1e6, max_pixels if frames > 1 else pixels)
    if request["task"] == "measure":
        return {"summary": summary_to_json(reader.measure(path, max_pixels))}, []
    if request["task"] == "channels":
        _limit_memory(CHANNEL_BYTES * BYTES_PER_PIXEL * max_pixels + SPARE_BYTES)
        return channels_to_parts(reader.read_channels(path, request["channels"], max_pixels))
    ranges = ranges_from_json(request["ranges"])
    if request["task"] == "assess":
        return _assess(reader, path, request, ranges), []
    loaded: LoadedImage = reader.load_image(
        path,
        request["frame"],
        max_pixels,
        blend=False,
        ranges=ranges,
        deep=request["deep"],
        profiles=request["profiles"],
    )
    return loaded


def _image_to_parts(loaded: "LoadedImage") -> Reply:
    """Return the reply with an image. Its parts are pixels, alpha, EXIF, pixels with 16 bits and profile."""
    source = loaded.source
    header = {
        "size": loaded.image.size,
        "credits": dict(source.credits),
        "generated": source.generated,
        "print_size": source.print_size,
        "unusual": summary_to_json(loaded.unusual),
        "grey": loaded.grey,
        "duration": source.duration,
        "plays": source.plays,
    }
    alpha = loaded.alpha.tobytes() if loaded.alpha else b""
    return header, [
        loaded.image.tobytes(),
        alpha,
        source.exif,
        loaded.deep.tobytes() if loaded.deep else b"",
        source.profile,
    ]


def _assess(reader: Any, path: Path, request: dict[str, Any], ranges: ValueRanges) -> dict[str, Any]:
    from i2i.images.quality.assessment import assess_photo  # most conversions do not need it

    loaded = reader.load_image(path, request["frame"], request["max_pixels"], ranges=ranges)
    return {"quality": assess_photo(path, loaded, request["max_side"]).to_json()}


def _send(replies: BinaryIO, header: dict[str, Any], parts: list[bytes]) -> None:
    replies.write(json.dumps({**header, "parts": [len(part) for part in parts]}).encode() + b"\n")
    for part in parts:
        replies.write(part)
    replies.flush()


def _set_limits(seconds: float, pixels: int) -> None:
    """Limit the time and memory from now on, where the system supports such limits."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # the unhandled signal ends the process even inside a decoder
    _limit_memory(PIXEL_BYTES * pixels + SPARE_BYTES)


def _clear_limits() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    _limit_memory(None)


def _limit_memory(extra_bytes: int | None) -> None:
    """Limit the address space to what is in use plus ``extra_bytes``; None removes the limit."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if extra_bytes is None:
            soft = hard
        else:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            limit = used + extra_bytes
            soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
