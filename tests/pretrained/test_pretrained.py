import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from i2i.errors import ModelFileError
from i2i.pretrained import find_weights, load_weights


def test_weights_are_found_in_the_first_folder_that_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("none", "one", "two")]
    for folder in folders[1:]:
        folder.mkdir()
        (folder / "net.safetensors").touch()
    monkeypatch.setenv("I2I_WEIGHTS", os.pathsep.join(map(str, folders)))
    assert find_weights("net.safetensors") == tmp_path / "one" / "net.safetensors"
    assert find_weights("other.safetensors") is None


def test_without_folders_no_weights_are_found_even_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.safetensors").touch()
    for value in (None, "", os.pathsep):
        monkeypatch.delenv("I2I_WEIGHTS", raising=False)
        if value is not None:
            monkeypatch.setenv("I2I_WEIGHTS", value)
        assert find_weights("net.safetensors") is None


def test_weights_are_loaded_in_float32_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"a": torch.ones(2).half()}, path)
    assert load_weights(path)["a"].dtype == torch.float32
    save_file({"a": torch.tensor([torch.nan])}, path)
    with pytest.raises(ModelFileError, match=r"net\.safetensors: a holds values that are not finite"):
        load_weights(path)
    path.write_bytes(b"x")
    with pytest.raises(ModelFileError, match="not a readable safetensors file"):
        load_weights(path)
