"""Models of the Hub are used wherever a model's name is accepted."""

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.checkpoints.hub import address_of_cached_file, download, parse_address
from i2i.checkpoints.model_file import find_model_file, load_model_file, model_name, name_for_files
from i2i.errors import DownloadError, ModelFileError, UsageError
from i2i.evaluation.models import resolve_models
from tests import forked_process
from tests.checkpoints.hub.server import READER, TOKEN, Hub
from tests.cli.in_process import run
from tests.conftest import random_image, write_random_images

ADDRESS = "hf://user/zebras"


@pytest.fixture
def weights(exportable_model: Path) -> bytes:
    return exportable_model.read_bytes()


def test_a_model_of_the_hub_translates_as_its_file_does(hub: Hub, weights: bytes, exportable_model: Path) -> None:
    hub.add("user/zebras", {"weights.safetensors": weights})
    photo = random_image(1, 32, 32)
    found = i2i.load(ADDRESS)
    expected = i2i.load(exportable_model)
    assert np.array_equal(np.asarray(found(photo)), np.asarray(expected(photo)))
    assert found.provenance.model == f"{ADDRESS} {found.direction}"


def test_commands_take_an_address(
    hub: Hub,
    weights: bytes,
    exportable_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.add("user/zebras", {"weights.safetensors": weights})
    write_random_images(Path("photos"), 2, 32)
    for model, out in ((ADDRESS, "a"), (str(exportable_model), "b"), (f"{ADDRESS}+identity", "c")):
        assert run(monkeypatch, "convert", model, "photos", "--out", out) == 0
    for name in ("000.png", "001.png"):
        assert np.array_equal(*(np.asarray(Image.open(Path(folder, name))) for folder in "ab"))
        assert np.array_equal(*(np.asarray(Image.open(Path(folder, name))) for folder in "ac"))
    assert run(monkeypatch, "models", "info", ADDRESS) == 0
    assert run(monkeypatch, "models", "import", ADDRESS, "--name", "kept") == 0
    kept, original = load_model_file(Path("checkpoints/kept/weights.safetensors")), load_model_file(exportable_model)
    assert all(torch.equal(kept.tensors[name], original.tensors[name]) for name in original.tensors)
    assert run(monkeypatch, "models", "import", ADDRESS, "--name", "kept") == 2
    assert "nothing is overwritten" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, "models", "export", ADDRESS, "--out", "copy") == 0


def test_a_revision_is_an_older_version(hub: Hub, weights: bytes) -> None:
    repository = hub.add("user/zebras", {"weights.safetensors": weights})
    first = repository.refs["v1"] = repository.refs["main"]
    newest = repository.commit({"weights.safetensors": b"newer"})
    assert find_model_file(f"{ADDRESS}@v1").read_bytes() == weights
    assert find_model_file(f"{ADDRESS}@{first}").read_bytes() == weights
    assert find_model_file(ADDRESS).read_bytes() == b"newer"
    assert model_name(find_model_file(ADDRESS)) == ADDRESS
    assert model_name(find_model_file(f"{ADDRESS}@v1")) == f"{ADDRESS}@{first}"
    assert name_for_files(find_model_file(ADDRESS)) == "user-zebras"
    assert newest != first
    with pytest.raises(ModelFileError, match="no such branch, tag or commit"):
        find_model_file(f"{ADDRESS}@v2")


def test_a_file_is_downloaded_once_and_a_process_keeps_its_version(hub: Hub, weights: bytes) -> None:
    repository = hub.add("user/zebras", {"weights.safetensors": weights})
    find_model_file(ADDRESS)
    count = len(hub.requests)
    repository.commit({"weights.safetensors": b"newer"})
    assert find_model_file(ADDRESS).read_bytes() == weights
    assert len(hub.requests) == count
    download._fetched.clear()  # as in the next process
    assert find_model_file(ADDRESS).read_bytes() == b"newer"
    download._fetched.clear()
    find_model_file(ADDRESS)
    assert sum(request.startswith("GET /user/zebras/resolve") for request in hub.requests) == 2


