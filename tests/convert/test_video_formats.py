"""Kinds of source videos in the containers that i2i writes."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2i.convert.video import convert_video
from i2i.convert.video_formats import CONTAINERS
from i2i.convert.video_reader import FrameTimes, VideoReader, probe_video
from i2i.errors import I2IError
from i2i.images import MAX_PIXELS
from i2i.inference.loading import load

av = pytest.importorskip("av")
RATE = 25
REGULAR = [index / RATE for index in range(8)]
IRREGULAR = [0.0, 0.04, 0.2, 0.21, 0.5, 0.9]


def picture(index: int, width: int, height: int) -> np.ndarray:
    """Return a gradient, brighter from frame to frame, that tells the number of the frame."""
    y, x = np.mgrid[:height, :width]
    return np.stack([20 + 15 * index + 0 * x, 100 + x, 100 + y], -1).clip(0, 255).astype(np.uint8)


def write_clip(
    path: Path,
    codec: str,
    times: Sequence[float] = REGULAR,
    *,
    size: tuple[int, int] = (32, 24),
    pixel_format: str = "yuv420p",
    sound: str = "",
    sound_seconds: float = 0.4,
    sound_start: float | None = None,
    container_format: str | None = None,
    **options: str,
) -> Path:
    """Write a clip.

    Args:
        path: the file.
        codec: video encoder.
        times: of the frames in seconds.
        size: width and height.
        pixel_format: of the frames.
        sound: audio encoder; "" for no sound.
        sound_seconds: duration of the sound.
        sound_start: in seconds; None: with the first frame.
        container_format: FFmpeg's name of the container; None: that of the suffix.
        options: of the video encoder.
    """
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        context = stream.codec_context
        (context.width, context.height), context.pix_fmt = size, pixel_format
        context.time_base = Fraction(1, RATE) if times == REGULAR else Fraction(1, 1000)
        audio = container.add_stream(sound, rate=48000) if sound else None
        if audio:
            audio.layout, audio.bit_rate = "mono", 128_000
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = round(time / context.time_base), context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            wave = np.sin(np.arange(round(48000 * sound_seconds)) / 20).astype(np.float32)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, round(48000 * (times[0] if sound_start is None else sound_start))
            container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
    return path


def read_clip(path: Path) -> tuple[list[np.ndarray], list[float], float]:
    """Return the frames of a video, their times from the first on, and the seconds of sound."""
    with VideoReader(path, probe_video(path, MAX_PIXELS)) as reader:
        frames = [item for item in reader if isinstance(item, tuple)]
    times = [float(time - frames[0][1]) for _, time in frames]
    seconds = 0.0
    with av.open(str(path)) as container:
        if container.streams.audio:
            seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    return [np.asarray(image) for image, _ in frames], times, seconds


X264 = {"crf": "4", "preset": "ultrafast", "bf": "2", "b-adapt": "0", "x264-params": "scenecut=0"}
SOURCES: dict[str, dict[str, Any]] = {
    "a.mp4": {"codec": "libx264", "sound": "aac", **X264},
    "b_frames.avi": {"codec": "libx264", "sound": "libmp3lame", **X264},
    "a.avi": {"codec": "mpeg4", "sound": "mp2", "qmin": "2", "qmax": "2"},
    "b_frames.wmv": {"codec": "libx264", "sound": "wmav2", "container_format": "asf", **X264},
    "long_sound.mkv": {"codec": "libx264", "sound": "libopus", "sound_seconds": 1.5, **X264},
    "long_sound.webm": {"codec": "libvpx-vp9", "sound": "libopus", "sound_seconds": 1.5, "crf": "4", "b:v": "0"},
    "late.mkv": {"codec": "libx264", "times": [time + 1.2 for time in REGULAR], "sound": "aac", **X264},
    "late.webm": {"codec": "libvpx-vp9", "times": [time + 1.2 for time in REGULAR], "crf": "4", "b:v": "0"},
    "a.ts": {"codec": "libx264", "sound": "mp2", "container_format": "mpegts", **X264},
    "aac.ts": {"codec": "libx264", "sound": "aac", "container_format": "mpegts", **X264},
    "a.mpg": {"codec": "mpeg2video", "sound": "mp2", "container_format": "vob", "qmin": "2", "qmax": "2", "bf": "2"},
    "a.mpeg": {"codec": "mpeg1video", "sound": "mp2", "container_format": "mpeg", "qmin": "2", "qmax": "2"},
    "a.flv": {"codec": "flv", "sound": "libmp3lame", "qmin": "2", "qmax": "2"},
    "a.3gp": {"codec": "libx264", "sound": "aac", **X264},
    "a.mov": {"codec": "libx264", "sound": "pcm_s16le", **X264},
    "a.ogv": {"codec": "libvpx", "sound": "libopus", "container_format": "ogg", "crf": "4", "b:v": "10M"},
    "irregular.mp4": {"codec": "libx264", "times": IRREGULAR, **X264},
    "odd.mkv": {"codec": "libx264", "size": (33, 25), "pixel_format": "yuv444p", "sound": "ac3", **X264},
    "ten_bits.mkv": {"codec": "libx264", "pixel_format": "yuv420p10le", "sound": "flac", **X264},
}


PAIRS = {
    *((name, suffix) for name in SOURCES for suffix in (".mp4", ".avi")),
    *((name, suffix) for name in ("a.mp4", "odd.mkv", "irregular.mp4", "late.mkv") for suffix in CONTAINERS),
}


@pytest.mark.parametrize(("name", "suffix"), sorted(PAIRS))
def test_every_source_keeps_its_frames_times_size_and_sound_in_every_container(
    name: str, suffix: str, tmp_path: Path
) -> None:
    source = write_clip(tmp_path / name, **SOURCES[name])
    target = tmp_path / f"out{suffix}"
    expected_times = SOURCES[name].get("times", REGULAR)
    if suffix in (".mpg", ".mpeg") and expected_times == IRREGULAR:
        with pytest.raises(I2IError, match=r"needs a constant frame rate.*--out out\.mp4"):
            convert_video(load("identity", device="cpu"), source, target)
        return
    result = convert_video(load("identity", device="cpu"), source, target)
    frames, times, sound = read_clip(target)
    assert times == pytest.approx([time - expected_times[0] for time in expected_times], abs=0.003)
    width, height = SOURCES[name].get("size", (32, 24))
    for index, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - picture(index, width, height)).mean() < 8, index
    if "sound" in SOURCES[name]:
        assert sound == pytest.approx(SOURCES[name].get("sound_seconds", 0.4), abs=0.1)
    assert any("8 bits" in notice for notice in result.notices) is ("ten_bits" in name)


def test_notes_name_what_is_encoded_anew_or_left_out(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", "libx264", sound="flac", **X264)
    translate = load("identity", device="cpu")
    assert convert_video(translate, source, tmp_path / "a.mkv.mkv").notices == ()
    assert any("encoded anew" in notice for notice in convert_video(translate, source, tmp_path / "b.ts").notices)
    odd = write_clip(tmp_path / "odd.webm", "libvpx-vp9", size=(33, 25), crf="4")
    assert any("4:4:4" in notice for notice in convert_video(translate, odd, tmp_path / "odd.mp4").notices)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix", "found"),
    [
        ("libx264", "yuv444p", ".mp4", "stored as 4:2:0; those of the source are 4:4:4"),
        ("libx264", "yuv422p", ".webm", "stored as 4:2:0; those of the source are 4:2:2"),
        ("libx264rgb", "rgb24", ".mkv", "stored as 4:2:0; those of the source are 4:4:4"),
        ("libx264", "yuv420p", ".mp4", None),
        ("ffv1", "gray", ".mkv", None),
    ],
)
def test_a_lower_resolution_of_colours_is_noted(
    codec: str, pixel_format: str, suffix: str, found: str | None, tmp_path: Path
) -> None:
    source = write_clip(tmp_path / "a.mkv", codec, REGULAR[:2], pixel_format=pixel_format)
    notices = convert_video(load("identity", device="cpu"), source, tmp_path / f"out{suffix}").notices
    assert [found is not None and found in notice for notice in notices] == [True] * (found is not None)


@pytest.mark.parametrize("suffix", sorted(CONTAINERS))
def test_a_picture_that_starts_later_than_the_sound_stays_in_time(suffix: str, tmp_path: Path) -> None:
    late = {"times": [time + 1.2 for time in REGULAR], "sound": "aac", "sound_start": 0.0, "sound_seconds": 1.5}
    source = write_clip(tmp_path / "late.mkv", "libx264", **late, **X264)
    result = convert_video(load("identity", device="cpu"), source, tmp_path / f"out{suffix}")
    with VideoReader(result_path := tmp_path / f"out{suffix}", probe_video(result_path, MAX_PIXELS)) as reader:
        times = [float(item[1] - reader.start) for item in reader if isinstance(item, tuple)]
    assert times[1:] == pytest.approx([time + 1.2 for time in REGULAR[1:]], abs=0.05)
    if suffix == ".avi":
        assert times[0] == 0
        assert any("1.20 seconds early" in notice for notice in result.notices)
    else:
        assert times[0] == pytest.approx(1.2, abs=0.05)
        assert not any("early" in notice for notice in result.notices)


def test_a_container_without_an_encoder_is_refused_before_the_source_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(I2IError, match=r"no encoder for it.*--out out\.mp4"):
        convert_video(load("identity", device="cpu"), tmp_path / "a.mp4", tmp_path / "out.ogv")


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "wide.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.codec_context.width, stream.codec_context.height, stream.codec_context.pix_fmt = 32, 24, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        frame = av.VideoFrame.from_ndarray(picture(0, 32, 24), format="rgb24").reformat(format="yuv420p")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    for suffix in (".mp4", ".mkv", ".mpg"):
        convert_video(load("identity", device="cpu"), source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            ratio = container.streams.video[0].sample_aspect_ratio
        assert ratio == pytest.approx(Fraction(16, 11), rel=0.1)


def test_frames_without_or_with_repeated_times_follow_the_frame_before(tmp_path: Path) -> None:
    with av.open(str(write_clip(tmp_path / "a.mp4", "libx264"))) as container:
        times = FrameTimes(container, Fraction(25))
    given = [times.next(pts, Fraction(1, 100)) for pts in (8, None, None, 16, 40)]
    assert given == [Fraction(8, 100), Fraction(12, 100), Fraction(16, 100), Fraction(20, 100), Fraction(40, 100)]
