"""The folder that takes i2i to a machine without a network (tests/benchmarks/cuda_pack.py)."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.benchmarks import cuda_pack
from tests.benchmarks.cuda_trainings import TrainingSpec

FAKE_SESSION = """
import json, os, sys
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
names = ["I2I_WEIGHTS", "I2I_DATASETS"]
found = {"arguments": sys.argv[1:], "photo": Path("data/photos/a.jpg").read_text(), **{n: os.environ[n] for n in names}}
found["image"] = (Path(os.environ["I2I_DATASETS"]) / "images" / "b.webp").read_text()
import a_package
(out / "found.json").write_text(json.dumps(found))
"""


def archive(path: Path, files: dict[str, str], scratch: Path) -> Path:
    """Write a tar file with these files."""
    for name, text in files.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text(text)
    with tarfile.open(path, "w") as tar:
        for top in sorted({name.split("/")[0] for name in files}):
            tar.add(scratch / top, top)
    return path


def test_one_command_unpacks_the_folder_and_runs_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake_tree(folder: Path, revision: str, models: tuple[str, ...]) -> None:
        files = {"__init__.py": "", "benchmarks/__init__.py": "", "benchmarks/cuda_session.py": FAKE_SESSION}
        tree = archive(
            tmp_path / "tree.tar", {f"tests/{name}": text for name, text in files.items()}, tmp_path / "tree"
        )
        cuda_pack.compress(tree, folder / "tree.tar.gz")

    def fake_wheel(names: list[str], folder: Path) -> None:
        folder.mkdir()
        code = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('a_package.py', '')"
        subprocess.run(["python3", "-c", code, str(folder / "a_package.whl")], check=True)

    monkeypatch.setattr(cuda_pack, "archive_tree", fake_tree)
    monkeypatch.setattr(cuda_pack, "download_wheels", fake_wheel)
    images = archive(tmp_path / "images.tar", {"images/b.webp": "image"}, tmp_path / "scratch")
    (tmp_path / "real.jpg").write_text("photo")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.jpg").symlink_to(tmp_path / "real.jpg")
    folder = tmp_path / "a pack"
    cuda_pack.main([str(folder), "--images", str(images), "--data", f"photos={tmp_path / 'links'}",
                    "--wheels", "a_package", "--", "--only", "two words"])  # fmt: skip
    assert "MiB in all" in capsys.readouterr().out
    environment = {**os.environ, "OUT": str(tmp_path / "out"), "PYTHONPATH": "", "WORK": str(tmp_path / "work")}
    subprocess.run(["bash", str(folder / "run.sh")], env=environment, check=True, cwd=tmp_path)
    found = json.loads((tmp_path / "out" / "found.json").read_text())
    assert (found["photo"], found["image"]) == ("photo", "image")
    assert found["I2I_WEIGHTS"] == str(folder / "weights")
    assert found["arguments"][:2] == ["--only", "two words"]
    assert found["arguments"][-2] == "--started"


def test_half_weights_are_stored_in_float16(tmp_path: Path) -> None:
    save_file({"a": torch.tensor([1.0, 1 / 3])}, tmp_path / "full.safetensors")
    cuda_pack.store_weights(tmp_path / "full.safetensors", tmp_path / "new" / "half.safetensors", half=True)
    (stored,) = load_file(tmp_path / "new" / "half.safetensors").values()
    assert stored.dtype == torch.float16
    assert stored.tolist() == pytest.approx([1.0, 1 / 3], rel=1e-3)


@pytest.mark.slow
def test_a_mistake_in_a_training_is_found_before_it_is_packed() -> None:
    with pytest.raises(SystemExit, match="--weight-backgroud"):
        cuda_pack.check_training(TrainingSpec("wrong", ["cut", "--data", "elsewhere", "--weight-backgroud", "6"]))


def test_a_mistake_in_the_arguments_of_the_session_is_found_before_it_is_packed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cuda_pack.main([str(tmp_path / "pack"), "--", "--train", "no name"])
    assert not (tmp_path / "pack").exists()


def test_a_pack_that_is_too_large_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(2**20))
    assert cuda_pack.check_size(tmp_path, 2**20) == 2**21
    with pytest.raises(SystemExit, match="does not fit"):
        cuda_pack.check_size(tmp_path, cuda_pack.MAX_BYTES)
