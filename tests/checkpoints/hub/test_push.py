"""Models are uploaded to a Hub, and come back as they were."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from i2i.checkpoints.hub.push import PushOptions, push_model
from i2i.checkpoints.hub.readme import is_unedited
from i2i.checkpoints.model_file import find_model_file, load_model_file
from i2i.errors import DownloadError, ModelFileError, UsageError
from tests.checkpoints.hub.server import READER, Hub
from tests.checkpoints.hub.test_download import run
from tests.conftest import write_random_images

UPDATE = PushOptions(update=True)


def header_of(readme: bytes) -> dict[str, object]:
    return dict(yaml.safe_load(readme.decode().split("---\n")[1]))


def test_a_pushed_model_comes_back_equal(
    hub: Hub, exportable_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "models", "push", str(exportable_model), "user/zebras") == 0
    output = " ".join(capsys.readouterr().err.split())
    assert f"{hub.url}/user/zebras (public): weights.safetensors, README.md" in output
    assert "i2i convert hf://user/zebras photos/" in output
    assert set(hub.repos["user/zebras"].files) == {".gitattributes", "weights.safetensors", "README.md"}
    sent, received = load_model_file(exportable_model), load_model_file(find_model_file("hf://user/zebras"))
    assert received.info == sent.info
    assert sent.tensors.keys() == received.tensors.keys()
    assert all(torch.equal(received.tensors[name], sent.tensors[name]) for name in sent.tensors)
    write_random_images(Path("photos"), 1, 32)
    for model, out in ((str(exportable_model), "a"), ("hf://user/zebras", "b")):
        assert run(monkeypatch, "convert", model, "photos", "--out", out) == 0
    assert np.array_equal(*(np.asarray(Image.open(Path(folder, "000.png"))) for folder in "ab"))


def test_the_card_follows_the_conventions_of_the_hub(hub: Hub, exportable_model: Path) -> None:
    push_model(str(exportable_model), "hf://user/zebras", PushOptions())
    readme = hub.repos["user/zebras"].files["README.md"]
    header = header_of(readme)
    assert header["library_name"] == "i2i"
    assert header["pipeline_tag"] == "image-to-image"
    assert "i2i" in list(header["tags"])  # type: ignore[call-overload]
    assert "i2i convert hf://user/zebras photos/" in readme.decode()
    assert is_unedited(readme.decode())
    assert is_unedited(readme.decode().replace("\n", "\r\n"))


def test_a_new_repository_can_be_private(hub: Hub, exportable_model: Path) -> None:
    assert push_model(str(exportable_model), "user/secret", PushOptions(private=True)).private
    assert hub.repos["user/secret"].private
    with pytest.raises(UsageError, match=r"exists and is private.*omit --public"):
        push_model(str(exportable_model), "user/secret", PushOptions(private=False, update=True))


def test_a_repository_with_files_is_changed_only_when_asked(hub: Hub, exportable_model: Path) -> None:
    push_model(str(exportable_model), "user/zebras", PushOptions())
    count = len(hub.repos["user/zebras"].commits)
    with pytest.raises(UsageError, match=r"holds README\.md, weights\.safetensors\. Nothing was uploaded\. --update"):
        push_model(str(exportable_model), "user/zebras", PushOptions(half=True))
    assert len(hub.repos["user/zebras"].commits) == count
    push_model(str(exportable_model), "user/zebras", PushOptions(half=True, update=True))
    versions = [files.get("weights.safetensors") for files in hub.repos["user/zebras"].commits.values()]
    assert versions[1] == exportable_model.read_bytes()  # the earlier version stays in the history
    assert len(versions[2] or b"") < len(versions[1])


def test_an_edited_card_is_kept(hub: Hub, exportable_model: Path) -> None:
    push_model(str(exportable_model), "user/zebras", PushOptions())
    repository = hub.repos["user/zebras"]
    assert not push_model(str(exportable_model), "user/zebras", UPDATE).keeps_card
    edited = repository.files["README.md"] + b"\nCite us."
    repository.commit({"README.md": edited})
    assert push_model(str(exportable_model), "user/zebras", UPDATE).keeps_card
    assert repository.files["README.md"] == edited
    push_model(str(exportable_model), "user/zebras", PushOptions(update=True, replace_card=True))
    assert b"Cite us" not in repository.files["README.md"]


def test_a_change_by_others_during_the_upload_is_not_replaced(hub: Hub, exportable_model: Path) -> None:
    push_model(str(exportable_model), "user/zebras", PushOptions())
    repository = hub.repos["user/zebras"]
    hub.before_commit = lambda: repository.commit({"weights.safetensors": b"of a colleague"})
    with pytest.raises(UsageError, match="changed by somebody else in the meantime"):
        push_model(str(exportable_model), "user/zebras", PushOptions(update=True, half=True))
    assert repository.files["weights.safetensors"] == b"of a colleague"


def test_who_may_not_write_is_told_so(hub: Hub, exportable_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="other/zebras: your login may not do this"):
        push_model(str(exportable_model), "other/zebras", PushOptions())
    hub.add("other/shared", {".gitattributes": b""})
    with pytest.raises(UsageError, match="your login may not do this"):
        push_model(str(exportable_model), "other/shared", PushOptions())
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(UsageError, match="your login may not do this"):
        push_model(str(exportable_model), "user/zebras", PushOptions())
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UsageError, match=r"not logged in to http.*hf auth login"):
        push_model(str(exportable_model), "user/zebras", PushOptions())
    assert "user/zebras" not in hub.repos


def test_only_whole_models_of_i2i_are_pushed(hub: Hub, exportable_model: Path) -> None:
    for target in ("user/zebras@v1", "user/zebras/x.pth", "zebras", "user/../x"):
        with pytest.raises((UsageError, ModelFileError), match=r"repository alone|no address|hf://"):
            push_model(str(exportable_model), target, PushOptions())
    torch.save({"weight": torch.zeros(3, 3)}, "other.pth")
    with pytest.raises(ModelFileError, match="i2i models import"):
        push_model("other.pth", "user/zebras", PushOptions())
    damaged = bytearray(exportable_model.read_bytes())
    damaged[-1] ^= 1
    Path("damaged.safetensors").write_bytes(damaged)
    with pytest.raises(ModelFileError, match="checksum"):
        push_model("damaged.safetensors", "user/zebras", PushOptions())
    assert not hub.repos


def test_no_connection_is_said_at_once(hub: Hub, exportable_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="cannot be reached"):
        push_model(str(exportable_model), "user/zebras", PushOptions())
