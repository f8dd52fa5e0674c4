from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from i2i.convert import video
from i2i.convert.plan import Job, is_video, video_jobs
from i2i.convert.video import convert_video, convert_videos
from i2i.convert.video_reader import VideoReader, probe_video
from i2i.errors import I2IError, UsageError
from i2i.images import Provenance
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import IdentityConfig
from tests.inference.test_temporal_norm import flickering

av = pytest.importorskip("av")
SIZE = 48, 32


def smooth(index: int, width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """Return gradients that move a little from frame to frame, which a codec keeps well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([200 * x / width + index, 200 * y / height, 80 + 0 * x + 3 * index], -1).astype(np.uint8)


def write_video(
    path: Path,
    count: int = 10,
    *,
    rate: int = 10,
    sound: bool = False,
    full: bool = False,
    frame_at: Callable[[int], np.ndarray] = smooth,
    times: Callable[[int], int] | None = None,
) -> Path:
    """Write a video with PyAV. ``times`` returns the timestamp of a frame in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=rate)
        context = stream.codec_context
        context.height, context.width = frame_at(0).shape[:2]
        context.pix_fmt, context.options = "yuv420p", {"crf": "4", "preset": "ultrafast"}
        context.color_range = 2 if full else 1
        if times:
            context.time_base = Fraction(1, 1000)
        audio = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if sound else None
        for index in range(count):
            ranges = av.video.reformatter.ColorRange
            frame = av.VideoFrame.from_ndarray(frame_at(index), format="rgb24").reformat(
                format="yuv420p", src_color_range=ranges.JPEG, dst_color_range=ranges.JPEG if full else ranges.MPEG
            )
            frame.pts, frame.time_base = (times(index), Fraction(1, 1000)) if times else (index, Fraction(1, rate))
            container.mux(stream.encode(frame))
        if audio:
            wave = np.sin(np.arange(48000 * count // rate) / 20).astype(np.float32)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, 0
            container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
        container.mux(stream.encode(None))
    return path


def identity() -> Translator:
    return load("identity", device="cpu")


def frames(path: Path) -> list[np.ndarray]:
    with VideoReader(path, probe_video(path, 10**9)) as source:
        return [np.asarray(item[0]) for item in source if isinstance(item, tuple)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_a_video_keeps_its_frames_size_rate_and_duration(tmp_path: Path, suffix: str) -> None:
    source = write_video(tmp_path / f"in{suffix}")
    result = convert_video(identity(), source, tmp_path / f"out{suffix}")
    assert result.frames == 10
    before, after = probe_video(source, 10**9), probe_video(tmp_path / f"out{suffix}", 10**9)
    assert (after.size, after.rate) == (SIZE, 10)
    assert after.seconds == pytest.approx(before.seconds, abs=0.02)
    for one, other in zip(frames(source), frames(tmp_path / f"out{suffix}"), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3


def test_a_video_can_change_its_container_and_keeps_its_sound(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", sound=True)
    for suffix in (".mp4", ".mkv", ".webm"):
        convert_video(identity(), source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            (audio,) = container.streams.audio
            heard = np.concatenate([frame.to_ndarray().mean(0) for frame in container.decode(audio)])
        assert len(heard) / 48000 == pytest.approx(1.0, abs=0.1)
        assert 0.5 < np.abs(heard).max() < 1.3


def test_irregular_timestamps_are_kept(tmp_path: Path) -> None:
    odd = [0, 40, 200, 210, 500, 900]
    source = write_video(tmp_path / "in.mp4", 6, times=lambda index: odd[index])
    convert_video(identity(), source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == pytest.approx([time / 1000 for time in odd], abs=0.002)


@pytest.mark.parametrize("full", [False, True])
def test_colours_and_their_range_are_kept(tmp_path: Path, full: bool) -> None:
    def levels(index: int) -> np.ndarray:
        return np.repeat(np.array([0, 60, 128, 255], np.uint8), 16)[None, :, None].repeat(32, 0).repeat(3, 2)

    source = write_video(tmp_path / "in.mp4", 3, full=full, frame_at=levels)
    convert_video(identity(), source, tmp_path / "out.mp4")
    for path in (source, tmp_path / "out.mp4"):
        result = frames(path)[1][16, 8::16, 1].tolist()
        assert result == pytest.approx([0, 60, 128, 255], abs=3)
        assert probe_video(path, 10**9).is_limited_range is not full
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].codec_context.color_range == 2) is full


def test_a_rotated_video_is_written_upright_without_rotation_metadata(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4")
    data = bytearray(source.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # the matrix of the track's header, as a phone held upright writes it
    quarter = [0, 65536, 0, -65536, 0, 0, SIZE[1] << 16, 0, 1 << 30]
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    source.write_bytes(data)
    convert_video(identity(), source, tmp_path / "out.mp4")
    result = probe_video(tmp_path / "out.mp4", 10**9)
    assert (result.size, result.rotation) == (SIZE[::-1], 0)
    expected = np.rot90(smooth(0), -1)  # the matrix turns clockwise
    assert np.abs(frames(tmp_path / "out.mp4")[0].astype(int) - expected).mean() < 4


def test_frames_of_odd_size_are_written(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.webm", 3, frame_at=lambda index: smooth(index, 47, 31))
    convert_video(identity(), source, tmp_path / "out.mp4")
    assert probe_video(tmp_path / "out.mp4", 10**9).size == (47, 31)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cut_video_fails_without_leaving_files(tmp_path: Path, share: float, suffix: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, *SIZE[::-1], 3), dtype=np.uint8)
    source = write_video(tmp_path / f"in{suffix}", 40, frame_at=lambda index: noise[index])
    source.write_bytes(source.read_bytes()[: int(share * source.stat().st_size)])
    with pytest.raises(I2IError, match=r"in\.m\w\w"):
        convert_video(identity(), source, tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name]


def test_a_corrupt_video_fails_without_leaving_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, *SIZE[::-1], 3), dtype=np.uint8)
    source = write_video(tmp_path / "in.mp4", 20, frame_at=lambda index: noise[index])
    data = bytearray(source.read_bytes())
    start = data.index(b"mdat") + 5000
    data[start : start + 20_000] = rng.integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    source.write_bytes(data)
    with pytest.raises(I2IError, match="damaged"):
        convert_video(identity(), source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_invalid_sources_and_targets_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    for path, reason in (
        (tmp_path / "text.mp4", "not a video"),
        (tmp_path, "regular file"),
        (tmp_path / "x", "not exist"),
    ):
        with pytest.raises(I2IError, match=reason):
            convert_video(identity(), path, tmp_path / "out.mp4")
    source = write_video(tmp_path / "in.mp4", 2)
    with pytest.raises(I2IError, match=r"no video has the suffix '\.xyz'.*--out out\.mp4"):
        convert_video(identity(), source, tmp_path / "out.xyz")
    with pytest.raises(UsageError, match="over itself"):
        convert_video(identity(), source, source)
    with pytest.raises(I2IError, match="48x32 pixels"):
        convert_video(identity(), source, tmp_path / "out.mp4", max_pixels=100)


def test_the_metadata_of_a_video_names_the_model(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", 2)
    convert_video(identity(), source, tmp_path / "out.mp4", provenance=Provenance("zebra AtoB", "12", "i2i 0"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "compositeWithTrainedAlgorithmicMedia" in container.metadata["comment"]


def test_a_failure_of_the_translator_leaves_no_file(tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

    source = write_video(tmp_path / "in.mp4", 2)
    translate = Translator(Broken(), IdentityConfig(), size=32, direction="AtoB", options=InferenceOptions("cpu"))
    with pytest.raises(I2IError, match="does not fit the memory"):
        convert_video(translate, source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_videos_are_recognised_by_their_suffix() -> None:
    assert [is_video(Path(name)) for name in ("a.MP4", "a.webm", "a.png", "mp4")] == [True, True, False, False]


def blinking(index: int) -> np.ndarray:
    """Return a still background with a bright corner in every second frame."""
    frame = smooth(0, 192)
    frame[:16, :16] = 255 * (index % 2)
    return frame


def test_a_stabilized_video_flickers_less_and_looks_the_same(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", 30, frame_at=blinking)
    plain = convert_video(flickering(), source, tmp_path / "plain.mp4")
    steady = convert_video(flickering(), source, tmp_path / "steady.mp4", stabilize=True)
    assert plain.flicker > 4
    assert steady.flicker < 0.6 * plain.flicker
    tones = [np.mean(frames(tmp_path / name)[10:], axis=0) for name in ("plain.mp4", "steady.mp4")]
    assert np.abs(tones[0] - tones[1]).mean() < 12


def test_a_new_scene_resets_the_statistics(tmp_path: Path) -> None:
    def scenes(index: int) -> np.ndarray:
        return smooth(0) // 4 if index < 6 else 255 - smooth(0) // 4

    source = write_video(tmp_path / "in.mp4", 12, frame_at=scenes)
    convert_video(flickering(), source, tmp_path / "plain.mp4")
    convert_video(flickering(), source, tmp_path / "steady.mp4", stabilize=True)
    first = [frames(tmp_path / name)[6].astype(int) for name in ("plain.mp4", "steady.mp4")]
    assert np.abs(first[0] - first[1]).mean() < 3


def test_the_target_of_a_video_is_the_given_name_or_in_the_given_folder(tmp_path: Path) -> None:
    one, other = tmp_path / "a.mp4", tmp_path / "b.mov"
    for path in (one, other):
        path.touch()
    assert video_jobs([one], tmp_path / "out.mkv") == [Job(one, tmp_path / "out.mkv")]
    assert video_jobs([one, tmp_path / "photo.png", other], tmp_path / "out") == [
        Job(one, tmp_path / "out" / "a.mp4"),
        Job(other, tmp_path / "out" / "b.mov"),
    ]
    with pytest.raises(UsageError, match="does not exist"):
        video_jobs([tmp_path / "gone.mp4"], tmp_path / "out")
    for sources in ([one, other], [tmp_path / "photo.png"]):
        with pytest.raises(UsageError, match="exactly one video"):
            video_jobs(sources, tmp_path / "out.mp4")


def test_a_bad_video_does_not_stop_the_others_and_existing_results_are_kept(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("text")
    good = write_video(tmp_path / "good.mp4", 2)
    jobs = video_jobs([tmp_path / "bad.mp4", good], tmp_path / "out")
    result = convert_videos(identity(), jobs)
    assert [path.name for path, _ in result.failed] == ["bad.mp4"]
    assert result.converted == [(good, tmp_path / "out" / "good.mp4")]
    assert len(convert_videos(identity(), jobs[1:]).skipped) == 1
    assert len(convert_videos(identity(), jobs[1:], existing="overwrite").converted) == 1


def test_an_unexpected_error_fails_one_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(translate: object, source: Path, *_: object, **__: object) -> video.VideoResult:
        if source.name == "odd.mp4":
            raise ZeroDivisionError("oops")
        return video.VideoResult(1, 0.0)

    monkeypatch.setattr(video, "convert_video", broken)
    jobs = [Job(tmp_path / name, tmp_path / "out" / name) for name in ("odd.mp4", "fine.mp4")]
    result = convert_videos(load("identity", device="cpu"), jobs)
    assert [path.name for path, _ in result.converted] == ["fine.mp4"]
    assert "odd.mp4 could not be converted: ZeroDivisionError: oops." in result.failed[0][1]


def test_max_side_downscales_the_frames(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", 3)
    convert_video(load("identity", device="cpu"), source, tmp_path / "small.mp4", max_side=24)
    assert probe_video(tmp_path / "small.mp4", 10**6).size == (24, 16)
    convert_video(load("identity", device="cpu"), source, tmp_path / "same.mp4", max_side=200)
    assert probe_video(tmp_path / "same.mp4", 10**6).size == SIZE
