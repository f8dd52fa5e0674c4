from pathlib import Path

import pytest

from i2i.errors import CacheError, I2IError, io_errors


def test_io_errors_names_the_path_and_the_reason() -> None:
    message = r"^out\.png could not be written: No space left on device\.$"
    with pytest.raises(I2IError, match=message) as raised, io_errors(Path("out.png")):
        raise OSError(28, "No space left on device")
    assert isinstance(raised.value.__cause__, OSError)


def test_io_errors_takes_problem_type_and_advice() -> None:
    context = io_errors(Path("dir"), "cannot be made", error_type=CacheError, advice="Make room.")
    with pytest.raises(CacheError, match=r"^dir cannot be made: no reason\. Make room\.$"), context:
        raise OSError("no reason")


def test_io_errors_lets_other_exceptions_pass() -> None:
    with pytest.raises(ValueError, match="other"), io_errors(Path("out.png")):
        raise ValueError("other")
