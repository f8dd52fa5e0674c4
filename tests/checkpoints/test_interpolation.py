"""Models between two others."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from i2i.checkpoints.interpolation import interpolate
from i2i.checkpoints.model_file import load_model_file, save_model_file, to_half
from i2i.errors import UsageError
from i2i.inference.loading import load
from i2i.networks import RestorerConfig
from tests.cli.in_process import run
from tests.conftest import random_image
from tests.engines.fixtures import write_model

DENOISE = {"task": "denoise"}
RESTORER = RestorerConfig(width=4, levels=2, depth=1)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two models of one network, the second with other weights."""
    first = write_model(tmp_path, "first", RESTORER, 32, DENOISE)
    loaded = load_model_file(first)
    torch.manual_seed(1)
    tensors = {key: x + 0.1 * torch.randn_like(x) for key, x in loaded.tensors.items()}
    second = tmp_path / "second.safetensors"
    save_model_file(second, replace(loaded, info=replace(loaded.info, title="Second"), tensors=tensors))
    return first, second


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_weights_lie_between_those_of_both(weight: float, pair: tuple[Path, Path]) -> None:
    one, other = (load_model_file(path).tensors for path in pair)
    result = interpolate(*pair, weight)
    assert result.tensors.keys() == one.keys()
    for key, x in result.tensors.items():
        torch.testing.assert_close(x, one[key] + weight * (other[key] - one[key]), rtol=0, atol=1e-6)
    assert result.info.title == "Second"
    assert result.info.source_notes == (f"Its weights are {1 - weight:g} of first's and {weight:g} of second's.",)


def test_half_precision_stays_half(pair: tuple[Path, Path], tmp_path: Path) -> None:
    halves = []
    for path in pair:
        halves.append(tmp_path / f"half-{path.name}")
        save_model_file(halves[-1], to_half(load_model_file(path)))
    floating = [x for x in interpolate(*halves, 0.5).tensors.values() if x.is_floating_point()]
    assert {x.dtype for x in floating} == {torch.float16}


def test_the_command_makes_a_model_with_a_card(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["models", "interpolate", *map(str, pair), "--weight", "0.25", "--name", "between"]
    assert run(monkeypatch, *words) == 0
    assert "0.75 of first's and 0.25 of second's" in Path("checkpoints/between/card.md").read_text()
    photo = random_image(1, 32, 32)
    between = load("between", device="cpu")(photo)
    assert between.size == photo.size
    assert between.tobytes() not in (load(pair[0], device="cpu")(photo).tobytes(), photo.tobytes())
    assert run(monkeypatch, *words) != 0  # nothing is overwritten


def test_models_of_other_networks_and_tasks_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    wide = write_model(tmp_path, "wide", replace(RESTORER, width=6), 32, DENOISE)
    with pytest.raises(UsageError, match=r"first and wide differ in their generator \(width 4 and 6\)"):
        interpolate(pair[0], wide, 0.5)
    untasked = write_model(tmp_path, "untasked", RESTORER, 32, None)
    with pytest.raises(UsageError, match=r"differ in their task \(denoise and none\)"):
        interpolate(pair[0], untasked, 0.5)
    deblur = write_model(tmp_path, "deblur", RESTORER, 32, {"task": "deblur"})
    with pytest.raises(UsageError, match=r"differ in their task \(task denoise and deblur\)"):
        interpolate(pair[0], deblur, 0.5)


def test_a_weight_beyond_both_and_a_foreign_file_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="from 0, the first model, to 1"):
        interpolate(*pair, 1.5)
    foreign = tmp_path / "latest_net_G.pth"
    torch.save({"model.1.weight": torch.zeros(1)}, foreign)
    with pytest.raises(UsageError, match="import it first"):
        interpolate(pair[0], foreign, 0.5)
