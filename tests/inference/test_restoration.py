"""Inference with restoration models: conditioning channels, masks, colour transfer and degradation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config import to_json
from i2i.convert.api import convert
from i2i.errors import ImageError, ModelFileError, UsageError
from i2i.images import load_image, to_float, to_uint8
from i2i.images.pull_push import pull_push_fill
from i2i.inference.chroma_transfer import transfer_chroma
from i2i.inference.loading import load
from i2i.inference.masks import MaskReader
from i2i.inference.translator import Translator
from i2i.networks import RestorerConfig
from i2i.restoration import TASKS
from i2i.restoration.colorize import to_grayscale
from i2i.restoration.degrader import Degrader
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from tests.conftest import random_image, write_model_file


def save_task_model(path: Path, task: Any, *, with_task: bool = True) -> str:
    """Save a model of a task with random weights, and return its path."""
    config = RestorerConfig(
        width=4, levels=2, depth=1, conditioning=task.conditioning, prediction=task.prediction, scale=task.scale
    )
    torch.manual_seed(0)
    network = config.build(24)
    header = {"generator": to_json(config), "size": 24, "directions": ["AtoB"]}
    if with_task:
        header["task"] = to_json(task)
    write_model_file(path, header, {f"AtoB.{name}": value for name, value in network.state_dict().items()})
    return str(path)


def save_noise(path: Path, mode: str, size: tuple[int, int] = (37, 29)) -> Path:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask_of(photo: Path, mask: Path | None) -> np.ndarray:
    """Return the alpha channel that ``MaskReader`` gives a photo."""
    return np.asarray(MaskReader(mask).apply_mask(photo, load_image(photo, blend=False)).alpha)


def test_superresolution_enlarges_an_image_of_any_size(tmp_path: Path) -> None:
    translator = load(save_task_model(tmp_path / "m.safetensors", Superres(scale=3)), device="cpu", precision="float32")
    small = random_image(1, 21, 18)
    large = translator(small)
    assert large.size == (63, 54)
    expected = small.resize((63, 54), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(large).astype(int) - np.asarray(expected)).mean() < 30  # in place, not shifted


def test_inpainting_keeps_known_pixels_bit_equal(tmp_path: Path) -> None:
    path = save_noise(tmp_path / "photo.png", "RGBA")
    with Image.open(path) as cut:
        cut.putalpha(cut.getchannel("A").point(lambda value: 255 * (value >= 128)))
        cut.save(path)
    translator = load(save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")
    result = convert(translator, [path], tmp_path / "out")
    assert not result.failed
    before, after = (np.asarray(Image.open(p)) for p in (path, tmp_path / "out" / "photo.png"))
    known = before[..., 3] >= 128
    assert after.shape == (29, 37, 3)
    assert np.array_equal(after[known], before[known][:, :3])
    assert not np.array_equal(after[~known], before[~known][:, :3])


def test_colours_under_the_mask_do_not_change_the_result(tmp_path: Path) -> None:
    translator = load(save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")
    pixels = np.asarray(Image.open(save_noise(tmp_path / "photo.png", "RGBA"))).copy()
    other = pixels.copy()
    other[pixels[..., 3] < 128, :3] = 200
    result = [np.asarray(translator(Image.fromarray(photo))) for photo in (pixels, other)]
    assert np.array_equal(*result)


def test_a_network_with_zero_output_keeps_the_fill_from_the_surroundings(tmp_path: Path) -> None:
    place = save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]())
    translator = load(place, device="cpu")
    torch.nn.init.zeros_(translator.network.tail.weight)  # type: ignore[union-attr, arg-type]
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([2 * x, 3 * y, x + y], 2).astype(np.uint8)
    photo = Image.fromarray(ramp)
    known = np.full((48, 64), 255, np.uint8)
    known[10:30, 20:44] = 0
    photo.putalpha(Image.fromarray(known))
    result = np.asarray(translator(photo)).astype(int)
    assert np.abs(result - ramp)[known == 0].max() < 14
    assert result[11, 40, 0] > result[11, 22, 0] + 20  # not one grey for all


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 20), (64, 128)])
def test_filling_keeps_known_pixels_and_stays_within_their_range(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(40, 200, (*shape, 3), dtype=np.uint8)
    for fraction in (0.0, 0.5, 0.98, 1.0):
        mask = rng.random(shape) < fraction
        result = pull_push_fill(pixels, mask)
        assert np.array_equal(result[~mask], pixels[~mask])
        if 0 < mask.sum() < mask.size:
            known = pixels[~mask]
            assert result[mask].min() >= known.min() - 1e-3
            assert result[mask].max() <= known.max() + 1e-3
    assert (pull_push_fill(pixels, np.ones(shape, bool)) == 128).all()


def test_a_photo_gets_the_colours_of_its_copy_at_training_size(tmp_path: Path) -> None:
    translator = load(
        save_task_model(tmp_path / "m.safetensors", TASKS["colorize"]()), device="cpu", precision="float32"
    )
    large = random_image(3, 120, 72).convert("L").convert("RGB")
    assert translator.padded_size((120, 72)) == translator.padded_size((40, 24)) == (40, 24)
    small = translator(large.resize((40, 24), Image.Resampling.BICUBIC))
    result = translator(large)
    assert result.size == (120, 72)
    assert np.asarray(result).tolist() == np.asarray(transfer_chroma(large, _network_alone(translator, large))).tolist()
    assert small.size == (40, 24)
    assert translator.translate([large, large.rotate(90, expand=True)])[0].tobytes() == result.tobytes()


def _network_alone(translator: Translator, large: Image.Image) -> Image.Image:
    copy = np.asarray(large.resize((40, 24), Image.Resampling.BICUBIC))
    with torch.no_grad():
        result = translator.network(to_float(torch.from_numpy(copy.copy()).permute(2, 0, 1)[None]))
    return Image.fromarray(to_uint8(result)[0].permute(1, 2, 0).numpy())


def test_white_in_a_mask_image_is_masked(tmp_path: Path) -> None:
    path = save_noise(tmp_path / "photo.png", "RGB")
    mask = np.zeros((29, 37), np.uint8)
    mask[5:9, 10:20] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "photo.jpg", quality=100)
    for mask_path in (tmp_path / "masks", tmp_path / "masks" / "photo.jpg"):
        assert np.array_equal(mask_of(path, mask_path) == 0, mask == 255)


def test_photos_without_a_mask_and_masks_of_another_size_are_rejected(tmp_path: Path) -> None:
    path = save_noise(tmp_path / "photo.png", "RGB")
    small = save_noise(tmp_path / "small.png", "L", (8, 8))
    (tmp_path / "masks").mkdir()
    with pytest.raises(ImageError, match="no pixel is transparent"):
        mask_of(path, None)
    with pytest.raises(ImageError, match=r"is 8x8; a mask must have the size of its photo, 37x29"):
        mask_of(path, small)
    with pytest.raises(ImageError, match="holds no image of the name photo"):
        mask_of(path, tmp_path / "masks")
    with pytest.raises(UsageError, match="does not exist"):
        MaskReader(tmp_path / "nowhere")


def test_the_network_knows_neither_masked_nor_transparent_pixels_and_needs_others(tmp_path: Path) -> None:
    photo = Image.fromarray(np.full((8, 8, 3), 90, np.uint8))
    photo.putalpha(Image.fromarray(np.where(np.arange(64).reshape(8, 8) < 16, 0, 255).astype(np.uint8)))
    photo.save(tmp_path / "photo.png")
    marks = np.zeros((8, 8), np.uint8)
    marks[6:] = 255
    Image.fromarray(marks).save(tmp_path / "mask.png")
    alpha = mask_of(tmp_path / "photo.png", tmp_path / "mask.png")
    assert alpha[:, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    with pytest.raises(ImageError, match="is masked completely"):
        mask_of(tmp_path / "photo.png", tmp_path / "white.png")


@pytest.mark.parametrize("size", [(24, 24), (90, 72)])
def test_colorization_ignores_existing_colours(size: tuple[int, int], tmp_path: Path) -> None:
    translator = load(
        save_task_model(tmp_path / "m.safetensors", TASKS["colorize"]()), device="cpu", precision="float32"
    )
    y, x = np.mgrid[: size[1], : size[0]] / 90
    colours = (255 * np.stack([x, y, 1 - x], 2)).round().astype(np.uint8)
    plain = np.asarray(translator(Image.fromarray(to_grayscale(colours)))).astype(int)
    result = np.asarray(translator(Image.fromarray(colours))).astype(int)
    assert np.abs(result - plain).max() <= 6


def test_a_mask_is_accepted_by_inpainting_models_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not inpaint"):
        load(save_task_model(tmp_path / "m.safetensors", Denoise()), device="cpu", mask=tmp_path)
    with pytest.raises(ImageError, match="no pixel is transparent"):
        load(save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]()), device="cpu")(random_image(0))


def test_a_model_with_a_level_channel_needs_a_strength_in_range(tmp_path: Path) -> None:
    path = save_task_model(tmp_path / "m.safetensors", Denoise(noise_level_input=True, sigma=(5, 50)))
    weak, strong = (load(path, device="cpu", strength=level)(random_image(2)) for level in (5.0, 50.0))
    assert not np.array_equal(np.asarray(weak), np.asarray(strong))
    for strength, message in ((None, "none was given"), (51.0, "found 51")):
        with pytest.raises(UsageError, match=rf"--degradation-level 5 to 50; {message}"):
            load(path, device="cpu", strength=strength)


def test_the_level_channel_is_the_same_in_training_and_inference() -> None:
    for task in (TASKS["denoise"](noise_level_input=True), TASKS["dejpeg"](quality_input=True)):  # type: ignore[call-arg]
        level = task.degrade(np.zeros((8, 8, 3), np.uint8), np.random.default_rng(0), 20.0)[..., 3]
        assert (level == np.float32(task.conditioning_level(20.0))).all()


def test_a_model_without_a_level_channel_rejects_a_strength(tmp_path: Path) -> None:
    path = save_task_model(tmp_path / "m.safetensors", Denoise())
    with pytest.raises(UsageError, match="does not take the degradation strength"):
        load(path, device="cpu", strength=25.0)
    assert load(path, device="cpu")(random_image(3)).size == random_image(3).size


def test_a_model_file_without_its_task_is_rejected_if_the_task_is_needed(tmp_path: Path) -> None:
    path = save_task_model(tmp_path / "m.safetensors", Denoise(noise_level_input=True), with_task=False)
    with pytest.raises(ModelFileError, match="does not describe the task"):
        load(path, device="cpu", strength=25.0)


def test_degradation_depends_on_the_seed_only(tmp_path: Path) -> None:
    photo = random_image(4, 33, 26)
    first, again, other = (Degrader(Denoise(), 25.0, seed)(photo) for seed in (0, 0, 1))
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert not np.array_equal(np.asarray(first), np.asarray(other))
    noise = np.asarray(first).astype(int) - np.asarray(photo)
    assert noise.std() == pytest.approx(25, rel=0.2)


def test_degraded_images_are_valid_inputs_of_the_model(tmp_path: Path) -> None:
    photo = random_image(5, 33, 26)
    assert Degrader(Superres(scale=4))(photo).size == (8, 6)
    masked = Degrader(TASKS["inpaint"]())(photo)
    assert masked.mode == "RGBA"
    masked.save(tmp_path / "masked.png")
    alpha = mask_of(tmp_path / "masked.png", None)
    assert np.array_equal(alpha, np.asarray(masked)[..., 3])


def test_a_strength_out_of_the_range_of_the_task_is_rejected() -> None:
    with pytest.raises(UsageError, match="from 0 to 50"):
        Degrader(Denoise(), 60.0)
    with pytest.raises(UsageError, match="no single strength: omit --strength"):
        Degrader(TASKS["colorize"](), 1.0)
    with pytest.raises(ImageError, match="cannot be downscaled 4 times"):
        Degrader(Superres(scale=4))(random_image(0, 3, 9))


@pytest.mark.parametrize("name", [name for name in TASKS if name != "none"])
def test_a_large_photo_is_restored_piecewise_without_seams(name: str, tmp_path: Path) -> None:
    task = TASKS[name]()
    path = save_noise(tmp_path / "photo.png", "RGBA" if task.conditioning == "mask" else "RGB", (131, 97))
    model = save_task_model(tmp_path / "m.safetensors", task)
    whole, pieces = (load(model, device="cpu", precision="float32") for _ in range(2))
    pieces.runner.limits.max_image_pixels = 100
    image = Image.open(path)
    result, expected = (np.asarray(translator(image)).astype(int) for translator in (pieces, whole))
    assert pieces.runner.runs_piecewise((132, 100))
    assert np.abs(result - expected).max() <= 1


def test_model_info_names_the_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from i2i.cli.models import show_info

    for name, task in (("blind", Denoise()), ("told", Denoise(noise_level_input=True)), ("holes", TASKS["inpaint"]())):
        show_info(save_task_model(tmp_path / f"{name}.safetensors", task), json=True)
        assert json.loads(capsys.readouterr().out)["task"]["task"] == task.task  # type: ignore[union-attr]


def test_a_model_of_superresolution_pairs_is_named_so_and_returns_grey_for_grey(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from i2i.cli.models import show_info

    path = save_task_model(tmp_path / "pairs.safetensors", TASKS["superres"](scale=3), with_task=False)
    translate = load(path, device="cpu")
    result = np.asarray(translate(Image.new("L", (20, 18), 90)))
    assert result.shape == (54, 60, 3)
    assert (result == result[..., :1]).all()
    show_info(path, json=False)
    assert "super-resolution ×3" in capsys.readouterr().out
