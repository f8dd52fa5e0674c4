import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config import from_json, to_json
from i2i.data.dataset import PairedConfig, TrainingPictures
from i2i.data.layout import layout
from i2i.data.loader import batches
from i2i.errors import ConfigError
from i2i.restoration import TASKS, NoTask, Task
from i2i.restoration.blur import Deblur, blurred, disc, gaussian, motion
from i2i.restoration.inpaint import Colorize, Inpaint, holes
from i2i.restoration.jpeg import Dejpeg, jpeg
from i2i.restoration.noise import Denoise, camera
from i2i.restoration.old_photo import OldPhoto, faded, scratched
from i2i.restoration.srgb import encoded, linear
from i2i.restoration.superres import Superres
from i2i.restoration.weather import Dehaze, Derain, Lowlight
from tests.conftest import write_pictures

FLAT = np.full((96, 96, 3), 128, np.uint8)
REAL = [name for name in TASKS if name != "none"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photo(side: int = 48) -> np.ndarray:
    """Smooth, with an edge, and colours away from both ends of the scale."""
    y, x = np.mgrid[:side, :side] / side
    channels = 60 + 120 * np.stack([x, y, (x + y) / 2], 2) + 20 * (x > y)[..., None]
    return channels.astype(np.uint8)


@pytest.mark.parametrize("name", REAL)
def test_a_task_takes_a_clean_picture_and_gives_one_of_the_shape_it_says(name: str) -> None:
    task: Task = TASKS[name]()
    found = task.degrade(photo(), rng())
    side = 48 // task.scale
    assert found.shape == (side, side, 3 if task.shows == "picture" else 4)
    assert found.dtype in (np.uint8, np.float32)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", REAL)
def test_the_same_seed_gives_the_same_picture_and_another_another(name: str) -> None:
    task, clean = TASKS[name](), photo()
    assert np.array_equal(task.degrade(clean, rng(1)), task.degrade(clean, rng(1)))
    if name not in ("superres", "colorize"):  # which have nothing to draw
        assert not np.array_equal(task.degrade(clean, rng(1)), task.degrade(clean, rng(2)))


@pytest.mark.parametrize("name", REAL)
def test_degrading_leaves_the_clean_picture_as_it_was(name: str) -> None:
    clean = photo()
    before = clean.copy()
    TASKS[name]().degrade(clean, rng())
    assert np.array_equal(clean, before)


@pytest.mark.parametrize("name", REAL)
def test_a_given_strength_is_used_and_the_middle_is_one(name: str) -> None:
    task = TASKS[name]()
    span = task.strengths()
    if span is None:
        assert task.middle() is None
        return
    assert span[0] < task.middle() < span[1]  # type: ignore[operator]
    weak, strong = (
        np.abs(task.degrade(photo(), rng(3), strength)[..., :3].astype(float) - photo()).mean() for strength in span
    )
    assert (weak > strong) if name == "dejpeg" else (weak < strong)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_comes_back_from_json_as_it_was(name: str) -> None:
    task = TASKS[name]()
    assert from_json(type(task), to_json(task)) == task


@pytest.mark.parametrize("name", REAL)
def test_strengths_that_fall_or_lie_out_of_range_are_refused(name: str) -> None:
    for field in fields(TASKS[name]):
        if field.name != "task" and isinstance(field.default, tuple):
            for bad in ((field.default[1] + 1, field.default[0]), (-1.0, 1.0)):
                with pytest.raises(ConfigError, match=field.name):
                    TASKS[name](**{field.name: bad})


def test_noise_has_the_sigma_that_is_asked_for_and_is_neither_clipped_nor_rounded() -> None:
    white = np.full((128, 128, 3), 250, np.uint8)
    noise = Denoise().degrade(white, rng(), 25.0) - white
    assert noise.std() == pytest.approx(25, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)
    assert (noise > 5).mean() > 0.4  # beyond 255
    assert not np.allclose(noise, noise.round())


def test_blind_noise_is_drawn_evenly_from_its_range() -> None:
    task, source = Denoise(sigma=(10, 40)), rng()
    sigmas = [(task.degrade(FLAT, source) - 128.0).std() for _ in range(60)]
    assert 9.5 < min(sigmas) < 14
    assert 36 < max(sigmas) < 41
    assert np.mean(sigmas) == pytest.approx(25, abs=4)


def test_the_variance_of_camera_noise_grows_with_light() -> None:
    task = Denoise(sigma=(3, 3), shot=(0.5, 0.5))
    for value in (0, 60, 200):
        level = np.full((128, 128, 3), value, np.uint8)
        assert (task.degrade(level, rng()) - value).var() == pytest.approx(9 + 0.5 * value, rel=0.05)


@pytest.mark.parametrize("sigma", [3.0, 12.0, 25.0, 50.0])
def test_a_cameras_noise_has_the_sigma_that_is_asked_for_in_the_green_of_middle_grey(sigma: float) -> None:
    grey = np.full((160, 160, 3), 118, np.uint8)  # 18 % of white
    noise = [camera(grey, sigma, rng(seed)) - 118 for seed in range(12)]
    assert np.mean([each[..., 1].std() for each in noise]) == pytest.approx(sigma, rel=0.06)
    assert all(each[..., 0].std() >= 0.8 * each[..., 1].std() for each in noise)  # white balance amplifies red and blue
    assert np.abs(np.mean(noise)) < 0.25 * sigma  # the tone curve, and black, where light is cut off, shift it


def test_a_cameras_noise_is_correlated_as_demosaicing_leaves_it_and_larger_in_light_before_the_tone_curve() -> None:
    def along(noise: np.ndarray) -> float:
        return float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var())

    grey = np.full((160, 160, 3), 118, np.uint8)
    assert along(camera(grey, 5, rng())[..., 0] - 118) > 0.3
    assert abs(along(Denoise().degrade(grey, rng(), 5.0)[..., 0] - 118)) < 0.03
    spread = []
    for value in (60, 180):
        shown = camera(np.full((160, 160, 3), value, np.uint8), 4, rng())[..., 1]
        spread.append((linear(shown.round().astype(np.uint8)) - linear(np.array(value, np.uint8))).std())
    assert spread[1] > 1.5 * spread[0]


