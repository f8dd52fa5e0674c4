import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2i.checkpoints.shipped import SHIPPED_MODELS
from i2i.demo import labels
from i2i.demo.model_registry import MAX_REASON, ModelChoice, ModelRegistry
from i2i.errors import UsageError
from i2i.inference.loading import load
from tests.conftest import random_image
from tests.demo.conftest import write_model

ATOB = ModelChoice("both", "AtoB")
BTOA = ModelChoice("both", "BtoA")


def test_the_models_are_translators_with_their_best_checkpoints_and_the_shipped_ones(
    registry: ModelRegistry, work_dir: Path
) -> None:
    checkpoints = work_dir / "checkpoints"
    write_model(checkpoints / "only-best", ("BtoA",)).rename(checkpoints / "only-best" / "best.safetensors")
    write_model(checkpoints / "two")
    (checkpoints / "two" / "best.safetensors").write_bytes((checkpoints / "two" / "weights.safetensors").read_bytes())
    write_model(checkpoints / "sampler", directions=("sample",))
    (checkpoints / "broken").mkdir()
    (checkpoints / "broken" / "weights.safetensors").write_bytes(b"no model file")
    os.utime(checkpoints / "both" / "weights.safetensors", (1e9, 1e9))
    assert registry.names() == [*SHIPPED_MODELS, "two", "two/best", "both"]  # the last trained run first
    assert registry.model("both").info.directions == ("AtoB", "BtoA")


ODD_METADATA: dict[str, dict[str, Any]] = {
    "no-size": {"size": None},
    "size-0": {"size": 0},
    "size-huge": {"size": 10**9},
    "size-text": {"size": "x"},
    "no-generator": {"generator": None},
    "long-name": {"data": {"name": "a" * 100_000}},
    "unknown-task": {"task": {"task": "nonsense"}},
    "odd-task": {"task": {"task": "denoise", "sigma": "much"}},
    "level-without-task": {"generator": {"network": "restorer", "conditioning": "level"}},
}


def test_an_odd_model_file_is_listed_with_the_reason_and_the_others_work(
    registry: ModelRegistry, work_dir: Path
) -> None:
    checkpoints = work_dir / "checkpoints"
    for name, metadata in ODD_METADATA.items():
        write_model(checkpoints / name, **metadata)
    (checkpoints / "empty").mkdir()
    (checkpoints / "empty" / "weights.safetensors").touch()
    (checkpoints / "folder" / "weights.safetensors").mkdir(parents=True)
    unusable = registry.unusable()
    assert set(unusable) == {*ODD_METADATA, "empty", "folder"}
    assert "size is 0; it must be" in unusable["size-0"]
    for reason in unusable.values():
        assert len(reason) <= MAX_REASON
        assert str(work_dir) not in reason
        json.dumps(reason).encode()
    assert registry.names() == [*SHIPPED_MODELS, "both"]
    assert all(labels.card_caption(model) for model in registry.models().values())
    with pytest.raises(UsageError, match=r"The model size-0 cannot be used: .*size is 0"):
        registry.model("size-0")


def test_a_model_opens_first_if_it_was_used_last(registry: ModelRegistry) -> None:
    assert registry.default_name() == SHIPPED_MODELS[0]
    assert registry.default_name("both") == "both"
    assert registry.default_name("deleted") == SHIPPED_MODELS[0]


@pytest.mark.parametrize("name", ["", "../both", "checkpoints/both", "/etc/passwd", "both/weights.safetensors", "BOTH"])
def test_an_unknown_name_opens_nothing(name: str, registry: ModelRegistry) -> None:
    with pytest.raises(UsageError, match=r"Existing models: denoise, .*both"):
        registry.translate(name, "AtoB", random_image(0))


def test_a_path_is_not_a_name_even_if_a_model_is_there(registry: ModelRegistry, work_dir: Path) -> None:
    path = write_model(work_dir / "elsewhere")
    for name in (str(path), str(path.parent), "elsewhere"):
        with pytest.raises(UsageError, match="No model is named"):
            registry.translate(name, "AtoB", random_image(0))


def test_the_registry_translates_like_the_translator(registry: ModelRegistry) -> None:
    image = random_image(3, 40, 28)
    for direction in ("AtoB", "BtoA"):
        expected = load("both", direction, device="cpu")(image)
        assert np.array_equal(np.asarray(registry.translate("both", direction, image)), np.asarray(expected))


def test_the_least_recently_used_translator_is_dropped_first(registry: ModelRegistry) -> None:
    first, second = registry.translator(ATOB), registry.translator(BTOA)
    assert registry.translator(ATOB) is first
    registry.translator(ModelChoice("denoise", "AtoB"))
    assert registry.translator(ATOB) is first
    assert registry.translator(BTOA) is not second


def test_a_model_file_that_changed_is_loaded_again(registry: ModelRegistry, work_dir: Path) -> None:
    before = registry.translator(ATOB)
    (work_dir / "checkpoints" / "both").rename(work_dir / "old")
    time.sleep(0.01)
    write_model(work_dir / "checkpoints" / "both", ("AtoB",))
    assert registry.translator(ATOB) is not before
    assert registry.model("both").info.directions == ("AtoB",)
