"""The user's text of a model card goes with the model."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from i2i.checkpoints.card_editing import set_fields
from i2i.checkpoints.card_text import read_section
from i2i.checkpoints.hub.push import PushOptions, push_model
from i2i.checkpoints.importing import save_import
from i2i.checkpoints.model_card import read_card, write_model_card
from i2i.checkpoints.model_file import find_model_file, load_model_file, load_model_info
from tests.checkpoints.hub.server import Hub
from tests.checkpoints.hub.test_download import run
from tests.conftest import random_image

RUN = Path("checkpoints/zebra")


def test_the_text_survives_training_on_exports_imports_and_the_hub(
    exportable_model: Path,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = "zebra"
    save_import(model, load_model_file(exportable_model))
    random_image(1).save("photo.png")
    set_fields(model, {"limits": "At night.", "licence": "MIT", "sample": "photo.png"})
    info = load_model_info(find_model_file(model))
    write_model_card(RUN, replace(info, steps=77, total_steps=99))
    assert "77 of 99 steps" in read_card(RUN)
    push_model(model, "user/zebra", PushOptions())
    readme = hub.repos["user/zebra"].files["README.md"].decode()
    assert "license: mit" in readme
    assert "card_sample.jpg" in hub.repos["user/zebra"].files
    assert run(monkeypatch, "models", "export", model, "--out", "copy") == 0
    assert run(monkeypatch, "models", "import", "copy/weights.safetensors", "--name", "again") == 0
    assert run(monkeypatch, "models", "import", "hf://user/zebra", "--name", "pulled") == 0
    for folder in (RUN, Path("copy"), Path("checkpoints/again"), Path("checkpoints/pulled")):
        card = read_card(folder)
        assert read_section(card, "limits") == "At night."
        assert read_section(card, "licence") == "MIT"
        assert f"# {folder.name}\n" in card
        assert Image.open(folder / "card_sample.jpg").size == (16, 16)
        assert not {"library_name", "hf://"} & {*card.replace(":", " ").split()}
