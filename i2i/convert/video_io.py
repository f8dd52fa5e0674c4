"""Read and write videos with PyAV: upright RGB frames with their timestamps, and the audio and subtitle streams.

PyAV is installed by the extra "video". It is imported on first use.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import I2IError, UsageError

QUALITY = 18  # constant rate factor of x264: most people see no difference to the source
_ENCODERS = {"webm": ("libvpx-vp9", {"crf": "24", "b:v": "0", "row-mt": "1", "cpu-used": "4"})}
_H264 = ("libx264", {"crf": str(QUALITY), "preset": "medium"})
# A video is cut off if it is shorter than its header says by more than the larger of these.
_MAX_MISSING_SECONDS = 0.5
_MAX_MISSING_FRACTION = 0.02
# FFmpeg's numbers of colour matrices, and PyAV's names of them.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020"}
_LIMITED_RANGE = 1
_FULL_RANGE = 2
_COPIED_METADATA = ("title", "artist", "copyright", "date", "creation_time")


def pyav() -> Any:
    """Import PyAV. Raises UsageError if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise UsageError('Videos need PyAV, the extra "video": pip install av.') from error
    return av  # FFmpeg's log stays off, as is the default: with it, a decoder's threads and Python can deadlock


@dataclass(frozen=True)
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
    """

    size: tuple[int, int]
    rotation: int
    rate: Fraction
    count: int
    seconds: float
    matrix: str
    is_limited_range: bool


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
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        seconds = float(stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 1e6)
        rotation = round(frame.rotation / 90) % 4
        size = (frame.width, frame.height) if rotation % 2 == 0 else (frame.height, frame.width)
        # Without metadata, players assume BT.709 for large frames, BT.601 for small ones, and limited range.
        matrix = _MATRICES.get(int(frame.colorspace), "ITU709" if frame.height >= 720 else "ITU601")
        is_full_range = int(frame.color_range) == _FULL_RANGE
        is_limited_range = not is_full_range and not frame.format.name.startswith(("yuvj", "rgb", "gbr", "pal"))
        count = int(stream.frames or round(seconds * rate))
        return VideoInfo(size, rotation, rate, count, seconds, matrix, is_limited_range)


def open_video(path: Path) -> Any:
    """Open a video for reading, as a context. Raises I2IError if it is not a regular file or not a video."""
    av = pyav()
    if not path.is_file():
        raise I2IError(f"{path} is not a regular file." if path.exists() else f"{path} does not exist.")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise I2IError(f"{path} is damaged, or not a video: {ffmpeg_reason(error)}.") from error


def ffmpeg_reason(error: Exception) -> str:
    """Return FFmpeg's description of an error, without its final full stop."""
    return str(getattr(error, "strerror", None) or error).strip(". ")


