import pytest

from i2i.errors import ConfigError
from i2i.training.config import TrainingConfig


def test_a_title_is_one_short_line() -> None:
    assert TrainingConfig(title="Turns horses into zebras").title == "Turns horses into zebras"
    for title in ("two\nlines", "a" * 121, "\ud800", "\x1b[31m"):
        with pytest.raises(ConfigError, match="one line of at most 120 characters"):
            TrainingConfig(title=title)
