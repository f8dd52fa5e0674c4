import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import i2i
from i2i.checkpoints.model_file import provenance_of
from i2i.config import to_json
from i2i.errors import ModelFileError, UsageError
from i2i.inference.loading import load
from i2i.networks import ResnetConfig
from tests.conftest import random_image
from tests.inference.test_translator import TINY, save_model


def test_both_directions_load_and_differ(tmp_path: Path) -> None:
    path = str(save_model(tmp_path / "b.safetensors"))
    forward, backward = i2i.load(path, device="cpu"), i2i.load(path, "BtoA", device="cpu")
    assert not np.array_equal(np.asarray(forward(random_image(0))), np.asarray(backward(random_image(0))))
    with pytest.raises(UsageError, match="it has AtoB, BtoA"):
        i2i.load(path, "CtoD", device="cpu")


@pytest.mark.parametrize(
    "header",
    [
        {"generator": {"network": "resnet", "ngf": 10**9}},
        {"generator": {"network": "resnet", "blocks": -1}},
        {"generator": {"network": "os.system"}},
        {"generator": {"network": "resnet", "ngf": "64"}},
        {"generator": None},
        {"size": 10**9},
        {"size": "32"},
        {"directions": None},
        {"directions": []},
        {"directions": [["AtoB"]]},
        {"generator": {"network": "resnet", "ngf": 1024, "blocks": 64}},  # 78 GB, were it built
    ],
)
def test_invalid_metadata_is_rejected_before_a_network_is_built(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match=r"does not describe a (translator|model)"):
        load(str(save_model(tmp_path / "b.safetensors", **header)), device="cpu")


def test_weights_of_another_network_are_rejected(tmp_path: Path) -> None:
    path = save_model(tmp_path / "b.safetensors", generator=to_json(ResnetConfig(ngf=3, blocks=1)))
    with pytest.raises(ModelFileError, match="do not fit"):
        load(str(path), device="cpu")


def test_an_unexpected_tensor_is_rejected(tmp_path: Path) -> None:
    tensors = {f"AtoB.{name}": value for name, value in TINY.build(32).state_dict().items()}
    header = {"format": 1, "size": 32, "directions": ["AtoB"], "generator": to_json(TINY)}
    path = tmp_path / "b.safetensors"
    save_file({**tensors, "AtoB.extra": torch.zeros(1)}, path, metadata={"i2i": json.dumps(header)})
    with pytest.raises(ModelFileError, match="do not fit"):
        load(str(path), device="cpu")


def test_the_provenance_of_a_loaded_model_identifies_its_weights(tmp_path: Path) -> None:
    path = save_model(tmp_path / "zebra" / "weights.safetensors")
    provenance = load(str(path), device="cpu").provenance
    assert provenance is not None
    assert (provenance.model, provenance.kind, len(provenance.version)) == ("zebra AtoB", "composite", 16)
    save_model(path, ResnetConfig(ngf=3, blocks=1))
    assert provenance_of(path).version != provenance.version
    assert load("identity", device="cpu").provenance is None
