"""Black and white of files that do not state them."""

import pytest

from i2i.images.value_range import ValueRange, range_of_type


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, (0, 1)),
        (-0.2, 1.3, (0, 1)),  # an enlarged photo: resizing exceeds black and white
        (-0.02, 0.3, (0, 1)),  # a dark one
        (-1, 1, (-1, 1)),
        (-0.5, 0.5, (-1, 1)),  # centred on 0: half of it is no undershoot
        (-30, 280, (0, 255)),
        (-100, 100, (-255, 255)),
        (-20, 35, (-255, 255)),
        (0, 4095, (0, 65535)),
        (-1000, 3000, (-32768, 32767)),
    ],
)
def test_the_range_of_floats_holds_all_but_what_resizing_adds(low: float, high: float, expected: ValueRange) -> None:
    assert range_of_type("float", low, high) == expected
