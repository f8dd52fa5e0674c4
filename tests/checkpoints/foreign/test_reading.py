"""Files of other programs are read within limits, and run no code."""

import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import i2i
from i2i.checkpoints.foreign import ImportOptions, reading
from i2i.checkpoints.foreign.reading import read_tensors
from i2i.checkpoints.importing import read_models
from i2i.errors import ModelFileError
from tests.checkpoints.foreign.hostile import MARKER, hostile_files, write_hostile_files


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile_files(folder)
    return folder


@pytest.mark.parametrize("name", hostile_files())
def test_a_hostile_file_is_named_in_a_sentence_and_runs_nothing(hostile_folder: Path, name: str) -> None:
    path = hostile_folder / name
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes
    for use in (i2i.load, lambda file: read_models([file], ImportOptions())):
        with pytest.raises(ModelFileError) as caught:
            use(path)
        message = str(caught.value)
        assert name in message
        assert message.endswith(".")
        assert len(message) < 900
        assert message.isprintable()
    assert not MARKER.exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_what_could_run_code_is_named(hostile_folder: Path) -> None:
    for name in ("code.pth", "code-legacy.pt", "code-module.pth"):
        with pytest.raises(ModelFileError, match=r"other Python objects than tensors \([\w.]+\), which could run code"):
            read_tensors(hostile_folder / name)
    with pytest.raises(ModelFileError, match="a TorchScript model"):
        i2i.load(hostile_folder / "scripted.pt")
    with pytest.raises(ModelFileError, match="compressed zip archive"):
        read_tensors(hostile_folder / "bomb.pth")


def test_weights_are_read_as_float32_from_every_container() -> None:
    weights = {"a": torch.tensor([0.5, 2.0]), "n": torch.tensor(3)}
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        typed = {name: x.to(dtype) if x.is_floating_point() else x for name, x in weights.items()}
        torch.save(typed, "a.pth")
        torch.save(typed, "b.ckpt", _use_new_zipfile_serialization=False)
        save_file(typed, "c.safetensors")
        torch.save({"a": torch.nn.Parameter(typed["a"]), "n": typed["n"]}, "d.bin")
        for name in ("a.pth", "b.ckpt", "c.safetensors", "d.bin"):
            found = read_tensors(Path(name))
            torch.testing.assert_close(found, weights, rtol=0, atol=0)


def test_the_averaged_weights_of_a_checkpoint_are_read() -> None:
    table = {"params": {"w": torch.zeros(1)}, "params_ema": {"w": torch.ones(1)}, "iter": 5}
    torch.save(table, "net.pth")
    assert read_tensors(Path("net.pth"))["w"] == 1
    torch.save({"left": {"w": torch.zeros(1)}, "right": {"w": torch.zeros(1)}}, "two.pth")
    with pytest.raises(ModelFileError, match="no table of weights that i2i knows; it holds 'left', 'right'"):
        read_tensors(Path("two.pth"))


@pytest.mark.parametrize(
    ("limit", "message"), [("MAX_FILE_BYTES", "may have"), ("MAX_TENSORS", r"a model may have 1 to 1\.")]
)
@pytest.mark.parametrize("legacy", [False, True])
def test_files_beyond_the_limits_are_refused(
    monkeypatch: pytest.MonkeyPatch, limit: str, message: str, legacy: bool
) -> None:
    torch.save({"a": torch.zeros(1), "b": torch.zeros(1)}, "net.pth", _use_new_zipfile_serialization=not legacy)
    monkeypatch.setattr(reading, limit, 1)
    with pytest.raises(ModelFileError, match=message):
        read_tensors(Path("net.pth"))
