"""Several models one after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.errors import I2IError, UsageError
from i2i.inference.chain_names import split_member
from i2i.restoration import TASKS
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.inference.test_finishing import pixels, write_mask
from tests.inference.test_restoration import save_noise, save_task_model


@pytest.fixture(autouse=True)
def models(work_dir: Path) -> None:
    for name, task in (
        ("denoise", TASKS["denoise"]()), ("superres", TASKS["superres"]()), ("fills", TASKS["inpaint"]()),
        ("known", Denoise(sigma=(5.0, 40.0), noise_level_input=True)),
    ):  # fmt: skip
        path = work_dir / "checkpoints" / name / "weights.safetensors"
        path.parent.mkdir(parents=True)
        save_task_model(path, task)


def test_each_model_takes_the_results_of_the_one_before() -> None:
    photo = random_image(0, 40, 28)
    chain = i2i.load("denoise+superres+denoise", device="cpu", precision="float32")
    expected = photo
    for name in ("denoise", "superres", "denoise"):
        expected = i2i.load(name, device="cpu", precision="float32")(expected)
    assert (chain.scale, chain.name) == (2, "denoise+superres+denoise")
    assert np.array_equal(pixels(chain(photo)), pixels(expected))
    first, second = chain([photo, random_image(1, 20, 20)])
    assert np.array_equal(pixels(first), pixels(expected))
    assert second.size == (40, 40)
    tensor = chain(torch.zeros(2, 3, 16, 16))
    assert tensor.shape == (2, 3, 32, 32)


def test_a_chain_is_finished_as_a_whole() -> None:
    photo = random_image(0, 20, 12)
    enlarged = photo.resize((40, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels(i2i.load("denoise+superres", device="cpu", blend=0)(photo)), pixels(enlarged))
    mask = write_mask(Path("mask.png"), (20, 12), (0, 0, 10, 12))
    result = pixels(i2i.load("denoise+denoise", device="cpu", protect=mask, grain=9)(photo))
    assert np.array_equal(result[:, :10], pixels(photo)[:, :10])
    with pytest.raises(UsageError, match=r"denoise\+superres changes the size of a photo"):
        i2i.load("denoise+superres", device="cpu", protect=mask)


def test_a_strength_goes_to_the_models_that_take_one() -> None:
    photo = random_image(0, 20, 12)
    by_argument = i2i.load("known+denoise", device="cpu", strength=30)(photo)
    by_name = i2i.load("known:30+denoise", device="cpu")(photo)
    weaker = i2i.load("known:6+denoise", device="cpu", strength=30)(photo)
    assert np.array_equal(pixels(by_argument), pixels(by_name))
    assert not np.array_equal(pixels(by_argument), pixels(weaker))
    for model, options, message in (
        ("denoise+superres", {"strength": 3.0}, r"denoise\+superres does not take the degradation strength"),
        ("denoise:3+superres", {}, "denoise does not take the degradation strength"),
        ("known+denoise", {}, "known takes the degradation strength"),
        ("denoise+superres", {"direction": "BtoA"}, "No model of .* has the direction 'BtoA'"),
        ("denoise+superres:BtoA", {}, "superres has no direction 'BtoA'"),
        ("denoise+superres", {"mask": "m.png"}, "denoise does not inpaint"),
        ("denoise+", {}, "has an empty model"),
        ("denoise+nothing", {}, "No model 'nothing'"),
        ("denoise+fills", {}, r"must be the first model: fills\+denoise"),
    ):
        with pytest.raises(I2IError, match=message):
            i2i.load(model, device="cpu", **options)  # type: ignore[arg-type]


def test_a_path_with_a_plus_or_a_colon_is_one_model(work_dir: Path) -> None:
    save_task_model(work_dir / "a+b:25.safetensors", TASKS["denoise"]())
    assert i2i.load("a+b:25", device="cpu").scale == 1
    assert split_member("horse2zebra:BtoA") == ("horse2zebra", "BtoA", None)
    assert split_member("denoise:7.5") == ("denoise", None, 7.5)
    assert split_member("C:model") == ("C:model", None, None)


@pytest.mark.parametrize("alpha", [False, True])
def test_an_inpainting_model_comes_first(alpha: bool) -> None:
    photo = Image.open(save_noise(Path("photo.png"), "RGB", (32, 24)))
    if alpha:
        photo.putalpha(Image.linear_gradient("L").resize(photo.size))
        photo.save("photo.png")
    mask = write_mask(Path("mask.png"), (32, 24), (4, 4, 20, 16))
    result = i2i.load("fills+superres", device="cpu", mask=mask)("photo.png")
    assert (result.mode, result.size) == ("RGBA" if alpha else "RGB", (64, 48))
    if alpha:
        opacity = pixels(result)[..., 3]
        assert (opacity[10:30, 10:38] == 255).all()
        assert np.array_equal(opacity[::, 50], pixels(photo.getchannel("A").resize((64, 48)))[:, 50])


def test_the_results_of_a_chain_name_all_models() -> None:
    random_image(0).save("photo.png")
    i2i.convert("denoise+superres", "photo.png", "out", device="cpu")
    with Image.open("out/photo.png") as image:
        assert image.size == (32, 32)
        assert b"model denoise AtoB + superres AtoB" in image.info["xmp"]
    assert len(i2i.convert("denoise+superres", "photo.png", "out", device="cpu").skipped) == 1
    assert len(i2i.convert("superres+denoise", "photo.png", "out", device="cpu").converted) == 1


def test_frames_of_a_video_share_the_norms_of_all_models() -> None:
    chain = i2i.load("denoise+superres", device="cpu")
    frame = random_image(0, 20, 12)
    with chain.temporal_norm(25.0) as norm:
        norm.reset()
        (wait,) = chain.submit([frame])
    assert np.array_equal(pixels(wait()), pixels(chain(frame)))


def test_progress_covers_all_models() -> None:
    fractions: list[float] = []
    chain = i2i.load("denoise+superres", device="cpu")
    for member in chain.members:  # type: ignore[attr-defined]
        member.runner.limits.max_image_pixels = 128**2
    chain(random_image(0, 260, 200), progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) > 4
