"""Images of an evaluation are resized and degraded."""

import pytest
from PIL import Image

from i2i.evaluation.transforms import ResizePolicy


@pytest.mark.parametrize(
    ("resize", "size"),
    [
        (ResizePolicy(0), (24, 16)),
        (ResizePolicy(16), (16, 16)),
        (ResizePolicy(16, "cover"), (16, 16)),
        (ResizePolicy(24), (24, 24)),
    ],
)
def test_images_are_resized(resize: ResizePolicy, size: tuple[int, int]) -> None:
    image = Image.new("RGB", (24, 16), "red")
    assert resize(image).size == size


def test_an_image_of_the_size_is_not_copied() -> None:
    image = Image.effect_noise((16, 16), 50).convert("RGB")
    assert ResizePolicy(16)(image) is image


def test_cover_crops_the_centre_and_stretch_keeps_everything() -> None:
    image = Image.new("RGB", (32, 16), "red")
    image.paste("blue", (8, 0, 24, 16))
    assert ResizePolicy(16, "cover")(image).getcolors() == [(256, (0, 0, 255))]
    assert len(ResizePolicy(16)(image).getcolors() or []) > 1