def test_a_cameras_picture_is_what_a_jpeg_file_holds() -> None:
    shown = Denoise(noise="camera", saved=(30, 30)).degrade(photo(), rng(), 10.0)
    assert shown.dtype == np.uint8
    assert np.abs(jpeg(shown, 30).astype(int) - shown).mean() < 1.5, "saved once more at that quality it hardly changes"
    plain = Denoise(quantised=True).degrade(photo(), rng(), 10.0).astype(int)
    assert np.abs(jpeg(plain.astype(np.uint8), 30) - plain).mean() > 4, "which is not so of what was never saved"
    both = [Denoise(noise="both").degrade(photo(), rng(seed), 10.0).dtype for seed in range(20)]
    assert {np.dtype(np.uint8), np.dtype(np.float32)} == set(both)


def test_light_is_that_of_srgb_and_back() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(encoded(linear(every)).round(), every)
    assert linear(np.array([0, 118, 255], np.uint8)) == pytest.approx([0, 0.18, 1], abs=2e-3)


def test_quantised_noise_is_what_a_file_holds() -> None:
    found = Denoise(quantised=True).degrade(FLAT, rng(), 100.0)
    assert found.dtype == np.uint8
    assert found.min() == 0
    assert found.max() == 255


def test_a_network_that_knows_the_level_sees_it_as_an_even_channel() -> None:
    found = Denoise(known=True, sigma=(0, 50)).degrade(FLAT, rng(), 25.0)
    assert found.shape == (96, 96, 4)
    assert (found[..., 3] == 127.5).all()


def test_jpeg_is_of_the_quality_that_is_asked_for() -> None:
    picture = rng().integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for quality in (10, 40):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
        assert np.array_equal(Dejpeg().degrade(picture, rng(), float(quality)), expected)
    assert not np.array_equal(jpeg(picture, 10), jpeg(picture, 40))


@pytest.mark.parametrize("extent", [1.0, 3.0, 7.5, 15.0])
def test_point_spread_functions_are_positive_of_odd_side_and_sum_to_one(extent: float) -> None:
    for kernel in (disc(extent), motion(extent, rng()), gaussian(extent / 4)):
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] % 2 == 1
        assert (kernel >= 0).all()
        assert kernel.sum() == pytest.approx(1, abs=1e-5)


def test_blur_leaves_an_even_picture_as_it_is_and_moves_no_point() -> None:
    point = np.zeros((31, 31, 1), np.float32)
    point[15, 15] = 1
    assert blurred(FLAT, disc(5)) == pytest.approx(128, abs=1e-3)
    spread = blurred(point, disc(5)).reshape(31, 31)
    y, x = np.mgrid[:31, :31]
    assert (float((spread * x).sum()), float((spread * y).sum())) == pytest.approx((15, 15), abs=1e-3)


