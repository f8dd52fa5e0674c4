"""The option texture_mask of ``i2i.load`` and ``i2i.convert``."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.checkpoints.model_file import ModelFile, load_model_file, save_model_file
from i2i.checkpoints.model_info import ModelInfo
from i2i.config import to_json
from i2i.errors import UsageError
from i2i.networks import ResnetConfig, UnetConfig
from i2i.restoration import TASKS
from tests.conftest import random_image
from tests.inference.test_finishing import pixels
from tests.inference.test_restoration import save_task_model

CONFIGS: dict[str, Any] = {
    "resnet": ResnetConfig(ngf=2, blocks=1, weight_init="kaiming"),
    "unet": UnetConfig(ngf=2, norm="instance", dropout=0.0, weight_init="kaiming"),
}


def write_model(name: str, config: Any) -> None:
    network = config.build(32)
    info = ModelInfo(method="cyclegan", size=32, directions=("AtoB",), generator=to_json(config))
    path = Path("checkpoints") / name / "weights.safetensors"
    path.parent.mkdir(parents=True)
    save_model_file(path, ModelFile(info, {f"AtoB.{key}": value for key, value in network.state_dict().items()}))


def flat_photo(width: int = 64, height: int = 32) -> Image.Image:
    """Return a photo whose left half is textured and whose right half is flat."""
    levels = np.full((height, width, 3), 120, np.uint8)
    levels[:, : width // 2] = pixels(random_image(0, width // 2, height))
    return Image.fromarray(levels)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_mask_is_added_to_a_model_and_left_out(work_dir: Path, name: str) -> None:
    write_model("plain", CONFIGS[name])
    photo = flat_photo()
    plain = pixels(i2i.load("plain", device="cpu", precision="float32")(photo))
    masked = pixels(i2i.load("plain", device="cpu", precision="float32", texture_mask=True)(photo))
    assert not np.array_equal(masked, plain)
    part = np.abs(masked - pixels(photo)) <= np.abs(plain - pixels(photo)) + 1
    assert part.all()  # between photo and result

    model = Path("checkpoints/masked")
    model.mkdir()
    file = load_model_file(Path("checkpoints/plain/weights.safetensors"))
    info = replace(file.info, generator={**file.info.generator, "texture_mask": True})
    save_model_file(model / "weights.safetensors", replace(file, info=info))
    for texture_mask, expected in ((None, masked), (True, masked), (False, plain)):
        translate = i2i.load("masked", device="cpu", precision="float32", texture_mask=texture_mask)
        assert np.array_equal(pixels(translate(photo)), expected)


def test_the_mask_is_refused_where_a_model_cannot_have_it(work_dir: Path) -> None:
    save_task_model(Path("denoise.safetensors"), TASKS["denoise"]())
    for model in ("denoise.safetensors", "identity", "denoise.safetensors+identity"):
        with pytest.raises(UsageError, match=r"has no texture mask: omit --texture-mask \(texture_mask in Python\)"):
            i2i.load(model, device="cpu", texture_mask=True)
    write_model("plain", CONFIGS["resnet"])
    with pytest.raises(UsageError, match="--engine onnxruntime computes plain as its file has it: omit --texture-mask"):
        i2i.load("plain", device="cpu", texture_mask=True, engine="onnxruntime")


def test_in_a_chain_the_models_that_can_have_it_get_the_mask(work_dir: Path) -> None:
    write_model("plain", CONFIGS["resnet"])
    save_task_model(Path("denoise.safetensors"), TASKS["denoise"]())
    photo = flat_photo()
    options: dict[str, Any] = {"device": "cpu", "precision": "float32"}
    masked = i2i.load("plain", texture_mask=True, **options)(photo)
    expected = pixels(i2i.load("denoise.safetensors", **options)(masked))
    chain = i2i.load("plain+denoise.safetensors", texture_mask=True, **options)
    assert np.array_equal(pixels(chain(photo)), expected)


def test_a_conversion_with_the_mask_replaces_one_without(work_dir: Path) -> None:
    write_model("plain", CONFIGS["resnet"])
    flat_photo().save("photo.png")
    results = []
    for texture_mask in (None, True, True, False):
        outcome = i2i.convert("plain", "photo.png", "out", device="cpu", format="png", texture_mask=texture_mask)
        results.append((len(outcome.converted), Path("out/photo.png").read_bytes()))
    assert [count for count, _ in results] == [1, 1, 0, 1]
    assert results[0][1] == results[3][1] != results[1][1]
