from pathlib import Path
from typing import Any

import pytest

from i2i.errors import ConfigError, DatasetError, ModelFileError, UsageError
from i2i.evaluation.evaluate import evaluate
from i2i.evaluation.options import EvaluationOptions
from tests.evaluation.conftest import CPU


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"models": []}, UsageError, "No model was named"),
        ({"models": ["identity"]}, UsageError, "No dataset was named"),
        ({"models": ["nothing"]}, ModelFileError, "No model 'nothing'"),
        ({"models": ["identity"], "data": "nowhere"}, DatasetError, "No dataset 'nowhere'"),
        (
            {"models": ["identity"], "data": "two", "rank_by": "speed"},
            ConfigError,
            "rank_by is 'speed'; it must be one of fid",
        ),
        ({"models": ["identity"], "data": "two", "rank_by": "change"}, ConfigError, "rank_by is 'change'"),
        ({"models": ["identity"], "data": "two", "rank_by": "psnr"}, UsageError, "PSNR is not measured"),
        (
            {"models": ["identity"], "data": "two", "max_images": 1},
            ConfigError,
            "max_images is 1; it must be 2 or above",
        ),
        ({"models": ["identity"], "data": "two", "size": 3}, ConfigError, "size is 3; it must be 0"),
    ],
)
def test_unusable_options_are_refused(
    unpaired: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(EvaluationOptions(inference=CPU, **options))
