from typing import Any

import pytest

from i2i.config import from_json
from i2i.networks import MLPDiscriminatorConfig, ResnetConfig, RestorerConfig, UnetConfig


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"residual": True, "inference": "train", "init": "xavier"},
         ResnetConfig(residual_output=True, inference_mode="train", weight_init="xavier")),
        ({"inference": "eval"}, UnetConfig(inference_mode="eval")),
        ({"shows": "mask", "answers": "patch", "fold": 1},
         RestorerConfig(conditioning="mask", prediction="masked_residual", unshuffle=1)),
        ({"pieces": 2}, MLPDiscriminatorConfig(maxout_pieces=2)),
    ],
)  # fmt: skip
def test_configs_saved_with_the_earlier_field_names_are_read(saved: dict[str, Any], expected: Any) -> None:
    assert from_json(type(expected), saved) == expected
