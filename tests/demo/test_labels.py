from pathlib import Path

import pytest

from i2i.demo import labels
from i2i.demo.model_registry import ModelRegistry, RegisteredModel
from tests.demo.conftest import write_model


def model(registry: ModelRegistry, **metadata: object) -> RegisteredModel:
    write_model(Path("checkpoints") / "run", **metadata)
    return registry.model("run")


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"title": "Turns summer into winter"}, "Turns summer into winter"),
        ({"data": {"name": "horse2zebra"}}, "horse ↔ zebra"),
        ({"data": {"name": "horse2zebra"}, "directions": ("BtoA",)}, "zebra → horse"),
        ({"data": {"name": "unknown"}, "directions": ("AtoB",)}, "A → B"),
        ({"task": {"task": "superres", "scale": 4}, "directions": ("AtoB",)}, "small → 4× larger"),
        ({"generator": {"network": "restorer", "scale": 3}, "directions": ("AtoB",)}, "small → 3× larger"),
        ({"task": {"task": "colorize"}, "directions": ("AtoB",)}, "grey → colour"),
    ],
)  # fmt: skip
def test_the_purpose_is_the_title_or_follows_from_data_and_task(
    metadata: dict[str, object], text: str, registry: ModelRegistry
) -> None:
    assert labels.purpose(model(registry, **metadata)) == text


def test_the_origin_names_method_data_size_and_date(registry: ModelRegistry) -> None:
    run = model(registry, method="cyclegan")
    assert run.trained is not None
    assert labels.origin(run) == f"CycleGAN on stripes, 16 px, {run.trained.day} {run.trained:%b %Y}"
    assert labels.origin(registry.model("denoise")).endswith("comes with i2i")
    assert labels.card_caption(run) == "plain ↔ striped\nrun · CycleGAN"
