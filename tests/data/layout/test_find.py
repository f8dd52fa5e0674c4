from pathlib import Path

import pytest

from i2i.data.layout import find_dataset


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "a\0b", "~" + "a" * 300])
def test_a_name_that_no_folder_can_have_is_not_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_DATASETS", str(tmp_path))
    assert find_dataset(name) is None
