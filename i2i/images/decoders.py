"""Decoding in separate processes, so that no file can crash or block the calling process."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images.channel_transport import channels_from_parts, channels_shape, header_from_json
from i2i.images.channels import ChannelHeader, ChannelImage
from i2i.images.decoder_process import DecoderDied, DecoderProcess
from i2i.images.deep import DeepImage
from i2i.images.formats import MAX_PIXELS
from i2i.images.metadata import SourceMetadata
from i2i.images.quality import PhotoQuality
from i2i.images.reading import LoadedImage, ProfilePolicy
from i2i.images.sample_types import BYTES_PER_PIXEL
from i2i.images.value_range import SampleSummary, ValueRanges, ranges_to_json, summary_from_json

TIMEOUT_SECONDS = 60.0  # for one image, and one second more for each million pixels
_STARTUP_SECONDS = 60.0  # that a process may take to start, on the slowest machine


class DecoderPool:
    """Runs ``load_image`` in a pool of processes. Any number of threads may call it; they wait for a free process.

    A file that takes longer than the timeout, takes far more memory than an image of its size should, or crashes its
    decoder raises ImageError, as any damaged file does. Its process is replaced by a new one.

    Args:
        count: number of processes.
        max_pixels: the largest image that is decoded.
        seconds: timeout for one image; one second is added for each million pixels.
        reader: name of the module whose ``FrameReader`` reads the files.
        deep: whether images have 16 bits too, if their files have more than 8.
    """

    def __init__(
        self,
        count: int,
        *,
        max_pixels: int = MAX_PIXELS,
        seconds: float = TIMEOUT_SECONDS,
        reader: str = "i2i.images.reading",
        deep: bool = False,
    ) -> None:
        self.deep = deep
        self.profiles: ProfilePolicy = "convert"  # see ``load_image``
        self.max_pixels = max_pixels
        self.seconds = seconds
        self._workers = [DecoderProcess(reader) for _ in range(count)]
        self._free: SimpleQueue[DecoderProcess] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def start(self) -> None:
        """Start all processes now, in parallel with the caller's next work. Otherwise each starts when needed."""
        for worker in self._workers:
            worker.start()

    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        """Return (width, height) as stored, and the number of frames."""
        with self._request("probe", path) as (reply, _):
            return (int(reply["size"][0]), int(reply["size"][1])), int(reply["frames"])

    def measure(self, path: Path) -> SampleSummary | None:
        """Return what ``measure_unfixed`` returns."""
        with self._request("measure", path) as (reply, _):
            return summary_from_json(reply["summary"])

    def assess(
        self, path: Path, frame: int = 0, *, ranges: ValueRanges | None = None, max_side: int | None = None
    ) -> PhotoQuality:
        """Return the quality of a frame, see ``assess_photo``."""
        options = {"frame": frame, "ranges": ranges_to_json(ranges or {}), "max_side": max_side}
        with self._request("assess", path, **options) as (reply, _):
            return PhotoQuality.from_json(reply["quality"])

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        """Read a frame as ``load_image`` does."""
        options = {"frame": frame, "ranges": ranges_to_json(ranges or {}), "deep": self.deep, "profiles": self.profiles}
        with self._request("read", path, **options) as (reply, read_exactly):
            width = int(reply["size"][0])
            height = int(reply["size"][1])
            lengths = [int(length) for length in reply["parts"]]
            self._check_lengths(lengths, width * height)
            pixels, alpha, exif, deep, profile = (read_exactly(length) for length in lengths)
        credits = {str(name): tuple(map(str, values)) for name, values in reply["credits"].items()}
        loaded = LoadedImage(
            Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(height, width, 3)),
            Image.fromarray(np.frombuffer(alpha, np.uint8).reshape(height, width)) if alpha else None,
            SourceMetadata(
                exif=bytes(exif), credits=credits, generated=bool(reply["generated"]), print_size=_print_size(reply),
                duration=float(reply["duration"]), plays=int(reply["plays"]), profile=bytes(profile),
            ),
            summary_from_json(reply["unusual"]),
            bool(reply["grey"]),
            deep=DeepImage(np.frombuffer(deep, np.uint16).reshape(height, width, 3)) if deep else None,
        )  # fmt: skip
        return loaded.blended() if blend else loaded

    def read_channel_header(self, path: Path) -> ChannelHeader:
        """Return what the header of a file states, as ``i2i.images.channels.read_channel_header`` does."""
        with self._request("header", path) as (reply, _):
            return header_from_json(reply)

    def read_channels(self, path: Path, channels: int | None = None) -> ChannelImage:
        """Read the samples of a file as ``i2i.images.channels.read_channels`` does."""
        limit = BYTES_PER_PIXEL * self.max_pixels
        with self._request("channels", path, channels=channels) as (reply, read_exactly):
            shape, dtype = channels_shape(reply, limit)
            (length,) = map(int, reply["parts"])
            if length != math.prod(shape) * dtype.itemsize:
                raise DecoderDied
            return channels_from_parts(reply, read_exactly(length), limit)

    def _check_lengths(self, lengths: list[int], pixels: int) -> None:
        """Check the announced bytes of pixels and alpha. A decoder taken over by a file may announce anything."""
        if (
            pixels > self.max_pixels
            or lengths[0] != 3 * pixels
            or lengths[1] not in (0, pixels)
            or lengths[3] not in (0, 6 * pixels)
        ):
            raise DecoderDied

    @contextmanager
    def _request(
        self, task: str, path: Path, **options: Any
    ) -> Iterator[tuple[dict[str, Any], Callable[[int], bytearray]]]:
        """Send a request to a free process. Yields the reply and a function that reads the bytes after it."""
        request = {"task": task, "path": str(path), "max_pixels": self.max_pixels, **options}
        worker = self._free.get()
        # The process times out by itself, unless the system has no timer or the file has disabled the signal.
        worker.start_timeout(_STARTUP_SECONDS + 3 * self.seconds + self.max_pixels / 1e6)
        try:
            reply = worker.request({**request, "seconds": self.seconds})
            if "error" in reply:
                raise ImageError(str(reply["error"]))
            yield reply, worker.read_exactly
        except ImageError:
            raise
        except MemoryError as error:
            worker.end()  # the rest of its output must not be taken for the next reply
            raise ImageError(f"{path} takes more memory to decode than there is.") from error
        except Exception as error:  # the process has ended, cannot be started, or sent an invalid reply
            raise ImageError(f"{path} {worker.end()}.") from error
        except BaseException:
            worker.end()
            raise
        finally:
            worker.cancel_timeout()
            self._free.put(worker)

    def close(self) -> None:
        """End all processes, whatever they are doing. Later reads raise ImageError."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> "DecoderPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _print_size(reply: dict[str, Any]) -> tuple[float, float] | None:
    inches = reply["print_size"]
    return (float(inches[0]), float(inches[1])) if inches else None
