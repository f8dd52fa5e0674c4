"""The examples in docstrings run and give the results that they show."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import ModelInfo
from i2i.config import to_json
from i2i.networks import DCGANGeneratorConfig, ResnetConfig
from tests.conftest import random_image
from tests.test_import_layers import MODULES, parts_of

SIZE = 16
WITH_EXAMPLES = [".".join(parts_of(path)) for path in MODULES if ">>> " in path.read_text()]


def save_model(name: str, direction: str, config: ResnetConfig | DCGANGeneratorConfig) -> None:
    tensors = {f"{direction}.{key}": value for key, value in config.build(SIZE).state_dict().items()}
    info = ModelInfo(size=SIZE, directions=(direction,), generator=to_json(config))
    path = Path("checkpoints", name, "weights.safetensors")
    path.parent.mkdir(parents=True)
    save_model_file(path, ModelFile(info, tensors))


@pytest.fixture
def example_files(work_dir: Path) -> None:
    """Write the models and the photo that the examples load."""
    save_model("horse2zebra", "AtoB", ResnetConfig(ngf=2, blocks=1))
    save_model("shapes-gan", "sample", DCGANGeneratorConfig(latent=5, ngf=2))
    random_image(0).save("horse.jpg")


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_module_give_the_results_that_they_show(module: str, example_files: None) -> None:
    names = {"Image": Image, "i2i": i2i, "np": np, "torch": torch}
    results = doctest.testmod(importlib.import_module(module), extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0, "the captured output lists the differences"


@pytest.mark.parametrize("name", [name for name in i2i.__all__ if name != "__version__"])
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in getattr(i2i, name).__doc__