class VideoReader:
    """A context that reads a video."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.path = path
        self.info = info
        self.end = 0.0  # seconds, of the last frame read
        self.container = open_video(path)
        self.video = self.container.streams.video[0]
        self.video.thread_type = "AUTO"
        self.video.codec_context.options = {"err_detect": "explode"}
        self.other_streams = [stream for stream in self.container.streams if stream.type in ("audio", "subtitle")]

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[tuple[Image.Image, Any] | Any]:
        """Yield each frame as an upright image and a decoder's frame, and each packet of the other streams.

        Raises: I2IError if the video is damaged or cut off.
        """
        av = pyav()
        try:
            for packet in self.container.demux(self.video, *self.other_streams):
                if packet.stream.index != self.video.index:
                    yield packet
                    continue
                for frame in packet.decode():
                    self.end = max(self.end, (frame.time or 0.0) + 1 / float(self.info.rate))
                    yield self._to_upright_image(frame), frame
        except av.error.FFmpegError as error:
            raise I2IError(f"{self.path} is damaged after {self.end:.1f} seconds: {ffmpeg_reason(error)}.") from error
        start = float((self.video.start_time or 0) * self.video.time_base)
        missing = self.info.seconds - (self.end - start)
        if missing > max(_MAX_MISSING_SECONDS, _MAX_MISSING_FRACTION * self.info.seconds):
            raise I2IError(
                f"{self.path} breaks off after {self.end - start:.1f} of {self.info.seconds:.1f} seconds: it is cut off"
                " or damaged."
            )

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


class VideoWriter:
    """A context that writes a video with the frame rate, colour space and other streams of its source.

    Args:
        path: the file.
        suffix: selects the container, such as ".mp4".
        source: the open source.
        size: width and height of the frames.
        metadata: metadata of the container, beside the source's.

    Raises: UsageError if no container has the suffix.
    """

    def __init__(
        self, path: Path, suffix: str, source: VideoReader, size: tuple[int, int], metadata: dict[str, str]
    ) -> None:
        av = pyav()
        self.source = source
        try:
            self.container = av.open(str(path), "w", format=_container_format(av, suffix), options=_options(suffix))
        except (av.error.FFmpegError, ValueError) as error:
            raise UsageError(f"No video container has the suffix {suffix!r}: use .mp4, .mkv or .webm.") from error
        codec, options = _ENCODERS.get(self.container.format.name, _H264)
        if codec not in self.container.supported_codecs and "h264" not in self.container.supported_codecs:
            codec, options = self.container.default_video_codec, {}
        self.needs_even_size = codec != "gif"
        self.video = self.container.add_stream(codec, rate=source.info.rate, options=options)
        self._set_frame_format(codec, size)
        kept = {key: source.container.metadata[key] for key in _COPIED_METADATA if key in source.container.metadata}
        self.container.metadata.update(kept)
        self.container.metadata.update(metadata)
        self.copies = {stream.index: self._add_stream_for(stream) for stream in source.other_streams}

    def _set_frame_format(self, codec: str, size: tuple[int, int]) -> None:
        """Set size, pixel format, time base and colour space of the frames."""
        source_context = self.source.video.codec_context
        context = self.video.codec_context
        width, height = size
        if self.needs_even_size:
            width += width % 2
            height += height % 2
        context.width = width
        context.height = height
        context.pix_fmt = "yuv420p" if codec in ("libx264", "libvpx-vp9") else context.codec.video_formats[0].name
        context.time_base = self.source.video.time_base
        for name in ("color_primaries", "color_trc", "colorspace"):
            setattr(context, name, int(getattr(source_context, name)))
        context.color_range = _LIMITED_RANGE if self.source.info.is_limited_range else _FULL_RANGE

    def _add_stream_for(self, stream: Any) -> tuple[Any, bool]:
        """Add a stream for another stream of the source.

        Returns: the new stream, or None if the container cannot hold it; and whether packets are copied unchanged.
        """
        codecs = self.container.supported_codecs
        if stream.codec_context.name in codecs or stream.name in codecs:
            with suppress(Exception):  # the container may still refuse the stream
                return self.container.add_stream_from_template(stream), True
        if stream.type == "audio" and self.container.default_audio_codec not in ("", "none"):
            return self.container.add_stream(self.container.default_audio_codec, rate=stream.rate), False
        return None, False

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def write(self, image: Image.Image, template: Any) -> None:
        """Write a frame with the timestamp of ``template``, a frame of the source."""
        av = pyav()
        matrices = av.video.reformatter.Colorspace
        ranges = av.video.reformatter.ColorRange
        pixels = np.asarray(image)
        if self.needs_even_size and (image.width % 2 or image.height % 2):
            pixels = np.pad(pixels, ((0, image.height % 2), (0, image.width % 2), (0, 0)), mode="edge")
        info = self.source.info
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format=self.video.codec_context.pix_fmt,
            dst_colorspace=matrices[info.matrix],
            src_color_range=ranges.JPEG,
            dst_color_range=ranges.MPEG if info.is_limited_range else ranges.JPEG,
        )
        frame.pts = template.pts
        frame.time_base = template.time_base
        self.container.mux(self.video.encode(frame))

    def copy_packet(self, packet: Any) -> None:
        """Copy a packet of another stream of the source, or encode it anew."""
        stream, is_unchanged = self.copies[packet.stream.index]
        if stream is None:
            return
        if not is_unchanged:
            for frame in packet.decode():
                self.container.mux(stream.encode(frame))
        elif packet.dts is not None:
            packet.stream = stream
            self.container.mux(packet)

    def finish(self) -> None:
        """Flush the encoders and write the end of the container."""
        self.container.mux(self.video.encode(None))
        for stream, is_unchanged in self.copies.values():
            if stream is not None and not is_unchanged:
                self.container.mux(stream.encode(None))
        self.container.close()


def _container_format(av: Any, suffix: str) -> str | None:
    """Return FFmpeg's name of a container. FFmpeg cannot guess it, because the file has a temporary name."""
    names = {".mkv": "matroska", ".m4v": "mp4", ".ts": "mpegts", ".mpg": "mpeg", ".ogv": "ogg", ".wmv": "asf"}
    name = names.get(suffix, suffix[1:])
    if name not in av.formats_available:
        raise ValueError(suffix)
    return name


def _options(suffix: str) -> dict[str, str]:
    return {"movflags": "+faststart+use_metadata_tags"} if suffix in (".mp4", ".mov", ".m4v") else {}
