import pytest
from PIL import Image

from i2i.images import LoadedImage
from i2i.images.downscale import downscale, downscaled_to_fit
from tests.conftest import random_image


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [((64, 32), 16, (16, 8)), ((32, 64), 16, (8, 16)), ((64, 32), 64, (64, 32)), ((16, 8), 64, (16, 8)),
     ((1000, 1), 16, (16, 1))],
)  # fmt: skip
def test_the_longer_side_is_limited_and_nothing_is_enlarged(
    size: tuple[int, int], max_side: int, expected: tuple[int, int]
) -> None:
    assert downscaled_to_fit(size, max_side) == expected
    image = LoadedImage(random_image(0, *size), Image.new("L", size, 200))
    result = downscale(image, max_side)
    assert result.alpha is not None
    assert result.image.size == result.alpha.size == expected
