import json
from pathlib import Path

import pytest

from i2i.checkpoints.config_file import encode_config
from i2i.errors import ConfigError
from i2i.recipes import find_recipe, recipe_from_json
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


@pytest.mark.parametrize("key", ["method", "recipe"])
@pytest.mark.parametrize("value", [[1, "x"], {}, 3, None, [[[[1]]]]])
def test_a_name_of_another_type_is_an_error(key: str, value: object) -> None:
    saved = {**find_recipe("pix2pix", None).to_json(), key: value}
    with pytest.raises(ConfigError, match=f"a {key} that is no name"):
        recipe_from_json(saved)
