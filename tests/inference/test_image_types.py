"""A translator takes PIL images, paths, arrays and tensors, and returns the same kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.errors import ArgumentTypeError, ArgumentValueError, I2IError, ImageError, UsageError
from i2i.images import load_image, to_float
from i2i.inference.translator import Translator
from i2i.restoration import TASKS
from tests.conftest import random_image
from tests.inference.test_restoration import save_task_model


@pytest.fixture(scope="module")
def identity() -> Translator:
    return i2i.load("identity", device="cpu", precision="float32")


def rgba(side: int = 16) -> Image.Image:
    pixels = np.array(random_image(1, side, side).convert("RGBA"))
    pixels[: side // 2, :, 3] = 0
    pixels[side // 2, :, 3] = 128
    return Image.fromarray(pixels)


def test_premultiplied_grey_is_read(identity: Translator) -> None:
    assert identity(rgba().convert("LA").convert("La")).mode == "RGBA"


def test_a_closed_image_is_named_as_such(identity: Translator, tmp_path: Path) -> None:
    random_image(0).save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    image.close()
    with pytest.raises(ImageError, match=r"a\.png is closed"):
        identity(image)


@pytest.mark.parametrize("address", ["https://example.com/a.png", "HTTP://example.com/a.png", "s3://bucket/a.png"])
def test_an_address_is_named_as_such(identity: Translator, address: str) -> None:
    with pytest.raises(ImageError, match="is an address, and i2i reads files only"):
        identity(address)
    if not address.startswith("s3"):
        with pytest.raises(UsageError, match="is an address that i2i does not read: it takes paths, and addresses"):
            i2i.convert("identity", address, "out/")


MODES = {
    "L": ("L", "RGB"), "RGB": ("RGB", "RGB"), "CMYK": ("CMYK", "RGB"), "LA": ("LA", "RGBA"), "RGBA": ("RGBA", "RGBA"),
    "P": ("P", "RGB"), "1": ("1", "RGB"),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_a_pil_image_of_any_mode_gives_rgb_or_with_transparency_rgba(identity: Translator, mode: str) -> None:
    image = (rgba() if "A" in mode else random_image(0)).convert(mode)
    result = identity(image)
    assert (result.mode, result.size) == (MODES[mode][1], image.size)
    if "A" in mode:
        assert np.array_equal(np.asarray(result)[..., 3], np.asarray(rgba())[..., 3])


def test_a_palette_with_a_transparent_colour_gives_rgba(identity: Translator) -> None:
    image = random_image(0).quantize(8)
    image.info["transparency"] = 0
    assert identity(image).mode == "RGBA"


def test_an_opaque_rgba_image_stays_rgba(identity: Translator) -> None:
    result = identity(random_image(0).convert("RGBA"))
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result.convert("RGB")), np.asarray(random_image(0)))


def test_sixteen_bit_grey_keeps_its_levels(identity: Translator) -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    result = np.asarray(identity(Image.fromarray(levels)))
    assert np.abs(result[..., 0].astype(int) - levels // 257).max() <= 1


@pytest.mark.parametrize("as_text", [True, False])
def test_a_path_gives_the_image_that_the_command_line_reads(
    identity: Translator, tmp_path: Path, as_text: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter turn
    random_image(0, 30, 20).save(tmp_path / "photo.png", exif=exif)
    rgba().save(tmp_path / "glass.png")
    photo, glass = (tmp_path / name for name in ("photo.png", "glass.png"))
    assert identity(str(photo) if as_text else photo).size == (20, 30)
    assert np.array_equal(np.asarray(identity(photo)), np.asarray(load_image(photo).image))
    assert identity(glass).mode == "RGBA"


def test_the_alpha_is_enlarged_with_the_result(tmp_path: Path) -> None:
    upscale = i2i.load(save_task_model(tmp_path / "m.safetensors", TASKS["superres"]()), device="cpu")
    result = upscale(rgba())
    assert (result.mode, result.size) == ("RGBA", (32, 32))
    assert upscale(np.asarray(rgba())).shape == (32, 32, 4)
    assert upscale(torch.zeros(2, 3, 16, 20)).shape == (2, 3, 32, 40)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 12, 3), (9, 12, 3)), ((9, 12, 4), (9, 12, 4)), ((9, 12), (9, 12, 3)), ((9, 12, 1), (9, 12, 3)),
        ((2, 9, 12, 3), (2, 9, 12, 3)), ((2, 9, 12, 1), (2, 9, 12, 3)), ((1, 1, 3), (1, 1, 3)),
    ],
)  # fmt: skip
def test_a_uint8_array_gives_an_array(identity: Translator, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)
    result = identity(array)
    assert (result.shape, result.dtype) == (expected, np.uint8)
    assert result.flags.writeable
    if shape == expected and shape[-1] == 3:
        assert np.array_equal(result, array)
        assert np.array_equal(identity(array[..., ::-1]), array[..., ::-1])  # also with negative strides


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 3, 9, 12), (3, 9, 12), (1, 3, 9, 12)])
def test_a_tensor_gives_a_tensor_of_its_type(identity: Translator, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    tensor = to_float(pixels).to(dtype).requires_grad_()
    result = identity(tensor)
    assert (result.shape, result.dtype, result.device) == (tensor.shape, dtype, tensor.device)
    assert (result.float() - tensor.float()).abs().max() <= (0.01 if dtype == torch.bfloat16 else 1e-6)


def test_a_list_may_mix_kinds_and_sizes(identity: Translator, tmp_path: Path) -> None:
    random_image(0, 20, 18).save(tmp_path / "a.png")
    values = (rgba(), tmp_path / "a.png", np.zeros((2, 9, 12, 3), np.uint8), torch.zeros(3, 8, 8))
    image, opened, array, tensor = identity(values)
    assert (image.mode, opened.size, array.shape, tensor.shape) == ("RGBA", (20, 18), (2, 9, 12, 3), (3, 8, 8))
    assert identity([]) == []


def test_an_excess_of_a_resize_is_clipped(identity: Translator) -> None:
    assert identity(torch.full((3, 4, 4), 1.05)).max() == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "Found None; an image is a PIL image"), (7, "Found int"), ([["a.png"]], "A list cannot hold lists"),
        ({"a": 1}, "Found dict"), (b"\x89PNG", "Found bytes.*Image.open"),
        ((path for path in ["a.png"]), "makes a list of it"),
        (np.zeros((4, 4, 3)), "array of float64; it must be uint8"),
        (np.zeros((4, 4), np.uint16), r"array of uint16.*array / 257"),
        (np.zeros((4, 4), bool), r"array of bool.*255 \* array"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "tensor of torch.uint8"),
    ],
)  # fmt: skip
def test_any_other_type_is_a_type_error_in_words(identity: Translator, value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        identity(value)
    assert isinstance(caught.value, ArgumentTypeError)
    assert isinstance(caught.value, I2IError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((3, 8, 8), np.uint8), "Move the channels to the end"), (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"), (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (torch.zeros(3, 4, 4, device="meta"), "on the device meta"),
        (torch.zeros(4, 4), r"shape \(4, 4\)"), (torch.zeros(1, 4, 4), r"shape \(1, 4, 4\)"),
        (torch.zeros(4, 4, 3), r"shape \(4, 4, 3\)"),
        (torch.full((3, 4, 4), 255.0), "values from 255 to 255; they must be in"),
        (torch.full((3, 4, 4), torch.nan), "values from nan"), (Image.new("RGB", (0, 3)), "0x3 pixels"),
    ],
)  # fmt: skip
def test_a_wrong_shape_or_range_is_a_value_error_in_words(identity: Translator, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        identity(value)
    assert isinstance(caught.value, ArgumentValueError)


def test_a_file_that_cannot_be_read_is_named(identity: Translator, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    random_image(0, 200, 200).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    for value, words in (
        ("missing.png", "missing.png does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "notes.txt", "looks like a text"),
        (Image.open(tmp_path / "cut.png"), "cut.png is damaged"),
    ):
        with pytest.raises(ImageError, match=words):
            identity(value)


def test_an_inpainting_model_fills_what_is_transparent_or_masked(tmp_path: Path) -> None:
    path = save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]())
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    photo = np.asarray(random_image(0))
    result = i2i.load(path, device="cpu", mask=str(tmp_path / "mask.png"))(photo)
    assert np.array_equal(result[mask == 0], photo[mask == 0])
    by_alpha = i2i.load(path, device="cpu")(np.dstack([photo, 255 - mask]))
    assert np.array_equal(result, by_alpha)
    with pytest.raises(ImageError, match="has no masked region"):
        i2i.load(path, device="cpu")(photo)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strength": 5.0}, "does not take the degradation strength"), ({"mask": "m.png"}, "does not inpaint"),
        ({"direction": "CtoD"}, "has no direction 'CtoD'"),
    ],
)  # fmt: skip
def test_the_identity_refuses_what_it_does_not_take(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        i2i.load("identity", **options)


def test_a_translator_describes_itself(identity: Translator, tmp_path: Path) -> None:
    assert repr(identity) == "<Translator identity AtoB, on cpu in float32>"
    path = save_task_model(tmp_path / "up.safetensors", TASKS["superres"]())
    text = repr(i2i.load(path, device="cpu", precision="float32"))
    assert text == "<Translator up AtoB, task superres, 2x larger results, on cpu in float32>"
