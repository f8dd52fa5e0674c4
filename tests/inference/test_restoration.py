"""Restoration models in use: what they are given beside the picture, and what comes out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.checkpoints.run import Bundle, save_bundle
from i2i.config import to_json
from i2i.convert import convert
from i2i.errors import BundleError, PictureError, UsageError
from i2i.images import to_float, to_uint8
from i2i.images.pull_push import filled
from i2i.inference.chroma_transfer import recoloured
from i2i.inference.masks import HoleReader
from i2i.inference.translator import Translator, load
from i2i.networks import RestorerConfig
from i2i.restoration import TASKS
from i2i.restoration.degrader import Degrader
from i2i.restoration.inpaint import grey
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from tests.conftest import picture


def bundle(place: Path, task: Any, *, told: bool = True) -> str:
    """A model of a task whose network is drawn at random."""
    config = RestorerConfig(width=4, levels=2, depth=1, shows=task.shows, answers=task.answers, scale=task.scale)
    torch.manual_seed(0)
    network = config.build(24)
    header = {"generator": to_json(config), "size": 24, "directions": ["AtoB"]}
    if told:
        header["task"] = to_json(task)
    save_bundle(place, Bundle(header, {f"AtoB.{name}": value for name, value in network.state_dict().items()}))
    return str(place)


def noise(path: Path, mode: str, size: tuple[int, int] = (37, 29)) -> Path:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_superresolution_makes_a_picture_of_any_size_really_larger(tmp_path: Path) -> None:
    translator = load(bundle(tmp_path / "m.safetensors", Superres(scale=3)), device="cpu", precision="float32")
    small = picture(1, 21, 18)
    large = translator(small)
    assert large.size == (63, 54)
    expected = small.resize((63, 54), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(large).astype(int) - np.asarray(expected)).mean() < 30  # in place, not shifted


def test_known_pixels_of_a_photo_with_holes_come_back_bit_equal(tmp_path: Path) -> None:
    path = noise(tmp_path / "photo.png", "RGBA")
    with Image.open(path) as cut:
        cut.putalpha(cut.getchannel("A").point(lambda value: 255 * (value >= 128)))
        cut.save(path)
    translator = load(bundle(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")
    result = convert(translator, [path], tmp_path / "out")
    assert not result.failed
    before, after = (np.asarray(Image.open(p)) for p in (path, tmp_path / "out" / "photo.png"))
    known = before[..., 3] >= 128
    assert after.shape == (29, 37, 3)
    assert np.array_equal(after[known], before[known][:, :3])
    assert not np.array_equal(after[~known], before[~known][:, :3])


def test_what_lies_hidden_in_a_hole_is_not_seen(tmp_path: Path) -> None:
    translator = load(bundle(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")
    pixels = np.asarray(Image.open(noise(tmp_path / "photo.png", "RGBA"))).copy()
    other = pixels.copy()
    other[pixels[..., 3] < 128, :3] = 200
    found = [np.asarray(translator(Image.fromarray(each))) for each in (pixels, other)]
    assert np.array_equal(*found)


def test_a_network_that_says_nothing_leaves_a_hole_filled_from_around_it(tmp_path: Path) -> None:
    place = bundle(tmp_path / "m.safetensors", TASKS["inpaint"]())
    translator = load(place, device="cpu")
    torch.nn.init.zeros_(translator.network.tail.weight)  # type: ignore[union-attr, arg-type]
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([2 * x, 3 * y, x + y], 2).astype(np.uint8)
    photo = Image.fromarray(ramp)
    known = np.full((48, 64), 255, np.uint8)
    known[10:30, 20:44] = 0
    photo.putalpha(Image.fromarray(known))
    found = np.asarray(translator(photo)).astype(int)
    assert np.abs(found - ramp)[known == 0].max() < 14
    assert found[11, 40, 0] > found[11, 22, 0] + 20  # not one grey for all


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 20), (64, 128)])
def test_filling_keeps_what_is_known_and_stays_between_its_values(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(2)
    pixels = draw.integers(40, 200, (*shape, 3), dtype=np.uint8)
    for share in (0.0, 0.5, 0.98, 1.0):
        hole = draw.random(shape) < share
        found = filled(pixels, hole)
        assert np.array_equal(found[~hole], pixels[~hole])
        if 0 < hole.sum() < hole.size:
            known = pixels[~hole]
            assert found[hole].min() >= known.min() - 1e-3
            assert found[hole].max() <= known.max() + 1e-3
    assert (filled(pixels, np.ones(shape, bool)) == 128).all()


def test_colours_found_on_a_small_copy_keep_the_lightness_of_the_photo_and_end_where_things_do() -> None:
    photo = np.full((200, 320, 3), 60, np.uint8)
    photo[:, 133:] = 180
    small = np.zeros((20, 32, 3), np.uint8)
    small[:, :13], small[:, 13:] = (90, 50, 40), (150, 185, 210)
    small[:, 13] = np.array([(131, 135, 143)])  # where the copy has both
    found = np.asarray(recoloured(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    assert np.ptp(found[:, :, 0] - found[:, :, 2], axis=0).max() == 0
    warm = found[100, :, 0] - found[100, :, 2]
    assert (warm[:100] > 25).all()
    assert (warm[170:] < -30).all()
    assert warm[132] > 8 > -8 > warm[134], "the colour changes at the edge of the photo, not gradually"
    luminance = grey(found.astype(np.uint8))[..., 0].astype(int)
    assert np.abs(luminance - photo[..., 0]).max() <= 2


def test_a_photo_as_large_as_its_copy_gets_the_colours_of_the_copy() -> None:
    small = np.full((40, 40, 3), 110, np.uint8)
    small[10:16, 10:16] = (205, 78, 72)
    photo = grey(small)
    found = np.asarray(recoloured(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    assert np.abs(found - small).max() <= 2


def test_no_colour_is_stronger_than_those_of_the_copy_around_it() -> None:
    small = np.zeros((20, 40, 3), np.uint8)
    small[:, :20], small[:, 20:] = (90, 100, 168), (170, 130, 60)  # blue and dark beside orange and lighter
    photo = np.repeat(np.repeat(grey(small), 10, 0), 10, 1)
    photo[::16, ::16] = 220  # specks lighter than either
    found = np.asarray(recoloured(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    specks = found[::16, :170:16]  # up to 30 pixels from the edge, which is as far as the filter sees
    assert (specks[..., 2] - specks[..., 0] > 10).all(), "specks on blue are bluish"


def test_a_photo_is_coloured_as_its_copy_of_the_size_of_the_training_is(tmp_path: Path) -> None:
    translator = load(bundle(tmp_path / "m.safetensors", TASKS["colorize"]()), device="cpu", precision="float32")
    large = picture(3, 120, 72).convert("L").convert("RGB")
    assert translator.padded((120, 72)) == translator.padded((40, 24)) == (40, 24)
    small = translator(large.resize((40, 24), Image.Resampling.BICUBIC))
    found = translator(large)
    assert found.size == (120, 72)
    assert np.asarray(found).tolist() == np.asarray(recoloured(large, _network_alone(translator, large))).tolist()
    assert small.size == (40, 24)
    assert translator.translate([large, large.rotate(90, expand=True)])[0].tobytes() == found.tobytes()


def _network_alone(translator: Translator, large: Image.Image) -> Image.Image:
    copy = np.asarray(large.resize((40, 24), Image.Resampling.BICUBIC))
    with torch.no_grad():
        found = translator.network(to_float(torch.from_numpy(copy.copy()).permute(2, 0, 1)[None]))
    return Image.fromarray(to_uint8(found)[0].permute(1, 2, 0).numpy())


def test_a_mask_beside_the_photo_marks_the_holes_in_white(tmp_path: Path) -> None:
    path = noise(tmp_path / "photo.png", "RGB")
    mask = np.zeros((29, 37), np.uint8)
    mask[5:9, 10:20] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "photo.jpg", quality=100)
    for given in (tmp_path / "masks", tmp_path / "masks" / "photo.jpg"):
        alpha = np.asarray(HoleReader(given)(path))[..., 3]
        assert np.array_equal(alpha == 0, mask == 255)


def test_photos_without_holes_and_masks_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    path = noise(tmp_path / "photo.png", "RGB")
    small = noise(tmp_path / "small.png", "L", (8, 8))
    (tmp_path / "masks").mkdir()
    with pytest.raises(PictureError, match="nothing in it is transparent"):
        HoleReader(None)(path)
    with pytest.raises(PictureError, match=r"is 8x8; a mask must have the size of its photo, 37x29"):
        HoleReader(small)(path)
    with pytest.raises(PictureError, match="holds none of its name"):
        HoleReader(tmp_path / "masks")(path)
    with pytest.raises(UsageError, match="does not exist"):
        HoleReader(tmp_path / "nowhere")


def test_a_mask_adds_to_what_is_transparent_and_something_must_be_left(tmp_path: Path) -> None:
    photo = Image.fromarray(np.full((8, 8, 3), 90, np.uint8))
    photo.putalpha(Image.fromarray(np.where(np.arange(64).reshape(8, 8) < 16, 0, 255).astype(np.uint8)))
    photo.save(tmp_path / "photo.png")
    marks = np.zeros((8, 8), np.uint8)
    marks[6:] = 255
    Image.fromarray(marks).save(tmp_path / "mask.png")
    alpha = np.asarray(HoleReader(tmp_path / "mask.png")(tmp_path / "photo.png"))[..., 3]
    assert alpha[:, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    with pytest.raises(PictureError, match="is one hole"):
        HoleReader(tmp_path / "white.png")(tmp_path / "photo.png")


@pytest.mark.parametrize("size", [(24, 24), (90, 72)])
def test_the_colours_that_a_photo_has_are_not_seen_where_it_is_to_be_coloured(
    size: tuple[int, int], tmp_path: Path
) -> None:
    translator = load(bundle(tmp_path / "m.safetensors", TASKS["colorize"]()), device="cpu", precision="float32")
    y, x = np.mgrid[: size[1], : size[0]] / 90
    colours = (255 * np.stack([x, y, 1 - x], 2)).round().astype(np.uint8)
    plain = np.asarray(translator(Image.fromarray(grey(colours)))).astype(int)
    found = np.asarray(translator(Image.fromarray(colours))).astype(int)
    assert np.abs(found - plain).max() <= 6


def test_a_mask_is_only_for_models_that_fill_holes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fills no holes"):
        load(bundle(tmp_path / "m.safetensors", Denoise()), device="cpu", mask=tmp_path)
    with pytest.raises(UsageError, match="takes RGBA"):
        load(bundle(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")(picture(0))


def test_a_model_that_knows_the_level_wants_one_in_range_and_uses_it(tmp_path: Path) -> None:
    path = bundle(tmp_path / "m.safetensors", Denoise(known=True, sigma=(5, 50)))
    weak, strong = (load(path, device="cpu", strength=level)(picture(2)) for level in (5.0, 50.0))
    assert not np.array_equal(np.asarray(weak), np.asarray(strong))
    for given, found in ((None, "none was given"), (51.0, "found 51")):
        with pytest.raises(UsageError, match=rf"--task-strength 5 to 50; {found}"):
            load(path, device="cpu", strength=given)


def test_the_level_that_a_network_sees_in_use_is_that_of_its_training() -> None:
    for task in (TASKS["denoise"](known=True), TASKS["dejpeg"](known=True)):  # type: ignore[call-arg]
        seen = task.degrade(np.zeros((8, 8, 3), np.uint8), np.random.default_rng(0), 20.0)[..., 3]
        assert (seen == np.float32(task.level(20.0))).all()


def test_a_blind_model_takes_no_strength(tmp_path: Path) -> None:
    path = bundle(tmp_path / "m.safetensors", Denoise())
    with pytest.raises(UsageError, match="judges by itself"):
        load(path, device="cpu", strength=25.0)
    assert load(path, device="cpu")(picture(3)).size == picture(3).size


def test_a_bundle_that_does_not_say_its_task_is_refused_where_that_is_needed(tmp_path: Path) -> None:
    path = bundle(tmp_path / "m.safetensors", Denoise(known=True), told=False)
    with pytest.raises(BundleError, match="does not describe the task"):
        load(path, device="cpu", strength=25.0)


def test_a_degraded_folder_is_the_same_each_time_and_another_with_another_seed(tmp_path: Path) -> None:
    photo = picture(4, 33, 26)
    one, again, other = (Degrader(Denoise(), 25.0, seed)(photo) for seed in (0, 0, 1))
    assert np.array_equal(np.asarray(one), np.asarray(again))
    assert not np.array_equal(np.asarray(one), np.asarray(other))
    noise = np.asarray(one).astype(int) - np.asarray(photo)
    assert noise.std() == pytest.approx(25, rel=0.2)


def test_degrading_for_a_task_gives_what_its_model_takes(tmp_path: Path) -> None:
    photo = picture(5, 33, 26)
    assert Degrader(Superres(scale=4))(photo).size == (8, 6)
    holes = Degrader(TASKS["inpaint"]())(photo)
    assert holes.mode == "RGBA"
    holes.save(tmp_path / "holes.png")
    alpha = np.asarray(HoleReader(None)(tmp_path / "holes.png"))[..., 3]
    assert np.array_equal(alpha, np.asarray(holes)[..., 3])


def test_a_strength_that_a_task_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="from 0 to 50"):
        Degrader(Denoise(), 60.0)
    with pytest.raises(UsageError, match="takes no --strength"):
        Degrader(TASKS["colorize"](), 1.0)
    with pytest.raises(PictureError, match="cannot be made 4 times smaller"):
        Degrader(Superres(scale=4))(picture(0, 3, 9))


@pytest.mark.parametrize("name", [name for name in TASKS if name != "none"])
def test_a_large_photo_is_restored_in_pieces_without_a_seam(name: str, tmp_path: Path) -> None:
    task = TASKS[name]()
    path = noise(tmp_path / "photo.png", "RGBA" if task.shows == "mask" else "RGB", (131, 97))
    model = bundle(tmp_path / "m.safetensors", task)
    whole, pieces = (load(model, device="cpu", precision="float32") for _ in range(2))
    pieces._whole = 100
    image = Image.open(path)
    found, expected = (np.asarray(translator(image)).astype(int) for translator in (pieces, whole))
    assert pieces._pieces
    assert np.abs(found - expected).max() <= 1


def test_the_models_of_every_task_are_told_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from i2i.cli.models import info

    for name, task in (("blind", Denoise()), ("told", Denoise(known=True)), ("holes", TASKS["inpaint"]())):
        info(bundle(tmp_path / f"{name}.safetensors", task), json=True)
        assert json.loads(capsys.readouterr().out)["task"]["task"] == task.task  # type: ignore[union-attr]
