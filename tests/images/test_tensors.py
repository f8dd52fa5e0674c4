import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from i2i.images import to_float, to_uint8

DETERMINISTIC = settings(deadline=None, derandomize=True)


def test_0_is_minus_1_and_255_is_1() -> None:
    assert to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_256_values_survive_the_round_trip_through_float(dtype: torch.dtype) -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(values).to(dtype)), values)


@DETERMINISTIC
@given(st.floats(-1e6, 1e6))
def test_to_uint8_rounds_to_the_nearest_value_and_clips(value: float) -> None:
    level = int(to_uint8(torch.tensor(value, dtype=torch.float32)))
    assert abs(level - min(255, max(0, (value + 1) * 127.5))) <= 0.5 + 1e-4
