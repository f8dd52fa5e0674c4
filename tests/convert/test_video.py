from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.convert import video as clips
from i2i.convert.plan import Job, clip_jobs, is_clip
from i2i.convert.video import convert_clip, convert_clips
from i2i.convert.video_io import Source, look
from i2i.errors import I2IError, UsageError
from i2i.images import Provenance
from i2i.inference.streaming import in_strips
from i2i.inference.temporal_norm import Steady
from i2i.inference.translator import Translator, load
from i2i.networks import IdentityConfig, ResnetConfig

av = pytest.importorskip("av")
SIZE = 48, 32


def smooth(index: int, width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """Gradients that move a little from frame to frame: what a codec keeps well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([200 * x / width + index, 200 * y / height, 80 + 0 * x + 3 * index], -1).astype(np.uint8)


def clip(
    path: Path,
    count: int = 10,
    *,
    rate: int = 10,
    sound: bool = False,
    full: bool = False,
    picture: Callable[[int], np.ndarray] = smooth,
    times: Callable[[int], int] | None = None,
) -> Path:
    """A clip written by PyAV alone. times: of the frames, in thousandths of a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=rate)
        context = video.codec_context
        context.height, context.width = picture(0).shape[:2]
        context.pix_fmt, context.options = "yuv420p", {"crf": "4", "preset": "ultrafast"}
        context.color_range = 2 if full else 1
        if times:
            context.time_base = Fraction(1, 1000)
        audio = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if sound else None
        for index in range(count):
            ranges = av.video.reformatter.ColorRange
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(
                format="yuv420p", src_color_range=ranges.JPEG, dst_color_range=ranges.JPEG if full else ranges.MPEG
            )
            frame.pts, frame.time_base = (times(index), Fraction(1, 1000)) if times else (index, Fraction(1, rate))
            container.mux(video.encode(frame))
        if audio:
            wave = np.sin(np.arange(48000 * count // rate) / 20).astype(np.float32)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, 0
            container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def identity() -> Translator:
    return load("identity", device="cpu")


def frames(path: Path) -> list[np.ndarray]:
    with Source(path, look(path, 10**9)) as source:
        return [np.asarray(found[0]) for found in source if isinstance(found, tuple)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_a_clip_keeps_its_frames_size_rate_and_length(tmp_path: Path, suffix: str) -> None:
    source = clip(tmp_path / f"in{suffix}")
    result = convert_clip(identity(), source, tmp_path / f"out{suffix}")
    assert result.frames == 10
    before, after = look(source, 10**9), look(tmp_path / f"out{suffix}", 10**9)
    assert (after.size, after.rate) == (SIZE, 10)
    assert after.seconds == pytest.approx(before.seconds, abs=0.02)
    for one, other in zip(frames(source), frames(tmp_path / f"out{suffix}"), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3


def test_a_clip_can_go_from_one_container_to_another_with_its_sound(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", sound=True)
    for suffix in (".mp4", ".mkv", ".webm"):
        convert_clip(identity(), source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            (audio,) = container.streams.audio
            heard = np.concatenate([frame.to_ndarray().mean(0) for frame in container.decode(audio)])
        assert len(heard) / 48000 == pytest.approx(1.0, abs=0.1)
        assert 0.5 < np.abs(heard).max() < 1.3


def test_frames_that_come_at_odd_times_keep_them(tmp_path: Path) -> None:
    odd = [0, 40, 200, 210, 500, 900]
    source = clip(tmp_path / "in.mp4", 6, times=lambda index: odd[index])
    convert_clip(identity(), source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == pytest.approx([time / 1000 for time in odd], abs=0.002)


@pytest.mark.parametrize("full", [False, True])
def test_colours_and_their_range_are_kept(tmp_path: Path, full: bool) -> None:
    def levels(index: int) -> np.ndarray:
        return np.repeat(np.array([0, 60, 128, 255], np.uint8), 16)[None, :, None].repeat(32, 0).repeat(3, 2)

    source = clip(tmp_path / "in.mp4", 3, full=full, picture=levels)
    convert_clip(identity(), source, tmp_path / "out.mp4")
    for path in (source, tmp_path / "out.mp4"):
        found = frames(path)[1][16, 8::16, 1].tolist()
        assert found == pytest.approx([0, 60, 128, 255], abs=3)
        assert look(path, 10**9).limited is not full
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].codec_context.color_range == 2) is full


def test_a_clip_filmed_upright_comes_out_upright_without_a_note_to_turn_it(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4")
    data = bytearray(source.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # the matrix of the track's header, as a phone held upright writes it
    quarter = [0, 65536, 0, -65536, 0, 0, SIZE[1] << 16, 0, 1 << 30]
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    source.write_bytes(data)
    convert_clip(identity(), source, tmp_path / "out.mp4")
    found = look(tmp_path / "out.mp4", 10**9)
    assert (found.size, found.turn) == (SIZE[::-1], 0)
    expected = np.rot90(smooth(0), -1)  # the matrix turns clockwise
    assert np.abs(frames(tmp_path / "out.mp4")[0].astype(int) - expected).mean() < 4


def test_frames_of_odd_size_are_written(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.webm", 3, picture=lambda index: smooth(index, 47, 31))
    convert_clip(identity(), source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4", 10**9).size == (48, 32)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cut_clip_fails_clean(tmp_path: Path, share: float, suffix: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, *SIZE[::-1], 3), dtype=np.uint8)
    source = clip(tmp_path / f"in{suffix}", 40, picture=lambda index: noise[index])
    source.write_bytes(source.read_bytes()[: int(share * source.stat().st_size)])
    with pytest.raises(I2IError, match=r"in\.m\w\w"):
        convert_clip(identity(), source, tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name]


def test_a_corrupt_clip_fails_clean(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, *SIZE[::-1], 3), dtype=np.uint8)
    source = clip(tmp_path / "in.mp4", 20, picture=lambda index: noise[index])
    data = bytearray(source.read_bytes())
    start = data.index(b"mdat") + 5000
    data[start : start + 20_000] = rng.integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    source.write_bytes(data)
    with pytest.raises(I2IError, match="damaged"):
        convert_clip(identity(), source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    for path, reason in ((tmp_path / "text.mp4", "no clip"), (tmp_path, "regular file"), (tmp_path / "x", "not exist")):
        with pytest.raises(I2IError, match=reason):
            convert_clip(identity(), path, tmp_path / "out.mp4")
    source = clip(tmp_path / "in.mp4", 2)
    with pytest.raises(UsageError, match="No container"):
        convert_clip(identity(), source, tmp_path / "out.xyz")
    with pytest.raises(UsageError, match="over itself"):
        convert_clip(identity(), source, source)
    with pytest.raises(I2IError, match="48x32 pixels"):
        convert_clip(identity(), source, tmp_path / "out.mp4", max_pixels=100)


def test_a_clip_says_that_a_model_made_it(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 2)
    convert_clip(identity(), source, tmp_path / "out.mp4", provenance=Provenance("zebra AtoB", "12", "i2i 0"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "compositeWithTrainedAlgorithmicMedia" in container.metadata["comment"]


def test_a_failure_of_the_translator_leaves_no_file(tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

    source = clip(tmp_path / "in.mp4", 2)
    translate = Translator(Broken(), IdentityConfig(), size=32, direction="AtoB", device="cpu")
    with pytest.raises(I2IError, match="does not fit the memory"):
        convert_clip(translate, source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_clips_are_known_by_their_names() -> None:
    assert [is_clip(Path(name)) for name in ("a.MP4", "a.webm", "a.png", "mp4")] == [True, True, False, False]


def flickering() -> Translator:
    """A network in which what comes into the frame changes the tone of all of it."""
    torch.manual_seed(0)
    config = ResnetConfig(ngf=4, blocks=1, init="kaiming")
    return Translator(config.build(32), config, size=32, direction="AtoB", device="cpu", precision="float32")


def blinking(index: int) -> np.ndarray:
    """A still background, in a corner of which something bright comes and goes."""
    picture = smooth(0, 192)
    picture[:16, :16] = 255 * (index % 2)
    return picture


def test_stabilized_a_clip_flickers_less_and_looks_the_same(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 30, picture=blinking)
    plain = convert_clip(flickering(), source, tmp_path / "plain.mp4")
    steady = convert_clip(flickering(), source, tmp_path / "steady.mp4", stabilize=True)
    assert plain.flicker > 4
    assert steady.flicker < 0.6 * plain.flicker
    tones = [np.mean(frames(tmp_path / name)[10:], axis=0) for name in ("plain.mp4", "steady.mp4")]
    assert np.abs(tones[0] - tones[1]).mean() < 12


def noise(count: int) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_steady_network_is_the_same_in_batches_one_by_one_and_in_strips() -> None:
    network = flickering().network
    with Steady(network, 10):
        together = network(noise(4))
    with Steady(network, 10):
        alone = torch.cat([network(frame[None]) for frame in noise(4)])
    with Steady(network, 10):
        strips = torch.cat([_whole(network, frame[None]) for frame in noise(4)])
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.allclose(together, strips, atol=1e-4)


def _whole(network: nn.Module, x: Tensor) -> Tensor:
    found: Any = network(in_strips(16, 16, lambda top, bottom: x[:, :, top:bottom]))
    return torch.cat([strip for _, strip in found.strips()], 2)


@torch.no_grad()
def test_a_steady_network_begins_as_it_would_be_and_is_so_again_afterwards() -> None:
    network, x = flickering().network, noise(2)
    plain = network(x)
    with Steady(network, 10) as steady:
        assert torch.allclose(network(x[:1]), plain[:1], atol=1e-4)
        assert not torch.allclose(network(x[1:]), plain[1:], atol=1e-2)
        steady.forget()
        assert torch.allclose(network(x[1:]), plain[1:], atol=1e-4)
    assert torch.equal(network(x), plain)


def test_a_new_scene_is_not_given_the_tone_of_the_one_before(tmp_path: Path) -> None:
    def scenes(index: int) -> np.ndarray:
        return smooth(0) // 4 if index < 6 else 255 - smooth(0) // 4

    source = clip(tmp_path / "in.mp4", 12, picture=scenes)
    convert_clip(flickering(), source, tmp_path / "plain.mp4")
    convert_clip(flickering(), source, tmp_path / "steady.mp4", stabilize=True)
    first = [frames(tmp_path / name)[6].astype(int) for name in ("plain.mp4", "steady.mp4")]
    assert np.abs(first[0] - first[1]).mean() < 3


def test_a_clip_goes_to_the_name_or_the_folder_it_is_given(tmp_path: Path) -> None:
    one, other = tmp_path / "a.mp4", tmp_path / "b.mov"
    for path in (one, other):
        path.touch()
    assert clip_jobs([one], tmp_path / "out.mkv") == [Job(one, tmp_path / "out.mkv")]
    assert clip_jobs([one, tmp_path / "photo.png", other], tmp_path / "out") == [
        Job(one, tmp_path / "out" / "a.mp4"),
        Job(other, tmp_path / "out" / "b.mov"),
    ]
    with pytest.raises(UsageError, match="does not exist"):
        clip_jobs([tmp_path / "gone.mp4"], tmp_path / "out")
    for sources in ([one, other], [tmp_path / "photo.png"]):
        with pytest.raises(UsageError, match="takes one clip"):
            clip_jobs(sources, tmp_path / "out.mp4")


def test_one_bad_clip_does_not_stop_the_rest_and_what_is_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("text")
    good = clip(tmp_path / "good.mp4", 2)
    jobs = clip_jobs([tmp_path / "bad.mp4", good], tmp_path / "out")
    result = convert_clips(identity(), jobs)
    assert [path.name for path, _ in result.failed] == ["bad.mp4"]
    assert result.converted == [(good, tmp_path / "out" / "good.mp4")]
    assert len(convert_clips(identity(), jobs[1:]).skipped) == 1
    assert len(convert_clips(identity(), jobs[1:], existing="overwrite").converted) == 1


def test_an_error_that_nobody_foresaw_is_told_of_its_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(translate: object, source: Path, *_: object, **__: object) -> clips.ClipResult:
        if source.name == "odd.mp4":
            raise ZeroDivisionError("oops")
        return clips.ClipResult(1, 0.0)

    monkeypatch.setattr(clips, "convert_clip", broken)
    jobs = [Job(tmp_path / name, tmp_path / "out" / name) for name in ("odd.mp4", "fine.mp4")]
    found = convert_clips(load("identity", device="cpu"), jobs)
    assert [path.name for path, _ in found.converted] == ["fine.mp4"]
    assert "odd.mp4 could not be converted: ZeroDivisionError: oops." in found.failed[0][1]
