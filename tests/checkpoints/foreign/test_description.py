"""Model files of other programs are named as what they are, and nothing of them is unpickled."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import i2i
from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.run import Run
from i2i.errors import ModelFileError


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path("unpickled").touch, ())


@pytest.fixture
def foreign() -> dict[str, str]:
    """Write files of other programs. Returns each name with what it is."""
    torch.save({"w": torch.zeros(1), "bomb": Bomb()}, "latest_net_G.pth")
    torch.save({"w": torch.zeros(1)}, "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), "scripted.pt")
    Path("pickled.ckpt").write_bytes(pickle.dumps(Bomb()))
    Path("half.pth").write_bytes(Path("latest_net_G.pth").read_bytes()[:200])
    Path("pytorch_model.bin").write_bytes(Path("latest_net_G.pth").read_bytes())
    Path("net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    Path("net.gguf").write_bytes(b"GGUF" + bytes(20))
    Path("page.safetensors").write_text("<!DOCTYPE html><html>404</html>")
    Path("lfs.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    np.savez("arrays.npz", a=np.zeros(1))
    for suffix in ("png", "jpg", "gif"):
        Image.new("L", (1, 1)).save(f"photo.{suffix}")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    return {
        "latest_net_G.pth": "a PyTorch checkpoint.", "pytorch_model.bin": "a PyTorch checkpoint.",
        "old.pt": "a PyTorch checkpoint or another Python pickle", "pickled.ckpt": "Python pickle",
        "scripted.pt": "a TorchScript model", "half.pth": "cut off or damaged",
        "net.h5": "HDF5", "net.gguf": "GGUF", "page.safetensors": "a web page", "lfs.safetensors": "Git LFS pointer",
        "arrays.npz": "a NumPy archive", "photos.zip": "a zip archive",
        "photo.png": "an image (PNG)", "photo.jpg": "an image (JPEG)", "photo.gif": "an image (GIF)",
    }  # fmt: skip


def test_a_foreign_file_is_named_as_what_it_is(foreign: dict[str, str]) -> None:
    for name, what in foreign.items():
        with pytest.raises(ModelFileError) as caught:
            load_model_info(Path(name))
        assert str(caught.value).startswith(f"{name} is ")
        assert what in str(caught.value), name
        can_hold_weights = "PyTorch checkpoint" in what or name in ("half.pth", "pickled.ckpt")
        advice = "`i2i models import" if can_hold_weights else "It runs no code of files."
        assert advice in str(caught.value), name
        with pytest.raises(ModelFileError, match=name):
            i2i.load(name)
    assert not Path("unpickled").exists()


def test_safetensors_of_another_program_are_named_too() -> None:
    save_file({"w": torch.zeros(1)}, "sd.safetensors")
    with pytest.raises(ModelFileError, match=r"a safetensors file that was not written by i2i.*`i2i models import"):
        load_model_info(Path("sd.safetensors"))
    with pytest.raises(ModelFileError, match=r"no network that i2i knows\. It has one tensor: w"):
        i2i.load("sd.safetensors")


def test_the_state_of_a_run_is_not_taken_for_its_model() -> None:
    run = Run.from_name("mine")
    run.create({})
    run.save_state({"step": 1})
    with pytest.raises(ModelFileError, match=r"state\.pt is the state of a training.*The model is the run"):
        i2i.load("checkpoints/mine/state.pt")
