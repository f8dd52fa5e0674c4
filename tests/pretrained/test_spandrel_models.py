"""spandrel gets tensors alone, and no more memory than their network needs."""

import sys

import pytest
import spandrel
import torch
from torch import Tensor

from i2i.errors import ModelFileError, UsageError
from i2i.pretrained.spandrel_models import describe, load_descriptor
from tests.checkpoints.foreign.restoration import NETWORKS, SCALES, build


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_recognised_with_its_scale_and_channels(name: str) -> None:
    descriptor = load_descriptor(build(name).state_dict(), "net.pth")
    config = describe(descriptor, "net.pth")
    assert config["scale"] == SCALES.get(name, 1)
    assert config["conditioning"] == "image"
    channels = 1 if "grey" in name or name == "DnCNN" else 4 if "RGBA" in name else 3
    assert (config["in_channels"], config["out_channels"]) == (channels, channels)
    assert not descriptor.model.training
    assert not any(weight.requires_grad for weight in descriptor.model.parameters())


def test_tensors_of_no_network_give_none() -> None:
    assert load_descriptor({"w": torch.zeros(1)}, "net.pth") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"body.0.weight": torch.zeros(8, 3, 3, 3)[:, :0]},
        {"body.0.weight": torch.zeros(0, 3, 3, 3)},
        {"body.8.weight": torch.zeros(7, 8, 3, 3)},
        {"body.0.weight": torch.zeros(10**7, 0, 3, 3)},
        {"body.999999.weight": torch.zeros(1)},
        {"body.300.weight": torch.zeros(1)},
        {"body.0.weight": torch.zeros(8)},
        {"body.x.weight": torch.zeros(8)},
    ],
)
def test_tensors_that_do_not_fit_are_refused_before_memory_is_allocated(changes: dict[str, Tensor]) -> None:
    tensors = {**build("Compact, grey").state_dict(), **changes}
    with pytest.raises(ModelFileError, match=r"^net\.pth: "):
        load_descriptor(tensors, "net.pth")


def test_without_spandrel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UsageError, match=r'pip install -e "\.\[foreign\]"'):
        load_descriptor({"w": torch.zeros(1)}, "net.pth")


def test_models_of_faces_and_of_odd_channels_are_refused() -> None:
    descriptor = load_descriptor(build("Compact, grey").state_dict(), "net.pth")
    assert descriptor is not None
    descriptor._purpose = "FaceSR"
    with pytest.raises(ModelFileError, match="aligned crops of faces"):
        describe(descriptor, "net.pth")
    descriptor._purpose = "SR"
    descriptor.input_channels = 2
    with pytest.raises(ModelFileError, match="takes 2 channels"):
        describe(descriptor, "net.pth")


def test_only_the_safe_entry_of_spandrel_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("i2i reads files itself")

    for name in ("load_from_file", "load_state_dict_from_file", "_load_torchscript", "_load_pth", "_load_safetensors"):
        monkeypatch.setattr(spandrel.ModelLoader, name, refuse)
    assert load_descriptor(build("Compact, grey").state_dict(), "net.pth") is not None
    assert "spandrel_extra_arches" not in sys.modules
