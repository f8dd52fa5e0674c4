"""The scale of the networks and the types of files are converted into each other without loss."""

from typing import Any

import numpy as np
import pytest
import torch

from i2i.images import to_float
from i2i.images.pixel_format import PixelFormat, from_unit, to_format, to_levels


@pytest.mark.parametrize(
    ("dtype", "value_range"),
    [
        ("uint8", (0, 255)), ("int8", (-128, 127)), ("uint16", (0, 65535)), ("int16", (-32768, 32767)),
        ("uint16", (0, 4095)), ("int16", (-1024, 3071)), ("uint8", (0, 9)),
    ],
)  # fmt: skip
def test_every_value_of_8_and_16_bits_returns_exactly(dtype: str, value_range: tuple[float, float]) -> None:
    values = np.arange(value_range[0], value_range[1] + 1).astype(dtype)
    unit = to_float(torch.from_numpy(to_levels(values, value_range)))
    assert unit.min() == -1
    assert unit.max() == 1
    format = PixelFormat(channels=1, dtype=dtype, value_range=value_range)
    np.testing.assert_array_equal(from_unit(unit.numpy(), format), values)


def test_floats_return_within_the_rounding_of_their_range() -> None:
    values = np.random.default_rng(0).uniform(250, 330, 10_000).astype(np.float32)
    format = PixelFormat(channels=1, dtype="float32", value_range=(250, 330))
    unit = to_float(torch.from_numpy(to_levels(values, format.value_range))).numpy()
    assert np.abs(from_unit(unit, format) - values).max() <= 80 * 2**-22


def test_integers_are_rounded_and_clipped_and_floats_are_not_clipped() -> None:
    unit = np.array([-1.5, 0.001, 1.5])
    assert from_unit(unit, PixelFormat(dtype="uint16", value_range=(0, 4095))).tolist() == [0, 2050, 4095]
    assert from_unit(unit, PixelFormat(dtype="float64", value_range=(0, 2))).tolist() == [-0.5, 1.001, 2.5]


def test_samples_of_another_type_are_scaled_and_missing_values_are_black() -> None:
    format = PixelFormat(channels=1, dtype="uint16", value_range=(0, 4095))
    assert to_format(np.array([0, 255], np.uint8), format, {}).tolist() == [0, 4095]
    assert to_format(np.array([1, 9000], np.uint16), format, {}).tolist() == [1, 9000]
    floats = PixelFormat(channels=1, dtype="float32", value_range=(-5, 5))
    assert to_format(np.array([np.nan, 2.0], np.float32), floats, {"float": (-5, 5)}).tolist() == [-5, 2]


def test_a_format_is_kept_as_json() -> None:
    format = PixelFormat(channels=2, dtype="int16", value_range=(-5, 9), bands=("a", "b"))
    assert PixelFormat.from_json(format.to_json()) == format
    assert PixelFormat.from_json(PixelFormat().to_json()).is_rgb8
    assert str(format) == "2 channels (a, b) of int16, -5 to 9"


@pytest.mark.parametrize("change", [
    {"channels": 0}, {"channels": 17}, {"channels": True}, {"channels": "3"}, {"dtype": "object"}, {"dtype": 3},
    {"value_range": [1, 1]}, {"value_range": [0, float("nan")]}, {"value_range": None}, {"bands": ["one"]},
    {"bands": [1, 2, 3]}, {"bands": "rgb"},
])  # fmt: skip
def test_other_values_are_no_format(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is "):
        PixelFormat.from_json({**PixelFormat().to_json(), **change})
