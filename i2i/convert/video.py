"""Convert videos with a translator, frame by frame, with the sound, timestamps and colour space of the source."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.convert.api import ExistingPolicy, Result
from i2i.convert.plan import Job
from i2i.convert.video_formats import container_for, ffmpeg_reason, pyav
from i2i.convert.video_reader import VideoReader, probe_video
from i2i.convert.video_writer import VideoWriter
from i2i.errors import I2IError, UsageError, io_errors
from i2i.images import MAX_PIXELS, Provenance
from i2i.images.downscale import downscaled_to_fit
from i2i.images.files import fsync_folder, remove_unfinished, temporary_path
from i2i.images.metadata import provenance_comment
from i2i.inference.postprocessing import PendingImage
from i2i.inference.temporal_norm import TemporalNorm
from i2i.inference.translator import Translator

_SCENE_CHANGE = 25.0  # mean difference, in levels of 255, between small copies of two frames of different scenes
_STILL_LEVELS = 3  # source pixels that change by at most this many levels count as still
_FLICKER_SIDE = 512  # pixels of the longer side at which flicker is measured
Progress = Callable[[int, int], None]  # called with the number of frames done, and in total (0 if unknown)
Frame = tuple[Image.Image, Fraction]  # upright image, and its time in seconds


@dataclass(frozen=True)
class VideoResult:
    """The outcome of a video.

    Attributes:
        frames: number of frames.
        flicker: mean change of translated pixels from frame to frame, in levels of 255, where the source is still.
        notices: sentences about what is not as in the source, such as sound that was encoded anew.
    """

    frames: int
    flicker: float
    notices: tuple[str, ...] = ()


def convert_videos(
    translate: Translator,
    jobs: Sequence[Job],
    *,
    existing: ExistingPolicy = "continue",
    on_done: Callable[[Job, VideoResult], None] = lambda job, result: None,
    **options: Any,
) -> Result:
    """Convert videos one after the other. A video that fails does not stop the others.

    Args:
        translate: the translator.
        jobs: the videos.
        existing: "overwrite" replaces existing results, any other value keeps them.
        on_done: called for each converted video.
        options: keyword arguments of ``convert_video``.
    """
    result = Result()
    start = time.monotonic()
    for job in pending_videos(jobs, existing, result):
        try:
            video = convert_video(translate, job.source, job.target, **options)
            result.notices += [(job.source, notice) for notice in video.notices]
            on_done(job, video)
        except UsageError:
            raise
        except I2IError as error:
            result.failed.append((job.source, str(error)))
        except Exception as error:  # any error of a video is reported, and the next one is converted
            reason = f"{job.source} could not be converted: {type(error).__name__}: {error}."
            result.failed.append((job.source, reason))
        except KeyboardInterrupt:
            result.stopped = True
            break
        else:
            result.converted.append((job.source, job.target))
    result.seconds = time.monotonic() - start
    return result


def pending_videos(jobs: Sequence[Job], existing: ExistingPolicy, result: Result) -> list[Job]:
    """Return the jobs to be done. The others are added to ``result.skipped`` with their reason."""
    skipped = [job for job in jobs if job.target.exists() and existing != "overwrite"]
    result.skipped += [
        (job.source, job.target, f"{job.target} exists already (--overwrite replaces it)") for job in skipped
    ]
    return [job for job in jobs if job not in skipped]


def convert_video(
    translate: Translator,
    source: Path,
    target: Path,
    *,
    stabilize: bool = False,
    provenance: Provenance | None = None,
    max_pixels: int = MAX_PIXELS,
    max_side: int | None = None,
    progress: Progress = lambda done, total: None,
) -> VideoResult:
    """Convert a video. The target exists only when it is complete.

    Args:
        translate: the translator.
        source: the video.
        target: the result; its suffix selects the container.
        stabilize: whether to reduce flicker, see ``TemporalNorm``.
        provenance: the model, as the result names it in its metadata.
        max_pixels: pixels of the largest frame that is read.
        max_side: frames with a longer side are downscaled to this many pixels first; None to keep their size.
        progress: called after each batch.

    Raises: I2IError if the source is damaged, cut off or not a video, or if the container is unknown or cannot hold it;
        UsageError if PyAV is not installed.
    """
    av = pyav()
    container_for(target)
    info = probe_video(source, max_pixels)
    if target.exists() and target.samefile(source):
        raise UsageError(f"{source} would be written over itself. Choose another --out.")
    frame_size = downscaled_to_fit(info.size, max_side or max(info.size))
    size = frame_size[0] * translate.scale, frame_size[1] * translate.scale
    metadata = {"comment": provenance_comment(provenance)} if provenance else {}
    unfinished = temporary_path(target)
    with io_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished([target.parent], target.name)
            with (
                VideoReader(source, info) as reader,
                VideoWriter(unfinished, target, reader, size, metadata) as writer,
            ):
                with translate.temporal_norm(float(info.rate)) if stabilize else nullcontext() as temporal_norm:
                    result = _translate_frames(translate, reader, writer, frame_size, temporal_norm, progress)
                writer.finish()
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
            fsync_folder(target.parent)
        except av.error.FFmpegError as error:
            raise I2IError(f"{target} could not be written: {ffmpeg_reason(error)}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
    return result


def _translate_frames(
    translate: Translator,
    reader: VideoReader,
    writer: VideoWriter,
    frame_size: tuple[int, int],
    temporal_norm: TemporalNorm | None,
    progress: Progress,
) -> VideoResult:
    """Translate batch by batch. A batch is submitted before the one before it is written."""
    flicker_meter = _FlickerMeter()
    done = 0
    submitted = deque[tuple[Sequence[Frame], Sequence[PendingImage]]]()

    def write_oldest_batch() -> None:
        nonlocal done
        frames, pending = submitted.popleft()
        for (image, seconds), wait in zip(frames, pending, strict=True):
            translated = wait()
            flicker_meter.update(image, translated)
            writer.write(translated, seconds)
        done += len(frames)
        progress(done, reader.info.count)

    progress(0, reader.info.count)
    batch_size = translate.preferred_batch_size(translate.padded_size(frame_size))
    for frames, is_new_scene in _batches(reader, writer, frame_size, batch_size):
        if temporal_norm is not None and is_new_scene:
            temporal_norm.reset()
        submitted.append((frames, translate.submit([image for image, _ in frames])))
        if len(submitted) > 1:
            write_oldest_batch()
    while submitted:
        write_oldest_batch()
    progress(done, done)
    return VideoResult(done, flicker_meter.value(), tuple(writer.notices))


def _batches(
    reader: VideoReader, writer: VideoWriter, frame_size: tuple[int, int], batch_size: int
) -> Iterator[tuple[list[Frame], bool]]:
    """Yield batches of frames of one scene, and whether each begins a scene. Other packets are copied."""
    batch: list[Frame] = []
    is_new_scene = True
    previous = None
    for item in reader:
        if not isinstance(item, tuple):
            writer.copy_packet(item)
            continue
        small = np.asarray(item[0].convert("L").resize((32, 32), Image.Resampling.BOX), dtype=np.float32)
        is_cut = previous is not None and float(np.abs(small - previous).mean()) > _SCENE_CHANGE
        previous = small
        if batch and (is_cut or len(batch) == batch_size):
            yield batch, is_new_scene
            batch = []
            is_new_scene = is_cut
        image, decoder_frame = item
        if frame_size != reader.info.size:
            image = image.resize(frame_size, Image.Resampling.LANCZOS)
        batch.append((image, decoder_frame))
    if batch:
        yield batch, is_new_scene


class _FlickerMeter:
    """Measures how much translated pixels change from frame to frame where the source is still."""

    def __init__(self) -> None:
        self._previous: tuple[np.ndarray, np.ndarray] | None = None
        self._total_change = 0.0
        self._still_pixels = 0

    def update(self, image: Image.Image, translated: Image.Image) -> None:
        """Add a source frame and its translation."""
        size = self._measured_size(image)
        current = _resized_levels(image, size), _resized_levels(translated, size)
        if self._previous is not None:
            is_still = np.abs(current[0] - self._previous[0]).max(2) <= _STILL_LEVELS
            self._total_change += float(np.abs(current[1] - self._previous[1]).mean(2)[is_still].sum())
            self._still_pixels += int(is_still.sum())
        self._previous = current

    def _measured_size(self, image: Image.Image) -> tuple[int, int]:
        scale = min(1.0, _FLICKER_SIDE / max(image.size))
        return max(1, round(image.width * scale)), max(1, round(image.height * scale))

    def value(self) -> float:
        """Return the mean change, in levels of 255."""
        return self._total_change / self._still_pixels if self._still_pixels else 0.0


def _resized_levels(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(image.resize(size, Image.Resampling.BOX)).astype(np.int16)
