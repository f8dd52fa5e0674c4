"""Clips through a translator: frame by frame, with the sound, the times and the colours of the source."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.convert import Existing, Result
from i2i.convert.manifest import clear_unfinished
from i2i.convert.plan import Job
from i2i.convert.video_io import Source, Target, look, pyav, reason
from i2i.errors import I2IError, UsageError
from i2i.images import MAX_PIXELS, Provenance
from i2i.images.files import flush_folder, temporary_name
from i2i.images.metadata import digital_source
from i2i.inference.temporal_norm import Steady
from i2i.inference.translator import Pending, Translator

_CUT = 25.0  # levels by which a small copy of a frame differs from the one before where a new scene begins
_STILL = 3  # levels: what changes less in the source has not moved
Progress = Callable[[int, int], None]  # is told the frames done, and all, 0 where that is unknown
Frame = tuple[Image.Image, Any]  # upright, and as the decoder gave it


@dataclass(frozen=True)
class ClipResult:
    """flicker: levels by which translated pixels change from frame to frame, on average, where the source does not."""

    frames: int
    flicker: float


def convert_clips(
    translate: Translator,
    jobs: Sequence[Job],
    *,
    existing: Existing = "continue",
    tell: Callable[[Job, ClipResult], None] = lambda job, result: None,
    **how: Any,
) -> Result:
    """One clip after the other. Those that are there are left, unless they are to be overwritten.

    tell: is told of each. how: see ``convert_clip``.
    """
    found, began = Result(), time.monotonic()
    for job in clips_to_do(jobs, existing, found):
        try:
            tell(job, convert_clip(translate, job.source, job.target, **how))
        except UsageError:
            raise
        except I2IError as error:
            found.failed.append((job.source, str(error)))
        except Exception as error:  # as of a picture: whatever it is, it is told, and the next one is converted
            told = f"{job.source} could not be converted: {type(error).__name__}: {error}."
            found.failed.append((job.source, told))
        except KeyboardInterrupt:
            found.stopped = True
            break
        else:
            found.converted.append((job.source, job.target))
    found.seconds = time.monotonic() - began
    return found


def clips_to_do(jobs: Sequence[Job], existing: Existing, result: Result) -> list[Job]:
    """The jobs to be done; the others are noted in ``result`` as skipped, each with its reason."""
    there = [job for job in jobs if job.target.exists() and existing != "overwrite"]
    result.skipped += [
        (job.source, job.target, f"{job.target} is there already (--overwrite redoes it)") for job in there
    ]
    return [job for job in jobs if job not in there]


def convert_clip(
    translate: Translator,
    source: Path,
    target: Path,
    *,
    stabilize: bool = False,
    provenance: Provenance | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = lambda done, total: None,
) -> ClipResult:
    """Translate a clip; ``target``'s suffix names the container, and the file is whole or not there.

    stabilize: less flicker, see ``Steady``. Raises I2IError where the source is damaged, cut off or no clip; UsageError
    where the container is unknown or PyAV is missing.
    """
    av, found = pyav(), look(source, max_pixels)
    if target.exists() and target.samefile(source):
        raise UsageError(f"{source} would be written over itself. Choose another --out.")
    size = found.size[0] * translate.scale, found.size[1] * translate.scale
    said = {"comment": digital_source(provenance)} if provenance else {}
    unfinished = temporary_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_unfinished([target.parent], target.name)
        with Source(source, found) as clip, Target(unfinished, target.suffix.lower(), clip, size, said) as result:
            steady = Steady(translate.network, float(found.rate)) if stabilize else None
            with steady or nullcontext():
                told = _translated(translate, clip, result, steady, progress)
            result.finish()
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
        flush_folder(target.parent)
    except av.error.FFmpegError as error:
        raise I2IError(f"{target} could not be written: {reason(error)}.") from error
    except OSError as error:
        raise I2IError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return told


def _translated(
    translate: Translator, clip: Source, result: Target, steady: Steady | None, progress: Progress
) -> ClipResult:
    """Batch by batch, each begun before the one before it is written."""
    watch, done, ahead = _Watch(), 0, deque[tuple[Sequence[Frame], Sequence[Pending]]]()

    def write() -> None:
        nonlocal done
        frames, pending = ahead.popleft()
        for (image, frame), wait in zip(frames, pending, strict=True):
            translated = wait()
            watch.see(image, translated)
            result.write(translated, frame)
        done += len(frames)
        progress(done, clip.found.count)

    progress(0, clip.found.count)
    at_once = translate.at_once(translate.padded(clip.found.size))
    for frames, new_scene in _batches(clip, result, at_once):
        if steady is not None and new_scene:
            steady.forget()
        ahead.append((frames, translate.begin([image for image, _ in frames])))
        if len(ahead) > 1:
            write()
    while ahead:
        write()
    return ClipResult(done, watch.flicker())


def _batches(clip: Source, result: Target, at_once: int) -> Iterator[tuple[list[Frame], bool]]:
    """Frames of one scene that go through together, and whether a scene begins with them."""
    waiting, new_scene, before = list[Frame](), True, None
    for found in clip:
        if not isinstance(found, tuple):
            result.pass_on(found)
            continue
        small = np.asarray(found[0].convert("L").resize((32, 32), Image.Resampling.BOX), dtype=np.float32)
        cut = before is not None and float(np.abs(small - before).mean()) > _CUT
        before = small
        if waiting and (cut or len(waiting) == at_once):
            yield waiting, new_scene
            waiting, new_scene = [], cut
        waiting.append(found)
    if waiting:
        yield waiting, new_scene


class _Watch:
    """Sees frames with their translations, and how steady these are."""

    def __init__(self) -> None:
        self.before: tuple[np.ndarray, np.ndarray] | None = None
        self.change, self.pixels = 0.0, 0

    def see(self, image: Image.Image, translated: Image.Image) -> None:
        small = [np.asarray(one.resize(self._size(image), Image.Resampling.BOX)) for one in (image, translated)]
        now = small[0].astype(np.int16), small[1].astype(np.int16)
        if self.before is not None:
            still = np.abs(now[0] - self.before[0]).max(2) <= _STILL
            self.change += float(np.abs(now[1] - self.before[1]).mean(2)[still].sum())
            self.pixels += int(still.sum())
        self.before = now

    def _size(self, image: Image.Image) -> tuple[int, int]:
        share = min(1.0, 512 / max(image.size))
        return max(1, round(image.width * share)), max(1, round(image.height * share))

    def flicker(self) -> float:
        return self.change / self.pixels if self.pixels else 0.0
