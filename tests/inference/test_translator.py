import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from i2i.config import to_json
from i2i.errors import I2IError
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import Identity, IdentityConfig, ResnetConfig, UnetConfig
from tests.conftest import random_image, write_model_file

TINY = ResnetConfig(ngf=2, blocks=1)


def save_model(path: Path, config: ResnetConfig | UnetConfig = TINY, **changes: Any) -> Path:
    torch.manual_seed(0)
    tensors = {
        f"{direction}.{name}": value
        for direction in ("AtoB", "BtoA")
        for name, value in config.build(32).state_dict().items()
    }
    metadata = {"size": 32, "directions": ["AtoB", "BtoA"], "generator": to_json(config), **changes}
    write_model_file(path, metadata, tensors)
    return path


@given(width=st.integers(1, 70), height=st.integers(1, 70))
@settings(max_examples=25, deadline=None)
def test_an_image_of_any_size_keeps_its_size(width: int, height: int) -> None:
    for config in (TINY, UnetConfig(ngf=2)):
        translate = Translator(config.build(32), config, size=32, direction="AtoB", options=InferenceOptions("cpu"))
        assert translate(random_image(0, width, height)).size == (width, height)


@given(width=st.integers(1, 40), height=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_identity_returns_every_pixel(width: int, height: int) -> None:
    translate = Translator(Identity(), IdentityConfig(), size=32, direction="AtoB", options=InferenceOptions("cpu"))
    image = random_image(1, width, height)
    assert np.array_equal(np.asarray(translate(image)), np.asarray(image))


def test_an_image_of_a_valid_size_is_not_padded(tmp_path: Path) -> None:
    translate = load(str(save_model(tmp_path / "b.safetensors")), device="cpu", precision="float32")
    image = random_image(2, 32, 32)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        expected = ((translate.network(pixels) + 1) * 127.5).round().clamp(0, 255)
    assert np.array_equal(np.asarray(translate(image)), expected[0].permute(1, 2, 0).numpy().astype(np.uint8))


def test_dropout_at_inference_is_the_same_each_time(tmp_path: Path) -> None:
    config = UnetConfig(ngf=2, inference_mode="train", dropout=0.5)
    translate = load(str(save_model(tmp_path / "b.safetensors", config)), device="cpu")
    image = random_image(3, 32, 32)
    assert np.array_equal(np.asarray(translate(image)), np.asarray(translate(image)))


def test_translation_does_not_change_the_global_random_state(tmp_path: Path) -> None:
    translate = load(str(save_model(tmp_path / "b.safetensors")), device="cpu")
    before = torch.get_rng_state()
    translate(random_image(0))
    assert torch.equal(before, torch.get_rng_state())


def test_a_grey_image_is_translated_to_rgb() -> None:
    image = Image.new("L", (20, 10), 77)
    translate = load("identity", device="cpu")
    assert translate(image).mode == "RGB"


def test_an_image_opened_by_pillow_is_handled_like_a_file() -> None:
    translate = load("identity", device="cpu")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    random_image(0, 30, 20).save(buffer, format="JPEG", exif=exif)
    assert translate(Image.open(buffer)).size == (20, 30)
    deep = Image.fromarray(np.full((4, 4), 119 * 257, np.uint16))
    assert np.asarray(translate(deep)).max() == 119


def test_spectral_norm_in_training_mode_does_not_drift_between_images(tmp_path: Path) -> None:
    config = ResnetConfig(ngf=2, blocks=1, inference_mode="train", spectral_norm=True)
    translate = load(str(save_model(tmp_path / "b.safetensors", config)), device="cpu")
    image = random_image(3, 32, 32)
    assert np.array_equal(np.asarray(translate(image)), np.asarray([translate(image) for _ in range(5)][-1]))


def test_the_out_of_memory_error_names_the_image_size(monkeypatch: pytest.MonkeyPatch) -> None:
    translate = load("identity", device="cpu")

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(translate.runner, "network", full)
    monkeypatch.setattr(translate.runner, "forward_fn", full)
    with pytest.raises(I2IError, match="30x20 pixels does not fit the memory of cpu"):
        translate(random_image(0, 30, 20))


def tiny_translator(config: ResnetConfig | UnetConfig = TINY, **extra: Any) -> Translator:
    torch.manual_seed(0)
    return Translator(config.build(32), config, size=32, direction="AtoB", options=InferenceOptions("cpu", **extra))


def record_batch_shapes(translate: Translator) -> list[tuple[int, ...]]:
    """Return a list that receives the shape of each later input of the network."""
    shapes: list[tuple[int, ...]] = []
    translate.network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    return shapes


def test_a_batch_of_four_gives_the_results_of_single_images() -> None:
    translate = tiny_translator(precision="float32")
    images = [random_image(seed, 32, 32) for seed in range(4)]
    alone = [np.asarray(translate(image)) for image in images]
    shapes = record_batch_shapes(translate)
    together = [np.asarray(pending()) for pending in translate.submit(images)]
    assert shapes == [(4, 3, 32, 32)]
    for single, batched in zip(alone, together, strict=True):
        # The order of sums may depend on the batch size: a level near a half may be rounded either way.
        assert np.abs(single.astype(int) - batched).max() <= 1
        assert (single != batched).mean() < 0.001


@pytest.mark.parametrize(
    "config",
    [
        UnetConfig(ngf=2, inference_mode="train", dropout=0.5),
        UnetConfig(ngf=2, inference_mode="train", dropout=0.0),
        ResnetConfig(ngf=2, blocks=1, inference_mode="train", dropout=0.5),
        ResnetConfig(ngf=2, blocks=1, inference_mode="train", norm="batch"),
    ],
    ids=["dropout and batch norm", "batch norm", "dropout", "batch norm in a resnet"],
)
def test_a_model_that_depends_on_the_batch_gets_one_image_at_a_time(config: ResnetConfig | UnetConfig) -> None:
    translate = tiny_translator(config)
    images = [random_image(seed, 32, 32) for seed in range(3)]
    alone = [np.asarray(translate(image)) for image in images]
    shapes = record_batch_shapes(translate)
    for single, batched in zip(alone, translate.translate(images), strict=True):
        assert np.array_equal(single, np.asarray(batched))
    assert shapes == [(1, 3, 32, 32)] * 3
    assert translate.preferred_batch_size((32, 32)) == 1


def test_images_of_one_padded_size_share_a_pass_and_keep_their_own_size(tmp_path: Path) -> None:
    translate = tiny_translator(precision="float32")
    images = [random_image(seed, *size) for seed, size in enumerate(((30, 29), (32, 32), (31, 30), (17, 32), (32, 32)))]
    alone = [np.asarray(translate(image)).astype(int) for image in images]
    shapes = record_batch_shapes(translate)
    translated = translate.translate(images)
    assert shapes == [(3, 3, 32, 32), (1, 3, 32, 20), (1, 3, 32, 32)]
    for single, batched in zip(alone, translated, strict=True):
        assert single.shape == np.asarray(batched).shape
        assert np.abs(single - np.asarray(batched)).max() <= 1


def test_each_image_of_a_list_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    random_image(0, 30, 20).save(buffer, format="JPEG", exif=exif)
    translate = load("identity", device="cpu")
    assert [image.size for image in translate.translate([Image.open(buffer), random_image(0, 30, 20)])] == [
        (20, 30),
        (30, 20),
    ]


def test_a_result_can_be_awaited_in_another_thread() -> None:
    translate = tiny_translator()
    (pending,) = translate.submit([random_image(0, 32, 32)])
    with ThreadPoolExecutor(1) as pool:
        assert np.array_equal(np.asarray(pool.submit(pending).result()), np.asarray(translate(random_image(0, 32, 32))))


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_a_batch_that_does_not_fit_is_halved_and_the_limit_is_remembered(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    translate = tiny_translator()
    shapes = record_batch_shapes(translate)

    def full(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > 2:
            raise error

    translate.network.register_forward_pre_hook(full)
    images = [random_image(seed, 32, 32) for seed in range(9)]
    assert len(translate.submit(images)) == 9
    assert [shape[0] for shape in shapes] == [9, 4, 2, 2, 2, 2, 1]
    shapes.clear()
    translate.submit(images[:3])
    assert [shape[0] for shape in shapes] == [2, 1]
    shapes.clear()
    translate.submit([random_image(seed, 32, 64) for seed in range(2)])  # twice the pixels, half the pictures
    assert [shape[0] for shape in shapes] == [1, 1]
    (message,) = caplog.messages
    assert "A batch of 9 images of 32x32 pixels does not fit the memory of cpu" in message


def test_an_error_other_than_out_of_memory_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("weights of another shape")

    translate = load("identity", device="cpu")
    monkeypatch.setattr(translate.runner, "network", broken)
    monkeypatch.setattr(translate.runner, "forward_fn", broken)
    with pytest.raises(RuntimeError, match="another shape"):
        translate.translate([random_image(0), random_image(1)])


def test_a_cpu_prefers_batches_of_small_images_and_single_large_ones() -> None:
    translate = tiny_translator()
    assert [translate.preferred_batch_size((side, side)) for side in (16, 32, 64, 128, 256, 4000)] == [8, 8, 4, 1, 1, 1]


def test_a_network_that_cannot_be_compiled_runs_uncompiled_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler here\nand much more")

    translate, image = tiny_translator(), random_image(0, 32, 32)
    expected = np.asarray(translate(image))
    monkeypatch.setattr(torch, "compile", lambda network: broken)
    translate.compile()
    assert np.array_equal(np.asarray(translate(image)), expected)
    assert np.array_equal(np.asarray(translate(image)), expected)
    assert caplog.messages == [
        "The network cannot be compiled on this machine (no compiler here): continuing without compilation."
    ]


def test_out_of_memory_in_a_compiled_network_does_not_count_as_a_compilation_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            raise RuntimeError("CUDA out of memory")
        return x

    translate = tiny_translator()
    translate.runner.forward_fn = full
    assert len(translate.submit([random_image(0, 32, 32), random_image(1, 32, 32)])) == 2
    (message,) = caplog.messages
    assert "continuing with smaller batches" in message
