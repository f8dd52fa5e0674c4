"""A reader module that misbehaves as its file's name says, as a decoder of a hostile file might."""

import os
import signal
import time
from pathlib import Path

from PIL import Image

from i2i.errors import ImageError
from i2i.images import LoadedImage

poisoned = False


class FrameReader:
    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        return (4, 3), 1

    def load_image(self, path: Path, frame: int, max_pixels: int, **options: object) -> LoadedImage:
        return load_image(path)


def load_image(path: Path) -> LoadedImage:
    global poisoned
    if poisoned:
        os.abort()
    if path.stem == "poison":
        poisoned = True
    if path.stem == "deaf":
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    if path.stem in ("hang", "deaf"):
        time.sleep(600)
    if path.stem == "crash":
        os.abort()
    if path.stem == "swell":
        bytearray(4_000_000_000)
    if path.stem == "fault":
        raise ZeroDivisionError("oops")
    if path.stem == "bad":
        raise ImageError("bad indeed")
    if path.stem == "chatter":
        print("a library's opinion", flush=True)
    if path.stem == "lie":
        os.write(3, b"no JSON\n" * 1000)
        os._exit(0)
    return LoadedImage(Image.new("RGB", (4, 3), (os.getpid() % 256, 1, 2)))