def test_the_disc_of_defocus_has_its_diameter() -> None:
    assert (disc(9.0) > 0).sum(1).max() == 9
    assert disc(1.0).max() == pytest.approx(1)


def test_motion_is_as_long_as_it_is_said_to_be() -> None:
    y, x = np.nonzero(motion(15.0, rng(4)) > 0)
    assert 8 < np.hypot(np.ptp(x), np.ptp(y)) <= 19  # a path that bends spans less than its length


def test_kinds_of_blur_can_be_chosen() -> None:
    source = rng()
    motions = [Deblur(blur="motion", grain=(0, 0)).degrade(photo(), source) for _ in range(2)]
    discs = [Deblur(blur="defocus", grain=(0, 0)).degrade(photo(), source, 5.0) for _ in range(2)]
    assert not np.array_equal(*motions)
    assert np.allclose(*discs)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_superres_shrinks_as_pillow_does(scale: int) -> None:
    small = Superres(scale=scale).degrade(photo(48), rng())
    expected = Image.fromarray(photo(48)).resize((48 // scale,) * 2, Image.Resampling.BICUBIC)
    assert np.array_equal(small, np.asarray(expected))
    assert Superres(scale=scale, shrink="realistic").degrade(photo(48), rng()).shape == small.shape


def test_inpainting_leaves_known_pixels_and_marks_the_rest() -> None:
    found = Inpaint().degrade(photo(), rng())
    hole = found[..., 3] == 255
    assert set(np.unique(found[..., 3])) == {0, 255}
    assert np.array_equal(found[..., :3][~hole], photo()[~hole])
    assert np.abs(found[..., :3][hole] - photo()[hole]).mean() < 8  # filled from around, and this photo is smooth
    other = np.where(hole[..., None], 255 - photo(), photo())
    assert np.array_equal(found, Inpaint().degrade(other, rng())), "what is missing must not be seen"


@pytest.mark.parametrize("share", [0.05, 0.4])
@pytest.mark.parametrize("side", [64, 128])
def test_holes_cover_the_share_that_is_asked_for_and_little_more(side: int, share: float) -> None:
    shares = [holes(side, side + 32, share, rng(seed), (2, 16), (8, 48)).mean() for seed in range(20)]
    assert min(shares) >= share
    assert np.mean(shares) < share + 0.06


@pytest.mark.parametrize("side", [64, 320])
def test_boxes_have_sides_in_pixels_whatever_the_size_of_the_picture(side: int) -> None:
    lone = [holes(side, side, 1e-9, rng(seed), (1, 1), (10, 20)) for seed in range(40)]
    boxes = [mask for mask in lone if mask.sum() == mask.any(0).sum() * mask.any(1).sum() and mask.any(0).sum() >= 5]
    lengths = {int(mask.any(axis).sum()) for mask in boxes for axis in (0, 1)}
    assert len(boxes) >= 8
    assert min(lengths) >= 10
    assert max(lengths) <= 20


def test_strokes_are_as_thick_as_is_asked_for() -> None:
    masks = [holes(256, 256, 1e-9, rng(seed), (9, 9), (1, 1)) for seed in range(30)]
    strokes = [mask for mask in masks if mask.sum() > 100]
    assert len(strokes) >= 5

    def left(mask: np.ndarray, by: int) -> float:
        """Of a mask that is eroded by squares of so many pixels."""
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, by // 2), (by, by))
        return float(windows.all((-1, -2)).sum() / mask.sum())

    assert max(left(mask, 13) for mask in strokes) < 0.05  # but for the bends
    assert min(left(mask, 5) for mask in strokes) > 0.3


def test_colorize_shows_a_grey_picture_of_the_same_lightness() -> None:
    from kornia.color import rgb_to_lab

    def lightness(pixels: np.ndarray) -> torch.Tensor:
        return rgb_to_lab(torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 255)[:, 0]

    colours = rng().integers(0, 256, (16, 16, 3), dtype=np.uint8)
    shown = Colorize().degrade(colours, rng())
    assert (np.ptp(shown, axis=2) == 0).all()
    assert (lightness(shown) - lightness(colours)).abs().max() < 0.35  # half a grey level


def test_rain_only_adds_light_and_haze_pulls_towards_the_airlight() -> None:
    clean = photo()
    assert (Derain().degrade(clean, rng()).astype(int) >= clean).all()
    hazy = Dehaze(airlight=(220, 220)).degrade(clean, rng(), 3.0).astype(float)
    assert (np.abs(hazy - 220) <= np.abs(clean - 220.0) + 7).all()
    assert np.abs(hazy - 220).mean() < 0.6 * np.abs(clean - 220.0).mean()


def test_a_stop_less_is_half_the_light() -> None:
    dark = Lowlight(shot=(0, 0), grain=(0, 0)).degrade(np.full((8, 8, 3), 200, np.uint8), rng(), 2.0)
    assert (dark / 200) ** 2.2 == pytest.approx(0.25, abs=0.01)


def test_old_photos_are_untouched_at_no_damage_and_scratched_at_full() -> None:
    clean = np.clip(photo(64), 0, 255)
    light = OldPhoto().degrade(clean, rng(), 0.0)
    assert np.abs(light.astype(int) - clean).mean() < 3
    marks = scratched(clean.astype(np.float32), 5, rng()) - clean
    assert 0.005 < (np.abs(marks) > 5).any(2).mean() < 0.5
    assert np.array_equal(scratched(clean.astype(np.float32), 0, rng()), clean)
    assert np.ptp(faded(clean.astype(np.float32), 0.8, rng())) < np.ptp(clean)


def pictures(folder: Path, **config: Any) -> TrainingPictures:
    if not folder.exists():
        write_pictures(folder, 5, width=40)
    return TrainingPictures(layout(folder), PairedConfig(size=16, **config), seed=3)


@pytest.mark.parametrize("name", REAL)
def test_samples_are_the_same_for_0_1_and_2_workers(name: str, tmp_path: Path) -> None:
    found = pictures(tmp_path / "photos", task=TASKS[name]())
    expected = next(batches(found, 4, 0, 0))
    assert len(expected) == 2
    for workers in (1, 2) if name in ("denoise", "oldphoto") else ():  # a process costs a second
        batch = next(batches(found, 4, 0, workers))
        assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))
    assert not torch.equal(found[0][0], found[5][0])  # type: ignore[index]


