"""Clips as PyAV reads and writes them: upright RGB frames with their times, and the sound beside them.

PyAV is the extra "video", and is imported where a clip is.
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

QUALITY = 18  # constant rate factor of x264: taken for the source by most eyes
_ENCODERS = {"webm": ("libvpx-vp9", {"crf": "24", "b:v": "0", "row-mt": "1", "cpu-used": "4"})}
_H264 = ("libx264", {"crf": str(QUALITY), "preset": "medium"})
_MISSING_SECONDS, _MISSING_SHARE = 0.5, 0.02
# FFmpeg's numbers of colour matrices, and PyAV's names of them.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020"}
_LIMITED, _FULL = 1, 2
_KEPT = ("title", "artist", "copyright", "date", "creation_time")


def pyav() -> Any:
    """The library. Raises UsageError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise UsageError('Clips take PyAV, the extra "video": pip install av.') from error
    return av  # its log stays off, as it comes: turned on, a decoder's threads and Python wait for each other for ever


@dataclass(frozen=True)
class Look:
    """What a clip is like. size: upright. count: of frames, 0 where unknown. turn: quarters anticlockwise to upright.

    matrix, limited: how its colours are stored. Times are in seconds.
    """

    size: tuple[int, int]
    turn: int
    rate: Fraction
    count: int
    seconds: float
    matrix: str
    limited: bool


def look(path: Path, max_pixels: int) -> Look:
    """By a clip's first frame. Raises I2IError where there is none, or it is too large."""
    with opened(path) as container:
        if not container.streams.video:
            raise I2IError(f"{path} holds no video.")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > max_pixels:
            raise I2IError(f"{path} has frames of {context.width}x{context.height} pixels: more than are read.")
        frame = next(container.decode(stream), None)
        if frame is None:
            raise I2IError(f"{path} holds no frame that can be decoded.")
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        seconds = float(stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 1e6)
        turn = round(frame.rotation / 90) % 4
        size = (frame.width, frame.height) if turn % 2 == 0 else (frame.height, frame.width)
        # Where nothing is said, players take large pictures for BT.709, small ones for BT.601, and all for limited.
        matrix = _MATRICES.get(int(frame.colorspace), "ITU709" if frame.height >= 720 else "ITU601")
        limited = int(frame.color_range) != _FULL and not frame.format.name.startswith(("yuvj", "rgb", "gbr", "pal"))
        count = int(stream.frames or round(seconds * rate))
        return Look(size, turn, rate, count, seconds, matrix, limited)


