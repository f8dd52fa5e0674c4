import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from i2i.demo.components import validate_strength
from i2i.demo.examples import examples
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.regions import Selection
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
from i2i.errors import ImageError, UsageError
from i2i.images import encode
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.demo.conftest import upload, write_model
from tests.inference.test_restoration import save_task_model


@pytest.fixture
def translator(registry: ModelRegistry, store: UploadStore) -> PhotoTranslator:
    return PhotoTranslator(registry, store)


def run_folder(name: str) -> Path:
    folder = Path("checkpoints") / name
    folder.mkdir()
    return folder


def test_a_result_is_a_full_size_png_that_names_its_model(translator: PhotoTranslator) -> None:
    photo = upload(translator.store, "my photo.png", encode(random_image(1, 50, 30), ".png"))
    steps = list[str]()
    result = translator(photo, "both", "BtoA", progress=lambda fraction, description: steps.append(description))
    with Image.open(io.BytesIO(result.encode())) as output:
        assert output.size == (50, 30)
        assert "both BtoA" in str(output.info["xmp"])
    assert result.file_name() == "my photo-both-BtoA.png"
    assert steps[0] == "Reading the photo"
    assert "50 × 30" in result.summary()


def test_the_value_range_of_the_model_is_that_of_a_photo(translator: PhotoTranslator) -> None:
    write_model(Path("checkpoints") / "scans", value_ranges=[{"uint16": [0, 4095]}, {}])
    for white, fits in ((4095, True), (65535, False)):
        scan = io.BytesIO()
        Image.fromarray(np.linspace(0, white, 400).astype(np.uint16).reshape(20, 20)).save(scan, "PNG")
        result = translator(upload(translator.store, "scan.png", scan.getvalue()), "scans", "AtoB")
        assert ("fit badly" not in result.summary()) is fits
        assert np.asarray(result.photo).mean() == pytest.approx(127 if fits else 247, abs=2)


def test_a_photo_whose_estimate_exceeds_the_limit_is_refused(translator: PhotoTranslator) -> None:
    translator.estimator.record(("both", "AtoB"), 100, 10_000.0)
    photo = upload(translator.store, "a.png", encode(random_image(1, 50, 30), ".png"))
    with pytest.raises(UsageError, match=r"would take both about .* min; .* Send a smaller one"):
        translator(photo, "both", "AtoB")


def test_an_unknown_direction_is_refused(translator: PhotoTranslator) -> None:
    with pytest.raises(UsageError, match=r"both has no direction 'sideways'. Choose AtoB or BtoA\."):
        translator(None, "both", "sideways")


def test_a_model_with_a_strength_requires_one_in_its_range(translator: PhotoTranslator) -> None:
    registry = translator.registry
    save_task_model(run_folder("known") / "weights.safetensors", Denoise(sigma=(5.0, 40.0), noise_level_input=True))
    assert registry.strength_range("known") == (5.0, 40.0)
    assert registry.strength_range("both") is None
    assert validate_strength(registry, "known", 20.0) == 20.0
    assert validate_strength(registry, "both", 20.0) is None
    for strength in (None, 4.0, 41.0):
        with pytest.raises(UsageError, match="needs the degradation strength, from 5 to 40"):
            validate_strength(registry, "known", strength)
    photo = examples(registry.model("known"), translator.store.assets)[0]
    weak, strong = (translator(photo, "known", strength=strength).output for strength in (5.0, 40.0))
    assert not np.array_equal(np.asarray(weak), np.asarray(strong))


def test_an_inpainting_model_fills_transparent_parts_or_the_white_of_a_mask(translator: PhotoTranslator) -> None:
    save_task_model(run_folder("fills") / "weights.safetensors", Inpaint())
    image = random_image(2, 40, 40)
    mask_image = Image.new("L", image.size, 0)
    mask_image.paste(255, (10, 10, 20, 20))
    transparent_image = image.copy()
    transparent_image.putalpha(ImageOps.invert(mask_image))
    opaque, mask, transparent = (
        upload(translator.store, name, encode(content, ".png"))
        for name, content in (("a.png", image), ("m.png", mask_image.convert("RGB")), ("h.png", transparent_image))
    )
    by_mask = translator(opaque, "fills", fill=Selection(mask)).output
    by_alpha = translator(transparent, "fills").output
    known = np.asarray(mask_image) == 0
    assert np.array_equal(np.asarray(by_mask)[known], np.asarray(image)[known])
    assert np.array_equal(np.asarray(by_alpha)[known], np.asarray(image)[known])
    assert not np.array_equal(np.asarray(by_mask), np.asarray(image))
    with pytest.raises(UsageError, match="nothing in this photo is transparent"):
        translator(opaque, "fills")
    small_mask = upload(translator.store, "s.png", encode(random_image(0, 20, 40), ".png"))
    with pytest.raises(ImageError, match="The mask is 20x40; a mask must have the size of its photo, 40x40"):
        translator(opaque, "fills", fill=Selection(small_mask))


@pytest.mark.parametrize("transparent", [False, True])
def test_a_kept_region_is_bit_identical_to_the_photo(transparent: bool, translator: PhotoTranslator) -> None:
    image = random_image(2, 40, 30)
    if transparent:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    layer = Image.new("RGBA", (20, 15), (0, 0, 0, 0))  # the editor's canvas is smaller than the photo
    layer.paste((255, 0, 0, 255), (5, 5, 15, 10))
    photo, paint = (
        upload(translator.store, name, encode(content, ".png"))
        for name, content in (("a.png", image), ("p.png", layer))
    )
    whole = translator(photo, "both", "AtoB")
    result = translator(photo, "both", "AtoB", keep=Selection(layers=[paint]))
    with Image.open(io.BytesIO(result.encode())) as file:
        output = np.asarray(file)
    inside, outside = (slice(12, 18), slice(12, 28)), (slice(0, 8), slice(0, 40))
    assert np.array_equal(output[inside], np.asarray(image)[inside])
    assert np.array_equal(output[outside], np.asarray(whole.output)[outside])
    assert not np.array_equal(output[inside], np.asarray(whole.output)[inside])


def test_painted_layers_select_what_an_inpainting_model_fills(translator: PhotoTranslator) -> None:
    save_task_model(run_folder("fills") / "weights.safetensors", Inpaint())
    image = random_image(2, 40, 40)
    layer = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    layer.paste((255, 255, 255, 255), (5, 5, 10, 10))
    photo, paint, empty = (
        upload(translator.store, "a.png", encode(content, ".png"))
        for content in (image, layer, Image.new("RGBA", (20, 20), (0, 0, 0, 0)))
    )
    output = np.asarray(translator(photo, "fills", fill=Selection(layers=[paint])).output)
    known = np.ones((40, 40), bool)
    known[9:21, 9:21] = False
    assert np.array_equal(output[known], np.asarray(image)[known])
    assert not np.array_equal(output, np.asarray(image))
    with pytest.raises(UsageError, match="Paint what it is to fill"):
        translator(photo, "fills", fill=Selection(layers=[empty]))


def test_the_summary_says_that_only_the_first_frame_is_translated(translator: PhotoTranslator) -> None:
    frames = [random_image(index, 40, 40) for index in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    result = translator(upload(translator.store, "a.webp", buffer.getvalue()), "both")
    assert "It is the first of 3 frames or pages" in result.summary()
    assert result.to_json()["frame_count"] == 3
