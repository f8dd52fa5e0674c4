"""Read videos with PyAV: upright RGB frames with their times, and the packets of sound and subtitles.

PyAV is installed by the extra "video". It is imported on first use.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.convert.video_formats import Chroma, chroma_resolution, ffmpeg_reason, pyav
from i2i.errors import I2IError

# A video is cut off if it is shorter than its header says by more than the larger of these.
_MAX_MISSING_SECONDS = 0.5
_MAX_MISSING_FRACTION = 0.02
# FFmpeg's numbers of colour matrices, and PyAV's names of them.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020"}
_FULL_RANGE = 2
_DEFAULT_RATE = 25
_MICROSECONDS = 1_000_000  # FFmpeg's unit of the times of a container
# FFmpeg's names of containers that store one time for each packet, in decoding order.
_ONE_TIME_FORMATS = {"avi", "asf"}
_BROADCAST_FORMATS = {"mpegts", "mpeg"}  # whose clock may start at any time
_STREAM_DURATION_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2", "avi"}  # whose headers have a duration for each stream


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Properties of a video.

    Attributes:
        size: width and height of upright frames.
        rotation: quarter turns anticlockwise that make a frame upright.
        rate: frames per second.
        count: number of frames, 0 if unknown.
        seconds: duration.
        matrix: PyAV's name of the colour matrix.
        is_limited_range: whether levels have limited range (16 to 235) instead of full range.
        pixel_format: FFmpeg's name of the pixel format.
        bits: bits of a channel.
        has_alpha: whether there is transparency.
        chroma: width and height at which colours are stored, see ``chroma_resolution``.
    """

    size: tuple[int, int]
    rotation: int
    rate: Fraction
    count: int
    seconds: float
    matrix: str
    is_limited_range: bool
    pixel_format: str
    bits: int
    has_alpha: bool
    chroma: Chroma = (0.0, 0.0)


def probe_video(path: Path, max_pixels: int) -> VideoInfo:
    """Read the properties of a video from its header and first frame.

    Raises: I2IError if there is no frame, or a frame has more than ``max_pixels``.
    """
    with open_video(path) as container:
        if not container.streams.video:
            raise I2IError(f"{path} holds no video.")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > max_pixels:
            raise I2IError(
                f"{path} has frames of {context.width}x{context.height} pixels; the limit is {max_pixels} pixels."
            )
        frame = next(container.decode(stream), None)
        if frame is None:
            raise I2IError(f"{path} holds no frame that can be decoded.")
        return _info(container, stream, frame)