def opened(path: Path) -> Any:
    """A clip opened for reading; to be used as a context. Raises I2IError where it is no regular file, or no clip."""
    av = pyav()
    if not path.is_file():
        raise I2IError(f"{path} is not a regular file." if path.exists() else f"{path} does not exist.")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise I2IError(f"{path} is damaged, or no clip: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """What FFmpeg says is wrong, in its few words."""
    return str(getattr(error, "strerror", None) or error).strip(". ")


class Source:
    """A clip being read; a context."""

    def __init__(self, path: Path, found: Look) -> None:
        self.path, self.found, self.end = path, found, 0.0
        self.container = opened(path)
        self.video = self.container.streams.video[0]
        self.video.thread_type = "AUTO"
        self.video.codec_context.options = {"err_detect": "explode"}
        self.others = [stream for stream in self.container.streams if stream.type in ("audio", "subtitle")]

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[tuple[Image.Image, Any] | Any]:
        """Frames, upright, each with the frame it was, and between them the packets of the other streams."""
        av = pyav()
        try:
            for packet in self.container.demux(self.video, *self.others):
                if packet.stream.index != self.video.index:
                    yield packet
                    continue
                for frame in packet.decode():
                    self.end = max(self.end, (frame.time or 0.0) + 1 / float(self.found.rate))
                    yield self._upright(frame), frame
        except av.error.FFmpegError as error:
            raise I2IError(f"{self.path} is damaged after {self.end:.1f} seconds: {reason(error)}.") from error
        start = float((self.video.start_time or 0) * self.video.time_base)
        missing = self.found.seconds - (self.end - start)
        if missing > max(_MISSING_SECONDS, _MISSING_SHARE * self.found.seconds):
            raise I2IError(
                f"{self.path} breaks off after {self.end - start:.1f} of {self.found.seconds:.1f} seconds: it is cut "
                "or damaged."
            )

    def _upright(self, frame: Any) -> Image.Image:
        av = pyav()
        matrices, ranges = av.video.reformatter.Colorspace, av.video.reformatter.ColorRange
        pixels = frame.reformat(
            format="rgb24",
            src_colorspace=matrices[self.found.matrix],
            src_color_range=ranges.MPEG if self.found.limited else ranges.JPEG,
            dst_color_range=ranges.JPEG,
        ).to_ndarray()
        return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, self.found.turn)))


class Target:
    """A clip being written, in the container that a suffix names; a context. size: of its frames."""

    def __init__(self, path: Path, suffix: str, source: Source, size: tuple[int, int], said: dict[str, str]) -> None:
        av = pyav()
        self.source, found = source, source.found
        try:
            self.container = av.open(str(path), "w", format=_format(av, suffix), options=_options(suffix))
        except (av.error.FFmpegError, ValueError) as error:
            raise UsageError(f"No container is known by the suffix {suffix!r}: .mp4, .mkv and .webm are.") from error
        codec, options = _ENCODERS.get(self.container.format.name, _H264)
        if codec not in self.container.supported_codecs and "h264" not in self.container.supported_codecs:
            codec, options = self.container.default_video_codec, {}
        self.even = codec != "gif"
        self.video = self.container.add_stream(codec, rate=found.rate, options=options)
        context = self.video.codec_context
        context.width, context.height = ((length + length % 2) if self.even else length for length in size)
        context.pix_fmt = "yuv420p" if codec in ("libx264", "libvpx-vp9") else context.codec.video_formats[0].name
        context.time_base = source.video.time_base
        inside = source.video.codec_context
        for name in ("color_primaries", "color_trc", "colorspace"):
            setattr(context, name, int(getattr(inside, name)))
        context.color_range = _LIMITED if found.limited else _FULL
        self.container.metadata.update({key: source.container.metadata[key] for key in _KEPT
                                        if key in source.container.metadata})  # fmt: skip
        self.container.metadata.update(said)
        self.copies = {stream.index: self._beside(stream) for stream in source.others}

    def _beside(self, stream: Any) -> tuple[Any, bool]:
        """The stream that another one goes into, and whether its packets go as they are. Nothing where it cannot."""
        if stream.codec_context.name in self.container.supported_codecs or stream.name in (
            self.container.supported_codecs
        ):
            with suppress(Exception):  # a template that the container does not take after all
                return self.container.add_stream_from_template(stream), True
        if stream.type == "audio" and self.container.default_audio_codec not in ("", "none"):
            return self.container.add_stream(self.container.default_audio_codec, rate=stream.rate), False
        return None, False

    def __enter__(self) -> "Target":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def write(self, image: Image.Image, like: Any) -> None:
        """A frame, at the time of another."""
        av = pyav()
        matrices, ranges = av.video.reformatter.Colorspace, av.video.reformatter.ColorRange
        pixels = np.asarray(image)
        if self.even and (image.width % 2 or image.height % 2):
            pixels = np.pad(pixels, ((0, image.height % 2), (0, image.width % 2), (0, 0)), mode="edge")
        found = self.source.found
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format=self.video.codec_context.pix_fmt,
            dst_colorspace=matrices[found.matrix],
            src_color_range=ranges.JPEG,
            dst_color_range=ranges.MPEG if found.limited else ranges.JPEG,
        )
        frame.pts, frame.time_base = like.pts, like.time_base
        self.container.mux(self.video.encode(frame))

    def pass_on(self, packet: Any) -> None:
        """A packet of another stream of the source."""
        stream, as_it_is = self.copies[packet.stream.index]
        if stream is None:
            return
        if not as_it_is:
            for frame in packet.decode():
                self.container.mux(stream.encode(frame))
        elif packet.dts is not None:
            packet.stream = stream
            self.container.mux(packet)

    def finish(self) -> None:
        """Write what encoders hold back, and the container's end."""
        self.container.mux(self.video.encode(None))
        for stream, as_it_is in self.copies.values():
            if stream is not None and not as_it_is:
                self.container.mux(stream.encode(None))
        self.container.close()


def _format(av: Any, suffix: str) -> str | None:
    """FFmpeg's name of the container: its own guess is by file names, and ours is temporary."""
    names = {".mkv": "matroska", ".m4v": "mp4", ".ts": "mpegts", ".mpg": "mpeg", ".ogv": "ogg", ".wmv": "asf"}
    name = names.get(suffix, suffix[1:])
    if name not in av.formats_available:
        raise ValueError(suffix)
    return name


def _options(suffix: str) -> dict[str, str]:
    return {"movflags": "+faststart+use_metadata_tags"} if suffix in (".mp4", ".mov", ".m4v") else {}
