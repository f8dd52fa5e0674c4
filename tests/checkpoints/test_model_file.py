import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from i2i.checkpoints.run import Bundle, Run, find_bundle, list_models, load_bundle, load_header, save_bundle
from i2i.errors import BundleError, RunError

HEADER: dict[str, Any] = {"size": 16, "directions": ["AtoB"]}


def test_a_bundle_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    tensors = {"AtoB.weight": torch.randn(2, 3), "BtoA.weight": torch.randn(2, 3)}
    save_bundle(tmp_path / "b.safetensors", Bundle(HEADER, tensors))
    loaded = load_bundle(tmp_path / "b.safetensors")
    assert loaded.header == {"format": 1, **HEADER}
    assert loaded.of("BtoA").keys() == {"weight"}
    assert torch.equal(loaded.of("BtoA")["weight"], tensors["BtoA.weight"])


def test_a_bundle_with_nan_is_refused_by_the_tensors_name(tmp_path: Path) -> None:
    save_bundle(tmp_path / "b.safetensors", Bundle(HEADER, {"AtoB.weight": torch.tensor([1.0, float("nan")])}))
    with pytest.raises(BundleError, match=r"AtoB\.weight holds values that are not finite"):
        load_bundle(tmp_path / "b.safetensors")


def test_foreign_damaged_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json")
    for name, reason in (("foreign", "not made by i2i"), ("damaged", "not a readable"), ("missing", "does not exist")):
        with pytest.raises(BundleError, match=reason):
            load_bundle(tmp_path / f"{name}.safetensors")


def test_a_bundle_of_a_later_format_asks_for_an_update(tmp_path: Path) -> None:
    metadata = {"i2i": json.dumps({"format": 99})}
    save_file({"x": torch.zeros(1)}, tmp_path / "b.safetensors", metadata=metadata)
    with pytest.raises(BundleError, match="Update i2i"):
        load_header(tmp_path / "b.safetensors")


def test_a_model_is_found_by_name_folder_and_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "zebra" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    save_bundle(path, Bundle(HEADER, {}))
    assert list_models() == ["zebra"]
    for name in ("zebra", str(path), str(path.parent)):
        assert find_bundle(name).resolve() == path
    with pytest.raises(BundleError, match="checkpoints: zebra"):
        find_bundle("horse")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "-x", ".hidden", "a\n", "é" * 10, "x" * 101])
def test_a_run_cannot_be_named_out_of_its_folder(name: str) -> None:
    with pytest.raises(RunError, match="cannot name a run"):
        Run.named(name)


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.save_state({"step": step})
    assert run.load_state() == {"step": 3}
    (tmp_path / "state.pt").unlink()
    assert run.load_state() == {"step": 2}
    assert not list(tmp_path.glob("*.part"))


def test_a_state_cut_off_between_its_two_renames_is_found(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_state({"step": 1})
    (tmp_path / "state.pt").rename(tmp_path / "state.next.pt")
    assert run.load_state() == {"step": 1}


def test_a_state_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"step": Hostile()}, tmp_path / "state.pt")
    with pytest.raises(RunError, match="No state of this run can be read"):
        Run(tmp_path).load_state()
    assert not (tmp_path / "owned").exists()