def _info(container: Any, stream: Any, frame: Any) -> VideoInfo:
    rate = Fraction(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
    seconds = float(
        stream.duration * stream.time_base if stream.duration else (container.duration or 0) / _MICROSECONDS
    )
    rotation = round(frame.rotation / 90) % 4
    is_full_range = int(frame.color_range) == _FULL_RANGE
    return VideoInfo(
        size=(frame.width, frame.height) if rotation % 2 == 0 else (frame.height, frame.width),
        rotation=rotation,
        rate=rate,
        count=int(stream.frames or round(seconds * rate)),
        seconds=seconds,
        # Without metadata, players assume BT.709 for large frames and BT.601 for small ones, and limited range.
        matrix=_MATRICES.get(int(frame.colorspace), default_matrix(frame.height)),
        is_limited_range=not is_full_range and not frame.format.name.startswith(("yuvj", "rgb", "gbr", "pal")),
        pixel_format=frame.format.name,
        bits=max(component.bits for component in frame.format.components),
        has_alpha=any(component.is_alpha for component in frame.format.components),
        chroma=chroma_resolution(frame.format),
    )


def default_matrix(height: int) -> str:
    """Return PyAV's name of the colour matrix that players assume for frames of ``height`` pixels without metadata."""
    return "ITU709" if height >= 720 else "ITU601"


def open_video(path: Path) -> Any:
    """Open a video for reading, as a context. Raises I2IError if it is not a regular file or not a video."""
    av = pyav()
    if not path.is_file():
        raise I2IError(f"{path} is not a regular file." if path.exists() else f"{path} does not exist.")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise I2IError(f"{path} is damaged, or not a video: {ffmpeg_reason(error)}.") from error


class FrameTimes:
    """Determine the times of frames, in seconds. They always increase.

    Containers that store one time for each packet have no presentation times. Frames leave the decoder in order, so
    each gets the earliest time of the packets that the decoder has got. A frame without a time, or with one that is not
    later than that of the frame before, is shown one frame interval after it.

    Args:
        container: the open video.
        rate: frames per second.
    """

    def __init__(self, container: Any, rate: Fraction) -> None:
        self._one_time = container.format.name in _ONE_TIME_FORMATS
        self._interval = 1 / rate
        self._packet_times: list[Fraction] = []
        self._last: Fraction | None = None

    def add_packet(self, packet: Any) -> None:
        """Note the time of a packet that the decoder gets."""
        stored = packet.pts if packet.dts is None else packet.dts
        if self._one_time and stored is not None:
            heapq.heappush(self._packet_times, stored * packet.time_base)

    def next(self, pts: int | None, time_base: Fraction) -> Fraction:
        """Return the time of the next frame.

        Args:
            pts: its presentation time as stored, in units of ``time_base``.
            time_base: in seconds.
        """
        if self._one_time:
            time = heapq.heappop(self._packet_times) if self._packet_times else None
        else:
            time = None if pts is None else pts * time_base
        if self._last is not None and (time is None or time <= self._last):
            time = self._last + self._interval
        self._last = time if time is not None else Fraction(0)
        return self._last


class VideoReader:
    """A context that reads a video.

    Attributes:
        info: its properties.
        video: its stream of frames.
        other_streams: its streams of sound and subtitles.
        start: time in seconds at which the earliest stream starts, as given out.
    """

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.path = path
        self.info = info
        self.end = Fraction(0)  # seconds, of the last frame read
        self.container = open_video(path)
        self.video = self.container.streams.video[0]
        self.video.thread_type = "AUTO"
        self.video.codec_context.options = {"err_detect": "explode"}
        self.other_streams = [stream for stream in self.container.streams if stream.type in ("audio", "subtitle")]
        start = Fraction(self.container.start_time or 0, _MICROSECONDS)
        self._shift = start if self.container.format.name in _BROADCAST_FORMATS else Fraction(0)
        self.start = start - self._shift
        self._others_end = Fraction(0)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[tuple[Image.Image, Fraction] | Any]:
        """Yield each frame as an upright image with its time in seconds, and each packet of the other streams.

        Raises: I2IError if the video is damaged or cut off.
        """
        av = pyav()
        times = FrameTimes(self.container, self.info.rate)
        try:
            for packet in self.container.demux(self.video, *self.other_streams):
                if packet.stream.index != self.video.index:
                    yield self._shifted(packet)
                    continue
                times.add_packet(packet)
                for frame in packet.decode():
                    time = times.next(frame.pts, frame.time_base) - self._shift
                    self.end = time + 1 / self.info.rate
                    yield self._to_upright_image(frame), time
        except av.error.FFmpegError as error:
            seconds = float(self.end)
            raise I2IError(f"{self.path} is damaged after {seconds:.1f} seconds: {ffmpeg_reason(error)}.") from error
        self._check_complete()

    def _shifted(self, packet: Any) -> Any:
        """Return a packet of another stream with its time counted from the shift."""
        if packet.dts is not None:
            offset = round(self._shift / packet.time_base)
            packet.dts -= offset
            if packet.pts is not None:
                packet.pts -= offset
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self._others_end = max(self._others_end, end)
        return packet

    def _check_complete(self) -> None:
        """Raise I2IError if the video is shorter than its header says.

        A header with one duration for all streams states the end of the last of them.
        """
        if self.container.format.name == "asf" and self.video.duration:
            # FFmpeg gives each stream the duration of the file, and adds the start of the stream to it.
            end, expected = max(self.end, self._others_end), float(self.video.duration * self.video.time_base)
        elif self.video.duration and self.container.format.name in _STREAM_DURATION_FORMATS:
            end = self.end - (self.video.start_time or 0) * self.video.time_base
            expected = float(self.video.duration * self.video.time_base)
        else:
            end = max(self.end, self._others_end)
            expected = (self.container.duration or 0) / _MICROSECONDS
        if expected - end > max(_MAX_MISSING_SECONDS, _MAX_MISSING_FRACTION * expected):
            raise I2IError(
                f"{self.path} breaks off after {float(end):.1f} of {expected:.1f} seconds: it is cut off or damaged."
            )

    def stored_times(self) -> list[Fraction]:
        """Return the times of all frames in seconds, from the packets, without decoding.

        Raises: I2IError if the video is damaged.
        """
        av = pyav()
        times = []
        try:
            with open_video(self.path) as container:
                one_time = container.format.name in _ONE_TIME_FORMATS
                for packet in container.demux(container.streams.video[0]):
                    stored = packet.dts if one_time or packet.pts is None else packet.pts
                    if packet.size and stored is not None:
                        times.append(stored * packet.time_base - self._shift)
        except av.error.FFmpegError as error:
            raise I2IError(f"{self.path} is damaged: {ffmpeg_reason(error)}.") from error
        return sorted(times)

    def _to_upright_image(self, frame: Any) -> Image.Image:
        av = pyav()
        matrices = av.video.reformatter.Colorspace
        ranges = av.video.reformatter.ColorRange
        pixels = frame.reformat(
            format="rgb24",
            src_colorspace=matrices[self.info.matrix],
            src_color_range=ranges.MPEG if self.info.is_limited_range else ranges.JPEG,
            dst_color_range=ranges.JPEG,
        ).to_ndarray()
        return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, self.info.rotation)))
