import json
from pathlib import Path

import pytest

from i2i.checkpoints.config_file import encode_config
from i2i.recipes import find_recipe
from i2i.recipes.config_file import load_config_file


def test_settings_that_were_edited_are_used_and_the_change_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config.json"
    recipe = find_recipe("pix2pix", None)
    path.write_bytes(encode_config(recipe.to_json()))
    assert load_config_file(path, "pix2pix") == recipe
    assert caplog.text == ""
    edited = json.loads(path.read_text())
    edited["training"]["lr"] = 0.125
    path.write_text(json.dumps(edited))
    assert load_config_file(path, "pix2pix").training.lr == 0.125
    assert "config.json was changed after i2i wrote it" in caplog.text