def test_a_training_crop_keeps_the_photos_own_scale_and_is_turned_every_way(tmp_path: Path) -> None:
    found = pictures(tmp_path / "photos", task=Denoise(sigma=(0, 0)))
    ((path,),) = (found.layout.splits["train"][0][0],)
    seen = set()
    for k in range(200):
        if found.files(k) != [path]:
            continue
        given, truth = found[k]  # type: ignore[misc]
        assert torch.equal(given, truth.float())
        whole = np.asarray(Image.open(path))
        for way in range(8):
            turned = np.rot90(whole[:, ::-1] if way >= 4 else whole, way % 4)
            windows = np.lib.stride_tricks.sliding_window_view(turned, (16, 16, 3))
            if (windows == truth.permute(1, 2, 0).numpy()).all((-1, -2, -3)).any():
                seen.add(way)
    assert len(seen) >= 6


def test_what_is_looked_at_is_the_same_each_time_and_of_the_middle_strength(tmp_path: Path) -> None:
    found = pictures(tmp_path / "photos", task=Denoise())
    given, truth = found.fixed(8)
    assert truth.shape == (5, 3, 16, 16)  # no photo twice
    assert (given - truth).std() == pytest.approx(25, rel=0.06)
    assert torch.equal(given, found.fixed(8)[0])


def test_photos_smaller_than_a_crop_are_enlarged(tmp_path: Path) -> None:
    write_pictures(tmp_path / "small", 2, width=12)
    given, truth = pictures(tmp_path / "small", task=Dejpeg())[0]  # type: ignore[misc]
    assert given.shape == truth.shape == (3, 16, 16)


def test_no_task_means_pairs() -> None:
    assert PairedConfig().restores() is None
    assert PairedConfig(task=NoTask()).fitting() == "stretch"
    assert PairedConfig(task=Superres()).fitting() == "native"


def test_colours_are_learnt_from_whole_photos_made_small_and_never_turned(tmp_path: Path) -> None:
    found = pictures(tmp_path / "photos", task=Colorize(), jitter=1.0, flip=False)
    assert (found.config.fitting(), found.config.turns()) == ("cover", False)
    for k in range(5):
        (path,) = found.files(k)
        with Image.open(path) as whole:
            shorter = min(whole.size)
            small = np.asarray(whole.resize((16 * whole.width // shorter, 16 * whole.height // shorter), 3))
        windows = np.lib.stride_tricks.sliding_window_view(small, (16, 16, 3))
        assert (windows == found[k][1].permute(1, 2, 0).numpy()).all((-1, -2, -3)).any()  # type: ignore[index]


def test_a_size_must_suit_the_scale() -> None:
    with pytest.raises(ConfigError, match="multiple of the task's scale"):
        PairedConfig(size=16, task=Superres(scale=3))
