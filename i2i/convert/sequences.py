"""Files whose frames or pages go into one result: animations, and documents of several pages."""

import threading
from pathlib import Path
from typing import Literal

from PIL import Image

from i2i.convert.plan import Job
from i2i.errors import ImageError
from i2i.images import LoadedImage
from i2i.images.formats import FORMAT_BY_SUFFIX, HEIC_SUFFIXES

Frames = Literal["first", "all", "each"]
MAX_SEQUENCE_PIXELS = 500_000_000  # of all frames of one result, which are in memory together: 3 or 4 bytes each
_PAGE_SUFFIXES = {*FORMAT_BY_SUFFIX[".tif"].suffixes, *HEIC_SUFFIXES}  # these hold pages, without times


def fits_one_result(source: Path, kind: str) -> bool:
    """Return whether a file format holds all frames or pages of a source.

    Args:
        source: the file; its suffix tells pages from frames of an animation.
        kind: file format of the results, such as "webp". Pages go into TIFF only.
    """
    if kind == "npy":
        return False
    return kind == "tif" or (FORMAT_BY_SUFFIX[f".{kind}"].frames and source.suffix.lower() not in _PAGE_SUFFIXES)


def loses_times(job: Job) -> bool:
    """Return whether the frames of an animation become pages, which are not shown for a certain time each."""
    is_animation = job.frame_count > 1 and job.source.suffix.lower() not in _PAGE_SUFFIXES
    return is_animation and job.target.suffix.lower() in _PAGE_SUFFIXES


class FrameCollector:
    """Collects the translated frames of each job, which arrive in any order and from any thread."""

    def __init__(self) -> None:
        self._frames: dict[Job, dict[int, tuple[Image.Image, LoadedImage | None]]] = {}
        self._lock = threading.Lock()

    def add(
        self, job: Job, index: int, result: Image.Image, source: LoadedImage | None
    ) -> list[tuple[Image.Image, LoadedImage | None]] | None:
        """Add a frame. Returns the result and the source of all frames in order if they are complete, else None."""
        with self._lock:
            frames = self._frames.setdefault(job, {})
            frames[index] = result, source
            if len(frames) < job.frame_count:
                return None
            del self._frames[job]
        return [frames[index] for index in sorted(frames)]


def check_sequence_pixels(job: Job, size: tuple[int, int], scale: int) -> None:
    """Raise ImageError if the frames of a job do not fit the memory together.

    Args:
        job: the job.
        size: width and height of the first frame.
        scale: size of a result relative to its image.
    """
    pixels = job.frame_count * size[0] * size[1] * scale**2
    if job.frame_count > 1 and pixels > MAX_SEQUENCE_PIXELS:
        raise ImageError(
            f"{job.source} holds {job.frame_count} frames or pages, {pixels / 1e6:.0f} million pixels in all; one"
            f" result takes at most {MAX_SEQUENCE_PIXELS / 1e6:.0f} million. Use --frames each."
        )
