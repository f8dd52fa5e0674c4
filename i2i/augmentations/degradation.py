"""Degradation of photos by Albumentations: single transforms, and pipelines of files."""

import json
import random
import threading
from functools import lru_cache
from typing import Any

import numpy as np

from i2i.augmentations.build import build_parts, leaves
from i2i.augmentations.files import load_file, parse_content
from i2i.augmentations.library import find_transform, moves_pixels
from i2i.augmentations.pipeline import AugmentationPipeline
from i2i.errors import ConfigError


def apply_transform(name: str, image: np.ndarray, rng: np.random.Generator, **arguments: Any) -> np.ndarray:
    """Return an image after a transform of Albumentations.

    Args:
        name: of the transform, such as "GlassBlur".
        image: uint8 (H, W, 3); it is not changed.
        rng: for all random choices.
        arguments: of the transform.
    """
    transform: Any = find_transform(name, name)(p=1.0, **arguments)
    transform.set_random_state(rng, random.Random(int(rng.integers(2**63))))
    return transform(image=image.copy())["image"]


def load_degradation(value: str) -> str:
    """Return the text that a run keeps of a pipeline that degrades photos: the content of its file as one line of JSON.

    Args:
        value: the path of a file in JSON or YAML, a text that this function returned, or "".

    Raises:
        ConfigError: there is no such file, or it describes no pipeline that keeps pixels at their places.
    """
    if not value:
        return value
    content = parse_content(value) if value.startswith("{") else load_file(value)
    text = json.dumps(content, allow_nan=False)
    _pipeline(text, threading.get_ident())
    return text


def degrade(text: str, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image after a pipeline.

    Args:
        text: a pipeline as ``load_degradation`` returns it. It may come from a model file of anybody.
        image: uint8 (H, W, 3); it is not changed.
        rng: for all random choices.

    Raises:
        ConfigError: the text is no pipeline that keeps pixels at their places.
        DatasetError: the pipeline fails on the image, or changes its size.
    """
    pipeline = _pipeline(text, threading.get_ident())  # a pipeline is for one thread
    return pipeline({"source": image.copy()}, rng)["source"]


@lru_cache(maxsize=32)
def _pipeline(text: str, thread: int) -> AugmentationPipeline:
    if not text:
        raise ConfigError(
            "The task albumentations needs --pipeline FILE: a pipeline of Albumentations in JSON or YAML, which "
            "degrades the clean photos. `i2i docs restoration` has an example."
        )
    content = parse_content(text)
    if "transform" not in content:
        raise ConfigError("The pipeline has parts; one that degrades photos must be a single pipeline.")
    for leaf in leaves(build_parts(content, "The pipeline")["both"]):
        if moves_pixels(type(leaf)):
            raise ConfigError(
                f"The pipeline: {type(leaf).__name__} moves pixels, and the clean photo, which is the target, would "
                "not fit any more. Leave it out; --augmentations moves both alike."
            )
    return AugmentationPipeline(json.dumps({"source": content}), "paired")
