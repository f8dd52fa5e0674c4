from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from i2i.demo.components import validate_strength
from i2i.demo.examples import examples
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
from i2i.errors import ImageError, UsageError
from i2i.images import encode
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.demo.conftest import upload
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
    with Image.open(result.file) as output:
        assert output.size == (50, 30)
        assert "both BtoA" in str(output.info["xmp"])
    assert result.file.name == "my photo-both-BtoA.png"
    assert steps[0] == "Reading the photo"
    assert "50 × 30" in result.summary()


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
    by_mask = translator(opaque, "fills", mask=mask).output
    by_alpha = translator(transparent, "fills").output
    known = np.asarray(mask_image) == 0
    assert np.array_equal(np.asarray(by_mask)[known], np.asarray(image)[known])
    assert np.array_equal(np.asarray(by_alpha)[known], np.asarray(image)[known])
    assert not np.array_equal(np.asarray(by_mask), np.asarray(image))
    with pytest.raises(UsageError, match="nothing in this photo is transparent"):
        translator(opaque, "fills")
    with pytest.raises(ImageError, match="The mask is 20x40; a mask must have the size of its photo, 40x40"):
        translator(opaque, "fills", mask=upload(translator.store, "s.png", encode(random_image(0, 20, 40), ".png")))
