"""Pipelines move label maps and never change their ids."""

import json

import numpy as np
import pytest

from i2i.augmentations.library import known_transforms, moves_pixels
from i2i.augmentations.pipeline import AugmentationPipeline
from i2i.errors import ConfigError
from tests.augmentations.pipelines import ARGUMENTS, SIDE, compose, text, transform

GEOMETRIC = sorted(name for name, cls in known_transforms().items() if moves_pixels(cls))
RESIZE = transform("Resize", height=SIDE, width=SIDE, p=1)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_no_transform_mixes_class_ids(name: str) -> None:
    ids = np.random.default_rng(0).choice([1, 200], (SIDE, SIDE, 1)).astype(np.int16)
    pipeline = AugmentationPipeline(
        text(transform(name, p=1, **ARGUMENTS.get(name, {})), RESIZE), "paired", labels=True
    )
    for dtype in (np.uint8, np.int16):
        images = {"source": ids.astype(dtype), "target": ids.astype(np.uint8).repeat(3, 2)}
        moved = pipeline(images, np.random.default_rng(1))["source"]
        assert moved.dtype == dtype
        assert set(np.unique(moved)) <= {0, 1, 200}


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        (text(transform("InvertImg", p=1)), "nothing is left of it"),
        (json.dumps({"source": compose(transform("InvertImg", p=1))}), "part 'source'"),
        (text(transform("Affine", p=1, mask_interpolation=1)), "mixes class ids"),
        (text(transform("Affine", p=1, fill_mask=3)), "fill_mask of Affine is 3"),
    ],
)
def test_pipelines_that_would_change_ids_are_refused(pipeline: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AugmentationPipeline(pipeline, "paired", labels=True)
