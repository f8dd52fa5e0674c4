import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from i2i.checkpoints.model_file import (
    ModelFile,
    find_model_file,
    list_models,
    load_model_file,
    load_model_info,
    save_model_file,
)
from i2i.checkpoints.model_info import ModelInfo
from i2i.errors import ModelFileError

INFO = ModelInfo(size=16, directions=("AtoB", "BtoA"), generator={"network": "resnet"})


def test_loading_returns_what_was_saved(tmp_path: Path) -> None:
    tensors = {"AtoB.weight": torch.randn(2, 3), "BtoA.weight": torch.randn(2, 3)}
    save_model_file(tmp_path / "b.safetensors", ModelFile(INFO, tensors))
    loaded = load_model_file(tmp_path / "b.safetensors")
    assert loaded.info == INFO
    assert loaded.state_dict("BtoA").keys() == {"weight"}
    assert torch.equal(loaded.state_dict("BtoA")["weight"], tensors["BtoA.weight"])


def test_saving_a_model_twice_gives_equal_files(tmp_path: Path) -> None:
    model_file = ModelFile(INFO, {"AtoB.weight": torch.randn(2, 3), "BtoA.weight": torch.randn(3)})
    contents = set()
    for number in range(20):  # safetensors shuffles the keys of the metadata
        path = tmp_path / f"{number}.safetensors"
        save_model_file(path, model_file)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_a_model_file_with_nan_is_refused_naming_the_tensor(tmp_path: Path) -> None:
    tensors = {"AtoB.weight": torch.tensor([1.0, float("nan")])}
    save_model_file(tmp_path / "b.safetensors", ModelFile(INFO, tensors))
    with pytest.raises(ModelFileError, match=r"AtoB\.weight holds values that are not finite"):
        load_model_file(tmp_path / "b.safetensors")


@pytest.mark.parametrize("dimensions", [9, 64, 65, 1000])
def test_a_tensor_with_too_many_dimensions_is_refused(dimensions: int, tmp_path: Path) -> None:
    tensors = {"x": {"dtype": "F32", "shape": [1] * dimensions, "data_offsets": [0, 4]}}
    header = json.dumps({"__metadata__": {"i2i": json.dumps(INFO.to_metadata())}, **tensors}).encode()
    path = tmp_path / "b.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ModelFileError, match=f"'x' has {dimensions} dimensions"):
        load_model_file(path)


def test_foreign_damaged_and_missing_files_have_different_errors(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json")
    for name, reason in (
        ("foreign", "no network that i2i knows"),
        ("damaged", "not a readable"),
        ("missing", "does not exist"),
    ):
        with pytest.raises(ModelFileError, match=reason):
            load_model_file(tmp_path / f"{name}.safetensors")


def test_a_later_format_asks_for_an_update(tmp_path: Path) -> None:
    metadata = {"i2i": json.dumps({"format": 99})}
    save_file({"x": torch.zeros(1)}, tmp_path / "b.safetensors", metadata=metadata)
    with pytest.raises(ModelFileError, match="Update i2i"):
        load_model_info(tmp_path / "b.safetensors")


def test_a_model_is_found_by_name_folder_and_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "zebra" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    save_model_file(path, ModelFile(INFO, {}))
    assert list_models()[0] == "zebra"
    for name in ("zebra", str(path), str(path.parent)):
        assert find_model_file(name).resolve() == path
    with pytest.raises(ModelFileError, match=r"checkpoints: zebra\. Shipped models: denoise, dejpeg, horse2zebra"):
        find_model_file("horse")


def test_a_flipped_bit_in_the_weights_or_the_metadata_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model_file(path, ModelFile(INFO, {"AtoB.w": torch.randn(40, 3), "BtoA.w": torch.randn(3).bfloat16()}))
    assert load_model_file(path).info == INFO
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")  # of the tensors
    for position in [*range(start, len(content), 7), content.index(rb"\"size\": 16") + 11]:
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load_model_file(path)


def test_a_model_file_without_a_checksum_is_loaded() -> None:
    path = Path(__file__).parents[1] / "formats" / "v1" / "models" / "cut.safetensors"
    assert b"i2i.sha256" not in path.read_bytes()
    assert load_model_file(path).tensors
