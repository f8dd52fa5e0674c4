import time
from pathlib import Path

import numpy as np
import pytest

from i2i.checkpoints.shipped import SHIPPED_MODELS
from i2i.demo.model_registry import ModelChoice, ModelRegistry
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
    assert registry.names() == ["both", "two", "two/best", *SHIPPED_MODELS]
    assert registry.model("both").info.directions == ("AtoB", "BtoA")


@pytest.mark.parametrize("name", ["", "../both", "checkpoints/both", "/etc/passwd", "both/weights.safetensors", "BOTH"])
def test_an_unknown_name_opens_nothing(name: str, registry: ModelRegistry) -> None:
    with pytest.raises(UsageError, match="Existing models: both, denoise"):
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
