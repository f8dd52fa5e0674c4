import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import i2i
from i2i.checkpoints.run import Bundle, provenance, save_bundle
from i2i.config import to_json
from i2i.errors import BundleError, I2IError, UsageError
from i2i.inference.translator import Translator, load
from i2i.networks import Identity, IdentityConfig, ResnetConfig, UnetConfig
from tests.conftest import picture

TINY = ResnetConfig(ngf=2, blocks=1)


def bundle(path: Path, config: ResnetConfig | UnetConfig = TINY, **header: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    torch.manual_seed(0)
    tensors = {
        f"{direction}.{name}": value
        for direction in ("AtoB", "BtoA")
        for name, value in config.build(32).state_dict().items()
    }
    described = {"size": 32, "directions": ["AtoB", "BtoA"], "generator": to_json(config), **header}
    save_bundle(path, Bundle(described, tensors))
    return path


@given(width=st.integers(1, 70), height=st.integers(1, 70))
@settings(max_examples=25, deadline=None)
def test_a_picture_of_any_size_keeps_its_size(width: int, height: int) -> None:
    for config in (TINY, UnetConfig(ngf=2)):
        translate = Translator(config.build(32), config, size=32, direction="AtoB", device="cpu")
        assert translate(picture(0, width, height)).size == (width, height)


@given(width=st.integers(1, 40), height=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_identity_returns_every_pixel(width: int, height: int) -> None:
    translate = Translator(Identity(), IdentityConfig(), size=32, direction="AtoB", device="cpu")
    image = picture(1, width, height)
    assert np.array_equal(np.asarray(translate(image)), np.asarray(image))


def test_padding_leaves_a_picture_that_fits_as_it_is(tmp_path: Path) -> None:
    translate = load(str(bundle(tmp_path / "b.safetensors")), device="cpu", precision="float32")
    image = picture(2, 32, 32)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        expected = ((translate.network(pixels) + 1) * 127.5).round().clamp(0, 255)
    assert np.array_equal(np.asarray(translate(image)), expected[0].permute(1, 2, 0).numpy().astype(np.uint8))


def test_both_directions_load_and_differ(tmp_path: Path) -> None:
    path = str(bundle(tmp_path / "b.safetensors"))
    there, back = i2i.load(path, device="cpu"), i2i.load(path, "BtoA", device="cpu")
    assert not np.array_equal(np.asarray(there(picture(0))), np.asarray(back(picture(0))))
    with pytest.raises(UsageError, match="it has AtoB, BtoA"):
        i2i.load(path, "CtoD", device="cpu")


def test_dropout_kept_in_use_is_the_same_every_time(tmp_path: Path) -> None:
    config = UnetConfig(ngf=2, inference="train", dropout=0.5)
    translate = load(str(bundle(tmp_path / "b.safetensors", config)), device="cpu")
    image = picture(3, 32, 32)
    assert np.array_equal(np.asarray(translate(image)), np.asarray(translate(image)))


def test_translating_leaves_the_ambient_generator_alone(tmp_path: Path) -> None:
    translate = load(str(bundle(tmp_path / "b.safetensors")), device="cpu")
    before = torch.get_rng_state()
    translate(picture(0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "header",
    [
        {"generator": {"network": "resnet", "ngf": 10**9}},
        {"generator": {"network": "resnet", "blocks": -1}},
        {"generator": {"network": "os.system"}},
        {"generator": {"network": "resnet", "ngf": "64"}},
        {"generator": None},
        {"size": 10**9},
        {"size": "32"},
        {"directions": None},
        {"directions": []},
        {"directions": [["AtoB"]]},
        {"generator": {"network": "resnet", "ngf": 1024, "blocks": 64}},  # 78 GB, were it built
    ],
)
def test_hostile_headers_are_refused_before_a_network_is_built(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="does not describe a translator"):
        load(str(bundle(tmp_path / "b.safetensors", **header)), device="cpu")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.safetensors", generator=to_json(ResnetConfig(ngf=3, blocks=1)))
    with pytest.raises(BundleError, match="do not fit"):
        load(str(path), device="cpu")


def test_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    tensors = {f"AtoB.{name}": value for name, value in TINY.build(32).state_dict().items()}
    header = {"format": 1, "size": 32, "directions": ["AtoB"], "generator": to_json(TINY)}
    path = tmp_path / "b.safetensors"
    save_file({**tensors, "AtoB.extra": torch.zeros(1)}, path, metadata={"i2i": json.dumps(header)})
    with pytest.raises(BundleError, match="do not fit"):
        load(str(path), device="cpu")


def test_a_grey_picture_comes_back_as_rgb() -> None:
    image = Image.new("L", (20, 10), 77)
    translate = load("identity", device="cpu")
    assert translate(image).mode == "RGB"


def test_a_picture_opened_by_pil_is_read_as_a_file_is() -> None:
    translate = load("identity", device="cpu")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture(0, 30, 20).save(buffer, format="JPEG", exif=exif)
    assert translate(Image.open(buffer)).size == (20, 30)
    deep = Image.fromarray(np.full((4, 4), 119 * 257, np.uint16))
    assert np.asarray(translate(deep)).max() == 119


def test_spectral_norm_kept_in_training_mode_does_not_drift_from_picture_to_picture(tmp_path: Path) -> None:
    config = ResnetConfig(ngf=2, blocks=1, inference="train", spectral_norm=True)
    translate = load(str(bundle(tmp_path / "b.safetensors", config)), device="cpu")
    image = picture(3, 32, 32)
    assert np.array_equal(np.asarray(translate(image)), np.asarray([translate(image) for _ in range(5)][-1]))


def test_a_picture_too_large_for_the_memory_is_told_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    translate = load("identity", device="cpu")

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(translate, "network", full)
    with pytest.raises(I2IError, match="30x20 pixels does not fit the memory of cpu"):
        translate(picture(0, 30, 20))


def network(config: ResnetConfig | UnetConfig = TINY, **extra: Any) -> Translator:
    torch.manual_seed(0)
    return Translator(config.build(32), config, size=32, direction="AtoB", device="cpu", **extra)


def passes(translate: Translator) -> list[tuple[int, ...]]:
    """The shapes in which the translator calls its network from now on."""
    shapes: list[tuple[int, ...]] = []
    translate.network.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
    return shapes


def test_four_pictures_in_one_pass_come_out_as_each_alone() -> None:
    translate = network(precision="float32")
    images = [picture(seed, 32, 32) for seed in range(4)]
    alone = [np.asarray(translate(image)) for image in images]
    shapes = passes(translate)
    together = [np.asarray(pending()) for pending in translate.begin(images)]
    assert shapes == [(4, 3, 32, 32)]
    for one, other in zip(alone, together, strict=True):
        # Convolutions of another batch may sum in another order: a level that lay at a half may fall either way.
        assert np.abs(one.astype(int) - other).max() <= 1
        assert (one != other).mean() < 0.001


@pytest.mark.parametrize(
    "config",
    [
        UnetConfig(ngf=2, inference="train", dropout=0.5),
        UnetConfig(ngf=2, inference="train", dropout=0.0),
        ResnetConfig(ngf=2, blocks=1, inference="train", dropout=0.5),
        ResnetConfig(ngf=2, blocks=1, inference="train", norm="batch"),
    ],
    ids=["dropout and batch norm", "batch norm", "dropout", "batch norm in a resnet"],
)
def test_a_model_that_minds_company_sees_one_picture_at_a_time(config: ResnetConfig | UnetConfig) -> None:
    translate = network(config)
    images = [picture(seed, 32, 32) for seed in range(3)]
    alone = [np.asarray(translate(image)) for image in images]
    shapes = passes(translate)
    for one, other in zip(alone, translate.translate(images), strict=True):
        assert np.array_equal(one, np.asarray(other))
    assert shapes == [(1, 3, 32, 32)] * 3
    assert translate.at_once((32, 32)) == 1


def test_pictures_of_one_padded_size_share_a_pass_and_keep_their_own(tmp_path: Path) -> None:
    translate = network(precision="float32")
    images = [picture(seed, *size) for seed, size in enumerate(((30, 29), (32, 32), (31, 30), (17, 32), (32, 32)))]
    alone = [np.asarray(translate(image)).astype(int) for image in images]
    shapes = passes(translate)
    translated = translate.translate(images)
    assert shapes == [(3, 3, 32, 32), (1, 3, 32, 20), (1, 3, 32, 32)]
    for one, other in zip(alone, translated, strict=True):
        assert one.shape == np.asarray(other).shape
        assert np.abs(one - np.asarray(other)).max() <= 1


def test_a_list_of_pictures_is_turned_upright_as_each_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture(0, 30, 20).save(buffer, format="JPEG", exif=exif)
    translate = load("identity", device="cpu")
    assert [image.size for image in translate.translate([Image.open(buffer), picture(0, 30, 20)])] == [
        (20, 30),
        (30, 20),
    ]


def test_what_is_waited_for_in_another_thread_is_the_same() -> None:
    translate = network()
    (pending,) = translate.begin([picture(0, 32, 32)])
    with ThreadPoolExecutor(1) as pool:
        assert np.array_equal(np.asarray(pool.submit(pending).result()), np.asarray(translate(picture(0, 32, 32))))


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_a_batch_too_large_for_the_memory_is_halved_until_it_fits_and_later_ones_start_there(error: Exception) -> None:
    told: list[str] = []
    translate = network(notice=told.append)
    shapes = passes(translate)

    def full(_: nn.Module, given: tuple[torch.Tensor]) -> None:
        if len(given[0]) > 2:
            raise error

    translate.network.register_forward_pre_hook(full)
    images = [picture(seed, 32, 32) for seed in range(9)]
    assert len(translate.begin(images)) == 9
    assert [shape[0] for shape in shapes] == [9, 4, 2, 2, 2, 2, 1]
    shapes.clear()
    translate.begin(images[:3])
    assert [shape[0] for shape in shapes] == [2, 1]
    shapes.clear()
    translate.begin([picture(seed, 32, 64) for seed in range(2)])  # twice the pixels, half the pictures
    assert [shape[0] for shape in shapes] == [1, 1]
    assert len(told) == 1
    assert "9 pictures of 32x32 pixels do not fit the memory of cpu" in told[0]


def test_an_error_that_is_not_of_memory_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("weights of another shape")

    translate = load("identity", device="cpu")
    monkeypatch.setattr(translate, "network", broken)
    with pytest.raises(RuntimeError, match="another shape"):
        translate.translate([picture(0), picture(1)])


def test_a_cpu_takes_small_pictures_together_and_large_ones_alone() -> None:
    translate = network()
    assert [translate.at_once((side, side)) for side in (16, 32, 64, 128, 256, 4000)] == [8, 8, 4, 1, 1, 1]


def test_a_model_that_is_loaded_says_which_state_of_it_that_is(tmp_path: Path) -> None:
    path = bundle(tmp_path / "zebra" / "weights.safetensors")
    said = load(str(path), device="cpu").provenance
    assert said is not None
    assert (said.model, said.kind, len(said.version)) == ("zebra AtoB", "composite", 16)
    bundle(path, ResnetConfig(ngf=3, blocks=1))
    assert provenance(path).version != said.version
    assert load("identity", device="cpu").provenance is None


def test_a_network_that_cannot_be_compiled_is_used_as_it_is_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler here\nand much more")

    told: list[str] = []
    translate, image = network(notice=told.append), picture(0, 32, 32)
    expected = np.asarray(translate(image))
    monkeypatch.setattr(translate.network, "compile", lambda: setattr(translate.network, "_compiled_call_impl", broken))
    translate.compile()
    assert np.array_equal(np.asarray(translate(image)), expected)
    assert np.array_equal(np.asarray(translate(image)), expected)
    assert told == ["The network cannot be compiled here (no compiler here): used as it is."]


def test_a_compiled_network_that_runs_out_of_memory_is_not_taken_for_one_that_cannot_be_compiled() -> None:
    def full(picture: torch.Tensor) -> torch.Tensor:
        if len(picture) > 1:
            raise RuntimeError("CUDA out of memory")
        return picture

    told: list[str] = []
    translate = network(notice=told.append)
    translate.compile()
    translate.network._compiled_call_impl = full
    assert len(translate.begin([picture(0, 32, 32), picture(1, 32, 32)])) == 2
    assert len(told) == 1
    assert "at once" in told[0]
