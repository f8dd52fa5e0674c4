"""Write videos with PyAV: frames at the times of their source, with its sound, subtitles and colour space."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.convert.video_formats import (
    advice,
    chroma_loss,
    chroma_resolution,
    codec_name,
    container_for,
    ffmpeg_reason,
    pyav,
)
from i2i.convert.video_reader import VideoReader, default_matrix
from i2i.convert.video_sound import SoundEncoder
from i2i.errors import I2IError

_LIMITED_RANGE = 1
_FULL_RANGE = 2
_COPIED_METADATA = ("title", "artist", "copyright", "date", "creation_time")
_MILLISECOND = Fraction(1, 1000)
_MAX_TIME_ERROR = Fraction(2, 1000)  # seconds by which a frame may be moved to a multiple of the frame interval
_QUANTIZER = 2, 3  # smallest and largest quantizer of older codecs: about the quality of QUALITY
_BITS_PER_PIXEL = 4  # enough that these limits decide
_MAX_BIT_RATE = 100_000_000


class VideoWriter:
    """A context that writes a video with the frame times, colour space and other streams of its source.

    Args:
        path: the file.
        target: the final name of the file; its suffix selects the container.
        source: the open source.
        size: width and height of the frames.
        metadata: metadata of the container, beside the source's.

    Attributes:
        notices: sentences about what is not as in the source.

    Raises: I2IError if the container is unknown or cannot hold frames of this size, rate or of these times.
    """

    def __init__(
        self, path: Path, target: Path, source: VideoReader, size: tuple[int, int], metadata: dict[str, str]
    ) -> None:
        av = pyav()
        self.source = source
        self.target = target
        self.format = container_for(target)
        self.notices: list[str] = []
        self._last_pts: int | None = None
        self._origin = Fraction(0)  # the time in seconds that the container stores as 0
        self._start = source.start if self.format.timing != "any" else Fraction(0)
        rate = self._choose_rate()
        self.container = av.open(str(path), "w", format=self.format.format, options=self.format.options)
        try:
            self._add_video(rate, size)
            kept = {key: source.container.metadata[key] for key in _COPIED_METADATA if key in source.container.metadata}
            self.container.metadata.update({**kept, **metadata})
            self.copies = {stream.index: self._add_stream_for(stream) for stream in source.other_streams}
        except BaseException:
            self.container.close()
            raise
        self._note_losses()

    def _choose_rate(self) -> Fraction:
        """Return the rate, whose inverse is the time base of containers that store no time for each frame.

        Raises: I2IError if the container needs a constant rate and the frames do not have one.
        """
        info, stream = self.source.info, self.source.video
        if self.format.timing == "any":
            return info.rate
        times = self.source.stored_times()
        for rate in dict.fromkeys((info.rate, Fraction(stream.guessed_rate or info.rate))):
            positions = [round((time - times[0]) * rate) for time in times]
            errors = (abs(time - times[0] - position / rate) for time, position in zip(times, positions, strict=True))
            if self.format.timing == "constant":
                fits = positions == list(range(len(positions)))
            else:
                fits = len(set(positions)) == len(positions)
            if fits and max(errors, default=0) <= _MAX_TIME_ERROR:
                return rate
        if self.format.timing == "constant":
            raise I2IError(
                f"{self.target} cannot be written: {self.format.video.codec} needs a constant frame rate, and the times"
                f" of {self.source.path} vary. {advice(self.target)}"
            )
        return 1 / _MILLISECOND

    def _add_video(self, rate: Fraction, size: tuple[int, int]) -> None:
        """Add the stream of frames: size, pixel format, time base and colour space."""
        av = pyav()
        encoder = self.format.video
        self.video = self.container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        context = self.video.codec_context
        context.width, context.height = size
        is_odd = bool(size[0] % 2 or size[1] % 2)
        context.pix_fmt = encoder.odd_format if is_odd and encoder.odd_format else encoder.even_format
        context.time_base = self._time_base(rate)
        if encoder.fixed_quantizer:
            context.qmin, context.qmax = _QUANTIZER
            context.bit_rate = min(_MAX_BIT_RATE, round(_BITS_PER_PIXEL * size[0] * size[1] * self.source.info.rate))
        self._set_colour_space(size)
        ratio = self.source.video.sample_aspect_ratio
        if ratio:
            context.sample_aspect_ratio = 1 / ratio if self.source.info.rotation % 2 else ratio
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            frames = f"{size[0]}x{size[1]} pixels at {float(rate):.4g} frames a second"
            raise I2IError(
                f"{self.target} cannot be written: {encoder.codec} does not take frames of {frames}"
                f" ({ffmpeg_reason(error)}). {advice(self.target)}"
            ) from error

    def _time_base(self, rate: Fraction) -> Fraction:
        """Return the unit of frame times in seconds."""
        if self.format.timing != "any":
            return 1 / rate
        if self.format.video.fixed_quantizer:  # MS-MPEG-4 in ASF, whose times are in milliseconds
            return _MILLISECOND
        return Fraction(self.source.video.time_base)

    def _set_colour_space(self, size: tuple[int, int]) -> None:
        info, context = self.source.info, self.video.codec_context
        self._matrix, self._is_limited_range = default_matrix(size[1]), True
        if not self.format.video.has_colour_tags:
            return
        self._matrix, self._is_limited_range = info.matrix, info.is_limited_range
        source_context = self.source.video.codec_context
        for name in ("color_primaries", "color_trc", "colorspace"):
            setattr(context, name, int(getattr(source_context, name)))
        context.color_range = _LIMITED_RANGE if self._is_limited_range else _FULL_RANGE

    def _note_losses(self) -> None:
        """Note what is lost of the frames."""
        info, pixel_format = self.source.info, self.video.codec_context.pix_fmt
        if info.bits > 8:
            self.notices.append(f"frames have 8 bits a channel; those of the source have {info.bits}")
        if loss := chroma_loss(info.chroma, chroma_resolution(self.video.codec_context.format)):
            self.notices.append(loss)
        if info.has_alpha:
            self.notices.append("the transparency of the frames is left out")
        if pixel_format == "yuv444p":
            self.notices.append(
                "frames of odd width or height are stored as H.264 4:4:4, which some players do not show"
            )
        others = len(self.source.container.streams.video) - 1
        if others:
            self.notices.append(f"{others} more video {'stream is' if others == 1 else 'streams are'} left out")

    def _add_stream_for(self, stream: Any) -> Any:
        """Add a stream for another stream of the source.

        Returns: the new stream, to which packets are copied; an encoder; or None if the container cannot hold it.
        """
        av = pyav()
        codec = codec_name(stream)
        allowed = self.container.supported_codecs if self.format.copied is None else self.format.copied
        if codec in allowed:
            try:
                return self.container.add_stream_from_template(stream)
            except (av.error.FFmpegError, ValueError):  # the container may still refuse the stream
                pass
        if stream.type == "audio" and codec != "unknown":
            encoder = SoundEncoder(self.container, stream, self.format.audio)
            self.notices.append(encoder.notice)
            return encoder
        kind = "subtitles" if stream.type == "subtitle" else "sound"
        self.notices.append(f"{kind} ({codec}) are left out: {self.target.suffix.lower()} does not hold them")
        return None

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def write(self, image: Image.Image, time: Fraction) -> None:
        """Write a frame, to be shown from ``time`` (in seconds) on."""
        av = pyav()
        matrices = av.video.reformatter.Colorspace
        ranges = av.video.reformatter.ColorRange
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(
            format=self.video.codec_context.pix_fmt,
            dst_colorspace=matrices[self._matrix],
            src_color_range=ranges.JPEG,
            dst_color_range=ranges.MPEG if self._is_limited_range else ranges.JPEG,
        )
        time_base = self.video.codec_context.time_base
        if self._last_pts is None:  # the first frame is not later than in the source, the others are relative to it
            self._origin = time - (time - self._start) // time_base * time_base
            self._last_pts = -1
            if self.format.timing == "grid" and time - self._origin >= time_base:
                self.notices.append(
                    f"the first frame is shown from the start, {float(time - self._origin):.2f} seconds early: "
                    f"{self.target.suffix.lower()} stores no later start"
                )
        self._last_pts = max(round((time - self._origin) / time_base), self._last_pts + 1)
        frame.pts = self._last_pts
        frame.time_base = time_base
        self.container.mux(self.video.encode(frame))

    def copy_packet(self, packet: Any) -> None:
        """Copy a packet of another stream of the source, or encode it anew."""
        copy = self.copies[packet.stream.index]
        if isinstance(copy, SoundEncoder):
            for encoded in copy.encode(packet, self._start):
                self.container.mux(encoded)
        elif copy is not None and packet.dts is not None:
            start = round(self._start / packet.time_base)
            packet.dts -= start
            packet.pts = packet.dts if packet.pts is None else packet.pts - start
            packet.stream = copy
            self.container.mux(packet)

    def finish(self) -> None:
        """Flush the encoders and write the end of the container."""
        self.container.mux(self.video.encode(None))
        for copy in self.copies.values():
            if isinstance(copy, SoundEncoder):
                for encoded in copy.flush():
                    self.container.mux(encoded)
        self.container.close()
