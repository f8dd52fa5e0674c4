"""Training in bfloat16 compared with float32, on synthetic data with known targets."""

from pathlib import Path

import numpy as np
import pytest

import i2i
from i2i.data.synthetic import generate, score
from i2i.images import read
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress


def gain(precision: str, data: Path) -> float:
    """Return the gain in dB on the animal over the unchanged striped images, after 30 steps of a small CycleGAN."""
    changes = {
        "data": {"data": str(data), "size": 32, "resize_scale": 34 / 32},
        "model": {"generator": {"ngf": 8}, "discriminator": {"ndf": 8}},
        "training": {
            "steps": 30,
            "lr": 1.2e-3,
            "precision": precision,
            "device": "cpu",
            "save_every_minutes": 99.0,
            "sample_every": 999,
        },
    }
    launch.new_training("cyclegan", "tiny", changes, precision, TrainingProgress()).train()
    translator = i2i.load(precision, "BtoA", precision=precision)
    translated = {path.stem: np.asarray(translator(read(path))) for path in sorted((data / "testB").iterdir())}
    scores = score(translated, data, "BtoA")
    return scores["inside"] - scores["input_inside"]


@pytest.mark.slow
def test_training_in_bfloat16_is_as_good_as_in_float32(tmp_path: Path) -> None:
    """The gains were 6.0 dB in float32 and 5.9 in bfloat16."""
    data = generate("stripes", tmp_path / "datasets" / "stripes", size=32, train=200, test=24)
    gain_float32 = gain("float32", data)
    gain_bfloat16 = gain("bfloat16", data)
    assert gain_float32 > 3.5
    assert gain_bfloat16 > gain_float32 - 2
