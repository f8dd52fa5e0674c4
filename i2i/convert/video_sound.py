"""Encode the sound of a video anew, for containers that do not hold its codec."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from i2i.convert.video_formats import codec_name, pyav

_FALLBACK_SAMPLE_RATE = 48_000
_BIT_RATE = 128_000  # for encoders without a default
_MAX_GAP = Fraction(1, 10)  # seconds; smaller differences between stored and counted times are rounding
_STEREO_ENCODERS = {"libopus", "libmp3lame", "mp2", "wmav2"}  # more channels are mixed down for these
_LAYOUTS = {1: "mono", 2: "stereo"}


class SoundEncoder:
    """Decode the packets of a stream of sound and encode them for another container.

    Args:
        container: the container that is written.
        source: the stream of the source.
        encoder: FFmpeg's name of the encoder.

    Attributes:
        stream: the new stream.
        notice: a sentence about what changes.
    """

    def __init__(self, container: Any, source: Any, encoder: str) -> None:
        codec = pyav().codec.Codec(encoder, "w")
        allowed = codec.audio_rates
        rate = source.rate if allowed is None or source.rate in allowed else _FALLBACK_SAMPLE_RATE
        self.stream = container.add_stream(encoder, rate=rate)
        context = self.stream.codec_context
        if not context.bit_rate:
            context.bit_rate = _BIT_RATE
        channels = source.codec_context.channels
        is_mixed_down = channels > 2 and encoder in _STEREO_ENCODERS
        context.layout = "stereo" if is_mixed_down else _LAYOUTS.get(channels, source.codec_context.layout.name)
        mixed = f", and its {channels} channels as 2" if is_mixed_down else ""
        self.notice = f"the sound is encoded anew: {codec_name(source)} as {codec.canonical_name}{mixed}"
        self._next: int | None = None  # time of the next sample, counted in samples

    def encode(self, packet: Any, start: Fraction) -> Iterator[Any]:
        """Yield the encoded packets for a packet of the source. Times are counted from ``start``, in seconds."""
        for frame in packet.decode():
            self._set_time(frame, start)
            yield from self.stream.encode(frame)

    def flush(self) -> Iterator[Any]:
        """Yield the last packets."""
        yield from self.stream.encode(None)

    def _set_time(self, frame: Any, start: Fraction) -> None:
        """Count the times of a frame in samples: encoders need times that fit the lengths of the frames."""
        rate = frame.sample_rate
        stored = None if frame.pts is None else round((frame.pts * frame.time_base - start) * rate)
        if self._next is None:
            self._next = stored or 0
        elif stored is not None and stored - self._next > _MAX_GAP * rate:
            self._next = stored
        frame.pts = self._next
        frame.time_base = Fraction(1, rate)
        self._next += frame.samples
