"""Models that take no time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.run import Bundle, save_bundle
from i2i.config import to_json
from i2i.demo.limits import Limits
from i2i.demo.model_registry import Models
from i2i.demo.uploads import Desk
from i2i.networks import ResnetConfig


def write_model(folder: Path, ways: tuple[str, ...] = ("AtoB", "BtoA"), **header: Any) -> Path:
    """A run's bundle whose networks are drawn at random."""
    folder.mkdir(parents=True)
    config = ResnetConfig(ngf=2, blocks=1)
    torch.manual_seed(0)
    tensors = {f"{way}.{name}": value for way in ways for name, value in config.build(16).state_dict().items()}
    about = {"generator": to_json(config), "size": 16, "directions": list(ways), "data": {"name": "stripes"}}
    path = folder / "weights.safetensors"
    save_bundle(path, Bundle({**about, **header}, tensors))
    return path


@pytest.fixture
def models(own_place: Path) -> Iterator[Models]:
    """A model "both" of two directions, and what ships."""
    write_model(own_place / "checkpoints" / "both")
    desk = Desk(Limits(pixels=1_000_000, files=5, unpacked=10_000_000))
    yield Models("cpu", 2, desk)
    desk.close()


def upload(desk: Desk, name: str, data: bytes) -> Path:
    """A file as gradio puts it where an upload goes."""
    path = desk.place(name)
    path.write_bytes(data)
    return path