def test_the_model_file_is_found_among_others(hub: Hub, weights: bytes) -> None:
    hub.add("user/one", {"README.md": b"", "4x.safetensors": weights, "old/4x.pth": b"x"})
    assert find_model_file("hf://user/one").name == "4x.safetensors"
    assert find_model_file("hf://user/one/old/4x.pth").read_bytes() == b"x"
    assert model_name(find_model_file("hf://user/one")) == "hf://user/one/4x.safetensors"
    hub.add("user/two", {"a.safetensors": weights, "b.safetensors": weights, "c.pth": b""})
    with pytest.raises(ModelFileError, match=r"several model files: a\.safetensors, b\.safetensors, c\.pth"):
        find_model_file("hf://user/two")
    with pytest.raises(ModelFileError, match=r"no such file\. Model files in it: a\.safetensors, b\.safetensors"):
        find_model_file("hf://user/two/d.pth")
    hub.add("user/none", {"README.md": b"", "run.py": b""})
    with pytest.raises(ModelFileError, match="has no model file that i2i reads"):
        find_model_file("hf://user/none")


def test_a_pickle_of_the_hub_runs_no_code(hub: Hub, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    hub.add("user/bad", {"a.pth": pickle.dumps(Attack())})
    with pytest.raises(ModelFileError):
        i2i.load("hf://user/bad")
    assert not (tmp_path / "ran").exists()


def test_a_file_beyond_the_limit_is_not_downloaded(hub: Hub) -> None:
    hub.add("user/huge", {"weights.safetensors": b"x"}, sizes={"weights.safetensors": 5 << 30})
    with pytest.raises(ModelFileError, match=r"has 5\.4 GB; model files may have 4\.3 GB"):
        find_model_file("hf://user/huge")
    assert not any("resolve" in request for request in hub.requests)


def test_private_models_need_a_login_that_may_read_them(
    hub: Hub, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("user/secret", {"weights.safetensors": weights}, private=True)
    hub.add("user/gated", {"weights.safetensors": weights}, gated=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(ModelFileError, match=r"no such model at http.*or it is private.*hf auth login"):
        find_model_file("hf://user/secret")
    with pytest.raises(ModelFileError, match="is gated: its authors give access on request"):
        find_model_file("hf://user/gated")
    with pytest.raises(ModelFileError, match="no such model"):
        find_model_file("hf://user/missing")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelFileError, match="does not accept your token"):
        find_model_file("hf://user/secret")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert find_model_file("hf://user/secret").read_bytes() == weights


def test_without_a_connection_the_last_download_is_used(
    hub: Hub, weights: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add("user/zebras", {"weights.safetensors": weights})
    find_model_file(ADDRESS)
    for fault in ("offline", "refused", "status"):
        download._fetched.clear()
        caplog.clear()
        with monkeypatch.context() as patch:
            if fault == "offline":
                patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
            elif fault == "refused":
                patch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
            else:
                patch.setattr(hub, "status", 503)
            assert find_model_file(ADDRESS).read_bytes() == weights
            assert "The version that was downloaded last is used" in caplog.text
            start = time.monotonic()
            with pytest.raises(DownloadError, match=r"user/other.*(cannot be reached|status 503)"):
                find_model_file("hf://user/other")
            assert time.monotonic() - start < 5


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r'needs the package huggingface_hub: `uv pip install -e "\.\[hub\]"`'):
        find_model_file("hf://user/never-downloaded")


def test_the_environment_names_the_hub(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    hub.add("user/zebras", {"weights.safetensors": weights})
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "COLUMNS": "400"}
    result = forked_process.run("-m", "i2i", "models", "info", ADDRESS, env=environment)
    assert result.returncode == 0, result.stderr
    assert "weights.safetensors" in result.stdout.replace("\n", "")


def test_an_evaluation_names_a_model_by_its_address(hub: Hub, weights: bytes) -> None:
    hub.add("user/zebras", {"weights.safetensors": weights})
    find_model_file(ADDRESS).with_name("config.json").write_text("{}")  # as other programs leave it in the cache
    (model,) = resolve_models([ADDRESS], "both")
    assert (model.name, model.checkpoint) == (ADDRESS, "")


def test_a_path_in_another_folder_is_no_address(tmp_path: Path) -> None:
    assert address_of_cached_file(tmp_path / "snapshots" / ("0" * 40) / "weights.safetensors") is None
    cached = tmp_path / "models--user--zebras" / "snapshots" / ("0" * 40) / "weights.safetensors"
    assert address_of_cached_file(cached) == parse_address(f"{ADDRESS}@{'0' * 40}")
