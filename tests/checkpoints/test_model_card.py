from dataclasses import replace
from pathlib import Path

import pytest
import torch

from i2i.checkpoints.model_card import write_model_card
from i2i.checkpoints.model_file import ModelFile, load_model_info, save_model_file
from i2i.checkpoints.model_info import BestMetric, DataInfo, ModelInfo
from tests.conftest import write_model_file

INFO = ModelInfo(size=16, directions=("AtoB",), generator={"network": "resnet"})


@pytest.mark.parametrize("text", ["\\ud800", "\\udcff", "a\\n\\n# b", "\\u001b[2J"])
def test_the_card_of_a_hostile_header_is_written(tmp_path: Path, text: str) -> None:
    """The text stands in the JSON of the header as an escape."""
    fields = dict.fromkeys(("method", "recipe", "title", "version"), "TEXT")
    metadata = {
        **fields,
        "size": 16,
        "directions": ["AtoB"],
        "generator": {"network": "TEXT"},
        "data": {"name": "TEXT", "fingerprint": "TEXT"},
        "best": {"metric": "TEXT", "value": 1.0, "steps": 1, "split": "TEXT", "images": [1]},
        "settings": {"TEXT": ["TEXT"]},
    }
    path = write_model_file(tmp_path / "m.safetensors", metadata, {})
    path.write_bytes(with_text(path.read_bytes(), text))
    info = load_model_info(path)
    write_model_card(tmp_path, info, info.best)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "\ufffd" in card
    assert "\n# b" not in card
    assert "\x1b" not in card


def with_text(data: bytes, text: str) -> bytes:
    """Return a model file with an escape in place of each TEXT."""
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].rstrip().replace(b"TEXT", text.replace("\\", "\\\\").encode())
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def test_the_names_of_folders_need_not_be_text(tmp_path: Path) -> None:
    info = replace(INFO, data=DataInfo("two\udcff", "", (1, 1)), settings={"data": {"data": "two\udcff"}})
    folder = tmp_path / "run\udcff"
    folder.mkdir()
    save_model_file(folder / "weights.safetensors", ModelFile(info, {"AtoB.w": torch.zeros(1)}))
    assert load_model_info(folder / "weights.safetensors").data.name == "two\ufffd"
    write_model_card(folder, info, BestMetric("kid", 1.0, 1, "test", (1,)))
    assert "# run\ufffd" in (folder / "card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "scale", "title"),
    [
        ({"task": "denoise"}, 1, "denoise"),
        ({"task": "superres", "scale": 2}, 2, "super-resolution ×2"),
        (None, 3, "super-resolution ×3"),  # learnt from pairs of small and large images
        (None, 1, ""),
    ],
)
def test_the_card_names_the_task(task: dict[str, object] | None, scale: int, title: str, tmp_path: Path) -> None:
    info = replace(INFO, generator={"network": "restorer", "scale": scale}, task=task)
    assert info.task_title == title
    write_model_card(tmp_path, info)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert (f"| task | {title} |" in card) == bool(title)
