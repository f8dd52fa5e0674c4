"""The named pipelines of ``--augmentations``, as Albumentations serialises pipelines.

A run keeps the name, and a resumed training continues with the same samples. A pipeline therefore never changes: a
better one gets another name.
"""

from collections.abc import Mapping
from typing import Any

Table = dict[str, Any]
REFLECT = 4  # cv2.BORDER_REFLECT_101
CUBIC = 2  # cv2.INTER_CUBIC


def _transform(name: str, p: float, **arguments: Any) -> Table:
    return {"__class_fullname__": name, "p": p, **arguments}


def _affine(p: float, *, degrees: float, zoom: float, shift: float, shear: float) -> Table:
    """Return a rotation, zoom, shift and shear around the centre, each drawn uniformly up to the given limit.

    Args:
        p: probability.
        degrees: of the rotation, in both directions.
        zoom: relative change of the scale, in both directions.
        shift: fraction of the side, in both directions.
        shear: degrees of the shear, in both directions.
    """
    return _transform(
        "Affine", p, rotate=[-degrees, degrees], scale=[1 - zoom, 1 + zoom], translate_percent=[-shift, shift],
        shear=[-shear, shear], interpolation=CUBIC, border_mode=REFLECT,
    )  # fmt: skip


def _colours(p: float, strength: float) -> Table:
    """Return a change of brightness, contrast, saturation and hue. ``strength``: 1 changes each by up to 20 %."""
    limits = [1 - 0.2 * strength, 1 + 0.2 * strength]
    hue = [-0.03 * strength, 0.03 * strength]
    return _transform("ColorJitter", p, brightness=limits, contrast=limits, saturation=limits, hue=hue)


_FLIPS = [_transform("HorizontalFlip", 0.5), _transform("VerticalFlip", 0.5)]
_GEOMETRIC = [_transform("HorizontalFlip", 0.5), _affine(0.8, degrees=10, zoom=0.1, shift=0.05, shear=4)]
_PHOTO = [_colours(0.8, 1), _transform("RandomGamma", 0.3, gamma_limit=[80, 125])]
_STRONG = [
    _transform("HorizontalFlip", 0.5),
    _affine(0.9, degrees=25, zoom=0.25, shift=0.1, shear=8),
    _transform("Perspective", 0.3, scale=[0.02, 0.08], keep_size=True, interpolation=CUBIC, border_mode=REFLECT),
    _transform("ElasticTransform", 0.2, alpha=30, sigma=8, interpolation=CUBIC, border_mode=REFLECT),
    _colours(0.8, 2),
    _transform("RandomGamma", 0.3, gamma_limit=[65, 150]),
    _transform("ToGray", 0.05),
]


def _alike(transforms: list[Table]) -> Table:
    """Return a pipeline that changes both images of a pair alike, their values too."""
    compose = _transform("Compose", 1.0, transforms=transforms, additional_targets={"target": "image"})
    return {"transform": compose}


NAMED_PIPELINES: Mapping[str, Table] = {
    "flip": _alike(_FLIPS),
    "geometric": _alike(_GEOMETRIC),
    "photo": _alike(_PHOTO),
    "strong": _alike(_STRONG),
}
NAMES = ("none", *NAMED_PIPELINES)
