"""A process that decodes pictures for another: python -m i2i.images.worker READER

What hangs, crashes or takes too much memory here ends this process and no other. Asked by lines of JSON on standard
input; answers on standard output by a line of JSON and as many bytes as it announces. No object crosses but numbers,
text and pixels, so that a decoder taken over by a hostile file cannot make the asking process run anything.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

from PIL import AvifImagePlugin, Image

from i2i.errors import PictureError

PIXEL_BYTES = 48  # of address space allowed for each pixel: composing alpha holds seven copies at four bytes
SPARE_BYTES = 512_000_000
_SECONDS_A_MILLION = 1.0


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("wb") as nowhere:  # C libraries have opinions, and print them
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    Image.MAX_IMAGE_PIXELS = None  # the reader checks sizes itself, and says what it found
    AvifImagePlugin.DEFAULT_MAX_THREADS = 2
    reader = importlib.import_module(sys.argv[1]).Frames()
    for line in sys.stdin.buffer:
        _reply(replies, *_done(reader, json.loads(line)))


def _done(reader: Any, asked: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    path, largest, seconds = Path(asked["path"]), asked["max_pixels"], asked["seconds"]
    try:
        _limit(seconds, largest)
        (width, height), frames = reader.look(path)
        if asked["task"] == "look":
            return {"size": (width, height), "frames": frames}, []
        pixels = min(width * height, largest)
        _limit(seconds + _SECONDS_A_MILLION * pixels / 1e6, largest if frames > 1 else pixels)
        photo = reader.read_photo(path, asked["frame"], largest)
    except PictureError as error:
        return {"error": str(error)}, []
    except MemoryError:
        return {"error": f"{path} takes more memory to decode than a picture of its size should."}, []
    except Exception as error:  # a fault of the reader's own: it is told, and the batch goes on
        return {"error": f"{path} could not be read: {type(error).__name__}: {error}."}, []
    finally:
        _no_limit()
    about = {"size": photo.image.size, "credits": dict(photo.source.credits), "generated": photo.source.generated}
    return about, [photo.image.tobytes(), photo.alpha.tobytes() if photo.alpha else b"", photo.source.exif]


def _reply(replies: BinaryIO, about: dict[str, Any], parts: list[bytes]) -> None:
    replies.write(json.dumps({**about, "parts": [len(part) for part in parts]}).encode() + b"\n")
    for part in parts:
        replies.write(part)
    replies.flush()


def _limit(seconds: float, pixels: int) -> None:
    """From here on, so much time and memory; where the system has no such limits, none."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # unhandled, it ends the process even inside a decoder
    _limit_memory(PIXEL_BYTES * pixels + SPARE_BYTES)


def _no_limit() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    _limit_memory(None)


def _limit_memory(more: int | None) -> None:
    """Allow ``more`` bytes of address space than are in use; None: any."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if more is None:
            soft = hard
        else:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            soft = used + more if hard == resource.RLIM_INFINITY else min(used + more, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
