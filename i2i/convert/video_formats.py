"""The video containers that i2i writes: their codecs, and how they store the times of frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from i2i.errors import I2IError, UsageError, install_command

QUALITY = 18  # constant rate factor of x264: most people see no difference to the source
# How a container stores the times of frames. "any": a time for each frame. "grid": multiples of a short interval, also
# with gaps, and from 0 on. "constant": multiples of the frame interval without gaps.
FrameTiming = Literal["any", "grid", "constant"]
Chroma = tuple[float, float]  # width and height at which colours are stored, relative to those of the frame
_CHROMA_NAMES = {(1, 1): "4:4:4", (0.5, 1): "4:2:2", (0.5, 0.5): "4:2:0", (0.25, 1): "4:1:1", (1, 0.5): "4:4:0"}


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A video encoder.

    Args:
        name: FFmpeg's name.
        codec: name of the codec for messages.
        options: FFmpeg's options.
        even_format: pixel format.
        odd_format: pixel format of frames of odd width or height; None if it is ``even_format``.
        has_colour_tags: whether it stores colour matrix and range; otherwise levels have limited range.
        fixed_quantizer: whether quality is set by quantizer limits and a bit rate, as for the older codecs.
    """

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    even_format: str = "yuv420p"
    odd_format: str | None = None
    has_colour_tags: bool = True
    fixed_quantizer: bool = False


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container.

    Args:
        format: FFmpeg's name.
        video: encoder of the frames.
        audio: FFmpeg's encoder for sound that is not copied.
        copied: codecs of sound and subtitles that are copied unchanged; None: all that FFmpeg allows.
        timing: how frame times are stored.
        options: FFmpeg's options.
    """

    format: str
    video: Encoder
    audio: str
    copied: frozenset[str] | None
    timing: FrameTiming = "any"
    options: dict[str, str] = field(default_factory=dict)


def _x264(**options: str) -> Encoder:
    options = {"crf": str(QUALITY), "preset": "medium", **options}
    return Encoder(name="libx264", codec="H.264", options=options, odd_format="yuv444p")


_X264 = _x264()
_X264_IN_ORDER = _x264(bf="0")  # without B-frames: the container stores one time for each frame
_VP9 = Encoder(
    name="libvpx-vp9", codec="VP9", options={"crf": "24", "b:v": "0", "row-mt": "1", "cpu-used": "4"}
)  # fmt: skip
_MPEG4 = Encoder(name="mpeg4", codec="MPEG-4", has_colour_tags=False, fixed_quantizer=True)
_MPEG2 = Encoder(name="mpeg2video", codec="MPEG-2", has_colour_tags=False, fixed_quantizer=True)
_MSMPEG4 = Encoder(name="msmpeg4", codec="MS-MPEG-4", has_colour_tags=False, fixed_quantizer=True)
_MP4_OPTIONS = {"movflags": "+faststart+use_metadata_tags"}
_MP4_CODECS = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "mov_text"})
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"})
_MP4 = Container(format="mp4", video=_X264, audio="aac", copied=_MP4_CODECS, options=_MP4_OPTIONS)
_MPG = Container(format="vob", video=_MPEG2, audio="mp2", copied=frozenset({"mp2", "ac3"}), timing="constant")
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container(
        format="mov", video=_X264, audio="aac", options=_MP4_OPTIONS, copied=_MP4_CODECS - {"opus", "flac"} | _PCM
    ),
    ".mkv": Container(format="matroska", video=_X264, audio="aac", copied=None),
    ".webm": Container(
        format="webm", video=_VP9, audio="libopus", copied=frozenset({"opus", "vorbis", "webvtt"})
    ),
    ".avi": Container(
        format="avi", video=_MPEG4, audio="libmp3lame", timing="grid", options={"avoid_negative_ts": "disabled"},
        copied=frozenset({"mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8"}),
    ),
    ".ts": Container(
        format="mpegts", video=_X264, audio="aac",
        copied=frozenset({"aac", "mp2", "mp3", "ac3", "eac3", "dvb_subtitle"}),
    ),
    ".mpg": _MPG,
    ".mpeg": _MPG,
    ".wmv": Container(
        format="asf", video=_MSMPEG4, audio="wmav2", copied=frozenset({"wmav1", "wmav2", "mp3"})
    ),
    ".flv": Container(format="flv", video=_X264_IN_ORDER, audio="aac", copied=frozenset({"aac", "mp3"})),
    ".3gp": Container(format="3gp", video=_X264, audio="aac", copied=frozenset({"aac", "amr_nb", "mov_text"})),
}  # fmt: skip


def chroma_resolution(format: Any) -> Chroma:
    """Return the width and height of the colours in frames of a PyAV format, relative to the frame; 0 for grey."""
    if format.name.startswith(("gray", "mono", "ya")):
        return 0.0, 0.0
    side = 16  # pixels of a frame: a multiple of all factors
    return format.chroma_width(side) / side, format.chroma_height(side) / side


def chroma_loss(source: Chroma, result: Chroma) -> str | None:
    """Return a sentence if colours are stored at a lower resolution than in the source, else None."""
    if source[0] <= result[0] and source[1] <= result[1]:
        return None
    names = (_CHROMA_NAMES.get(chroma, f"{chroma[0]:g} x {chroma[1]:g} of the frame") for chroma in (result, source))
    return "colours are stored as {}; those of the source are {}".format(*names)


def pyav() -> Any:
    """Import PyAV. Raises UsageError if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise UsageError(f"Videos need PyAV: {install_command('video')}.") from error
    return av  # FFmpeg's log stays off, as is the default: with it, a decoder's threads and Python can deadlock


def ffmpeg_reason(error: Exception) -> str:
    """Return FFmpeg's description of an error, without its final full stop."""
    return str(getattr(error, "strerror", None) or error).strip(". ")


def container_for(target: Path) -> Container:
    """Return the container of a video's file name. Raises I2IError if i2i does not write it."""
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        problem = (
            "i2i reads .ogv but has no encoder for it" if suffix == ".ogv" else f"no video has the suffix {suffix!r}"
        )
        raise I2IError(
            f"{target} cannot be written: {problem}. {advice(target)} Others are {', '.join(sorted(CONTAINERS))}."
        )
    return CONTAINERS[suffix]


def advice(target: Path) -> str:
    """Return the advice to write another container."""
    return f"Use --out {target.with_suffix('.mp4').name} or another name that ends in .mp4."


def codec_name(stream: Any) -> str:
    """Return the name of a stream's codec, such as "aac", or "unknown"."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown"
