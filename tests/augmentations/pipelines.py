"""Pipelines as Albumentations serialises them."""

import json
from typing import Any

SIDE = 32  # pixels
ARGUMENTS: dict[str, dict[str, Any]] = {  # of transforms with arguments that have no defaults
    "CenterCrop": {"height": SIDE - 4, "width": SIDE - 6},
    "Crop": {"x_min": 3, "y_min": 5, "x_max": SIDE, "y_max": SIDE},
    "CropAndPad": {"percent": [-0.2, 0.2]},
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 3},
    "LongestMaxSize": {"max_size": SIDE + 4},
    "PadIfNeeded": {"min_height": SIDE + 8, "min_width": SIDE + 8},
    "PiecewiseAffine": {"nb_rows": 3, "nb_cols": 3},
    "RandomCrop": {"height": SIDE - 8, "width": SIDE - 6},
    "RandomResizedCrop": {"size": [SIDE, SIDE]},
    "RandomSizedCrop": {"min_max_height": [SIDE - 10, SIDE], "size": [SIDE, SIDE]},
    "Resize": {"height": SIDE + 4, "width": SIDE - 4},
    "SmallestMaxSize": {"max_size": SIDE - 4},
}


def transform(name: str, **arguments: Any) -> dict[str, Any]:
    return {"__class_fullname__": name, **arguments}


def compose(*transforms: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    return {"__version__": "2.0.8", "transform": transform("Compose", transforms=list(transforms), **arguments)}


def text(*transforms: dict[str, Any], **arguments: Any) -> str:
    return json.dumps(compose(*transforms, **arguments))


SHARED = {"target": "image"}
RANDOM_PIPELINE = text(
    transform("HorizontalFlip", p=0.5),
    transform("Affine", rotate=[-20, 20], scale=[0.8, 1.2], p=0.7),
    transform("OneOf", transforms=[transform("RandomGamma", p=1), transform("GaussNoise", p=2 / 3)], p=0.8),
    transform("RandomBrightnessContrast", p=0.5),
    additional_targets=SHARED,
)
