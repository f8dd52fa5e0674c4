"""The metadata of model files: what is accepted, what is refused, and how format 1 is read."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner

import i2i.recipes  # noqa: F401 (defines all configs)
from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.model_info import BestMetric, DataInfo, ModelInfo
from i2i.checkpoints.upgrade import (
    FIELD_NAMES,
    TASK_FIELD_NAMES,
    VALUES,
    upgrade_config,
    upgrade_log_row,
    upgrade_metadata,
    upgrade_state,
)
from i2i.cli import app
from i2i.config import Config
from i2i.demo.model_registry import ModelRegistry
from i2i.errors import I2IError, ModelFileError
from i2i.evaluation.models import resolve_models
from i2i.inference import loading, sampler
from tests.conftest import write_model_file

MINIMAL: dict[str, Any] = {"size": 16, "directions": ["AtoB"], "generator": {"network": "resnet"}}
FULL = ModelInfo(
    method="cyclegan",
    recipe="paper",
    title="Turns horses into zebras",
    version="1.0",
    size=256,
    directions=("AtoB", "BtoA"),
    generator={"network": "resnet", "ngf": 64},
    task={"task": "denoise", "sigma": [0.0, 50.0]},
    data=DataInfo("horse2zebra", "abc", (1067, 1334)),
    steps=500,
    total_steps=1000,
    ema=0.999,
    best=BestMetric("kid", 0.1, 500, "test", (120, 140)),
    settings={"data": {"resize": "cover"}},
    value_ranges=({"int16": (-1000.0, 3000.0)}, {"uint8": (0.0, 20.0)}),
)
BEST = {"metric": "kid", "value": 0.1, "steps": 5, "split": "test", "images": [4, 4]}
UNUSABLE: list[dict[str, Any]] = [
    {"value_ranges": 3},
    {"value_ranges": [{}]},
    {"value_ranges": [{}, {"colour": [0, 1]}]},
    {"value_ranges": [{}, {"uint8": [1, 1]}]},
    {"value_ranges": [{}, {"uint8": [0, 10**400]}]},
    {"value_ranges": [{}, {"uint8": "01"}]},
    {"size": 0},
    {"size": 10**9},
    {"size": "x"},
    {"size": 16.0},
    {"size": True},
    {"size": None},
    {"directions": None},
    {"directions": []},
    {"directions": "AtoB"},
    {"directions": [["AtoB"]]},
    {"directions": ["AtoB", "AtoB"]},
    {"directions": ["AtoB", "sample"]},
    {"directions": ["AtoC"]},
    {"generator": None},
    {"generator": "resnet"},
    {"generator": {}},
    {"generator": {"network": 3}},
    {"task": "denoise"},
    {"task": {"sigma": 3}},
    {"data": []},
    {"data": {"name": "x" * 10**5}},
    {"data": {"name": {}}},
    {"data": {"fingerprint": 7}},
    {"data": {"images": 5}},
    {"data": {"images": ["5"]}},
    {"data": {"images": [1, 2, 3]}},
    {"data": {"images": [-1]}},
    {"steps": -1},
    {"steps": "many"},
    {"steps": 10**30},
    {"total_steps": 1.5},
    {"ema": "x"},
    {"ema": float("nan")},
    {"ema": float("inf")},
    {"ema": 10**400},
    {"best": "kid"},
    {"best": {**BEST, "value": None}},
    {"best": {**BEST, "value": float("nan")}},
    {"best": {**BEST, "metric": ["kid"]}},
    {"best": {**BEST, "images": None}},
    {"settings": 3},
    {"method": 3},
    {"recipe": "x" * 300},
    {"version": None, "method": {}},
]


def test_metadata_survive_a_round_trip() -> None:
    assert ModelInfo.from_metadata(json.loads(json.dumps(FULL.to_metadata()))) == FULL


def test_only_size_directions_and_generator_are_required() -> None:
    info = ModelInfo.from_metadata(MINIMAL)
    assert (info.size, info.directions, info.steps, info.best, info.task) == (16, ("AtoB",), None, None, None)
    for key in MINIMAL:
        with pytest.raises(ModelFileError, match=f"does not describe a model: {key} is missing; it must be"):
            ModelInfo.from_metadata({name: value for name, value in MINIMAL.items() if name != key})


@pytest.mark.parametrize("changes", UNUSABLE, ids=lambda changes: str(changes)[:40])
def test_an_unusable_value_is_refused_with_what_was_found_and_what_is_expected(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match=r"model: .* (is|is missing).*; it must be a") as refusal:
        ModelInfo.from_metadata({**MINIMAL, **changes}, "m.safetensors")
    assert str(refusal.value).startswith("m.safetensors: its metadata does not describe a model: ")
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("metadata", [[], "text", None, 3])
def test_metadata_that_are_no_table_are_refused(metadata: Any) -> None:
    with pytest.raises(ModelFileError, match="it must be a table"):
        ModelInfo.from_metadata(metadata)


@pytest.mark.parametrize("changes", UNUSABLE[::5], ids=lambda changes: str(changes)[:40])
def test_no_command_gives_a_traceback_for_an_unusable_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = write_model_file(tmp_path / "checkpoints" / "odd" / "weights.safetensors", {**MINIMAL, **changes}, {})
    for use in (loading.load, sampler.load, lambda name: resolve_models([name], "both")):
        with pytest.raises(I2IError):
            use(str(path))
    assert "odd" not in ModelRegistry("cpu").names()
    for command in ("list", "info odd", "export odd --out exported"):
        result = CliRunner().invoke(app, ["models", *command.split()])
        assert result.exception is None or isinstance(result.exception, SystemExit | I2IError)


def test_the_metadata_say_what_the_network_takes() -> None:
    conditionings = {"image": (False, False), "level": (True, False), "mask": (False, True)}
    for conditioning, expected in conditionings.items():
        generator = {"network": "restorer", "conditioning": conditioning}
        info = ModelInfo.from_metadata({**MINIMAL, "generator": generator})
        assert (info.takes_strength, info.takes_mask) == expected
    assert ModelInfo.from_metadata({**MINIMAL, "directions": ["sample"]}).samples_from_noise


def test_metadata_of_format_1_get_the_names_of_format_2() -> None:
    old = {
        "format": 1,
        "objective": "regression",
        "size": 16,
        "directions": ["AtoB"],
        "generator": {"network": "restorer", "fold": 1, "shows": "picture", "answers": "patch"},
        "task": {"task": "dejpeg", "known": True},
        "data": {"name": "photos", "pictures": [3]},
        "best": {"metric": "psnr", "value": 20.0, "steps": 2, "split": "test", "pictures": [2]},
        "settings": {"objective": "regression", "data": {"fit": "cover", "task": {"task": "denoise", "known": True}}},
    }
    assert upgrade_metadata(old) == {
        "format": 2,
        "method": "regression",
        "size": 16,
        "directions": ["AtoB"],
        "generator": {
            "network": "restorer", "unshuffle": 1, "conditioning": "image", "prediction": "masked_residual",
        },
        "task": {"task": "dejpeg", "quality_input": True},
        "data": {"name": "photos", "images": [3]},
        "best": {"metric": "psnr", "value": 20.0, "steps": 2, "split": "test", "images": [2]},
        "settings": {
            "method": "regression",
            "data": {"resize": "cover", "task": {"task": "denoise", "noise_level_input": True}},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": 1},
        {"format": 1, "data": 3, "best": [], "generator": None, "task": {"task": {"task": []}}},
        {"format": 1, **MINIMAL, "generator": {"network": "restorer", "shows": ["picture"]}, "task": {"task": []}},
        {"format": [2]},
        {"format": None},
    ],
)
def test_odd_metadata_of_any_format_are_refused(tmp_path: Path, metadata: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        load_model_info(write_model_file(tmp_path / "m.safetensors", metadata, {}))


@pytest.mark.parametrize("depth", [25, 700, 100_000])
@pytest.mark.parametrize("version", [1, 2])
def test_deeply_nested_metadata_are_refused(tmp_path: Path, depth: int, version: int) -> None:
    nested = '{"data":' * depth + "1" + "}" * depth
    metadata = json.dumps({**MINIMAL, "format": version, "settings": 0}).replace(
        '"settings": 0', f'"settings": {nested}'
    )
    save_file({}, tmp_path / "m.safetensors", metadata={"i2i": metadata})
    with pytest.raises(ModelFileError, match=r"nested more than \d+ levels"):
        load_model_info(tmp_path / "m.safetensors")


def configs(cls: type = Config) -> Iterator[type]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from configs(subclass)


def test_format_1_names_agree_with_the_earlier_names_that_configs_accept() -> None:
    for config in filter(dataclasses.is_dataclass, configs()):
        for field in dataclasses.fields(config):
            task = getattr(config, "task", "") if isinstance(getattr(config, "task", ""), str) else ""
            if was := field.metadata.get("was"):
                assert (FIELD_NAMES | TASK_FIELD_NAMES.get(task, {}))[was] == field.name, config
            if was_values := field.metadata.get("was_values"):
                assert VALUES[field.name] == was_values


def test_states_configs_and_logs_of_0_1_get_their_present_names() -> None:
    streak = {"since": 3, "found": 2, "free": 0, "told": True}
    best = {"metric": "psnr", "value": 20.0, "steps": 2, "split": "test", "pictures": [2]}
    state = {
        "step": 4, "spent": 1.5, "objective": {"G.weight": 1}, "watch": {"doctor": {"AtoB: black": streak},
        "setbacks": {"count": 1}}, "exam": {"best": best},
    }  # fmt: skip
    upgraded = upgrade_state(state)
    assert upgraded == {
        "step": 4,
        "elapsed": 1.5,
        "method": {"G.weight": 1},
        "monitor": {
            "alarms": {"AtoB: black": {"first_step": 3, "failed": 2, "passed": 0, "reported": True}},
            "recovery": {"count": 1},
        },
        "validator": {"best": {"metric": "psnr", "value": 20.0, "steps": 2, "split": "test", "images": [2]}},
    }
    assert upgrade_state(upgraded) == upgraded
    config = {"objective": "cut", "recipe": "paper", "data": {"jitter": 1.1}, "model": {"nce_patches": 4}}
    assert upgrade_config(config) == {
        "method": "cut", "recipe": "paper", "data": {"resize_scale": 1.1}, "model": {"nce_num_patches": 4},
    }  # fmt: skip
    assert upgrade_config(upgrade_config(config)) == upgrade_config(config)
    alarm = {"step": 3, "alarm": "black", "value": 0.5}
    assert upgrade_log_row({**alarm, "sentence": "A."}) == {**alarm, "message": "A."}
    assert upgrade_log_row({"step": 3, "setback": "B."}) == {"step": 3, "rollback": "B."}
