import pytest
from PIL import Image

from i2i.demo.examples import BLANK_SIZE, detail_crop, examples, thumbnail, thumbnail_or_blank
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.uploads import UploadStore
from i2i.images import read
from tests.conftest import random_image


def test_a_shipped_model_has_a_thumbnail_of_two_squares(registry: ModelRegistry, store: UploadStore) -> None:
    path = thumbnail(registry.model("denoise"), store.assets)
    assert path is not None
    assert read(path).width == 2 * read(path).height


def test_a_model_without_samples_has_a_blank_thumbnail(registry: ModelRegistry, store: UploadStore) -> None:
    model = registry.model("both")
    assert thumbnail(model, store.assets) is None
    assert read(thumbnail_or_blank(model, store.assets)).size == BLANK_SIZE


@pytest.mark.parametrize(
    ("name", "direction"), [("both", "AtoB"), ("both", "BtoA"), ("denoise", "AtoB"), ("superres2", "AtoB")]
)
def test_every_model_has_three_readable_examples(
    name: str, direction: str, registry: ModelRegistry, store: UploadStore
) -> None:
    paths = examples(registry.model(name), store.assets, direction)
    assert len([read(path) for path in paths]) == 3


def test_examples_of_a_synthetic_dataset_have_the_size_of_the_model(
    registry: ModelRegistry, store: UploadStore
) -> None:
    assert read(examples(registry.model("both"), store.assets)[0]).size == (16, 16)


def test_the_crop_of_a_restoration_is_where_the_result_has_most_detail() -> None:
    pair = Image.new("RGB", (128, 64), "grey")
    pair.paste(random_image(1, 24, 24), (64 + 36, 4))  # at the upper right of the result
    pair.paste("black", (36, 4, 60, 28))
    crops = detail_crop(pair)
    assert crops.size == (64, 32)
    assert crops.crop((0, 0, 32, 32)).convert("L").histogram()[0] == 24 * 24
    assert crops.getcolors(10) is None


@pytest.mark.parametrize("size", [(2, 1), (2, 2), (5, 3), (258, 128)])
def test_a_crop_of_any_pair_has_the_shape_of_the_pair(size: tuple[int, int]) -> None:
    crops = detail_crop(Image.new("RGB", size))
    assert crops.width >= crops.height >= 1
