"""The transforms of Albumentations that a pipeline may have, without those that i2i cannot use."""

import difflib
import os
import sys
import warnings
from functools import cache
from typing import Any

from i2i.errors import ConfigError

_OTHER_IMAGES = "it needs further images or files"
_MASKS = "it needs masks, and i2i has images only"
_BOXES = "it needs bounding boxes, and i2i has images only"
_TYPE = "it changes the type or the range of the values, which i2i does itself"
_SPECTROGRAM = "it is for spectrograms"
REFUSED = {
    "Lambda": "it holds a function, and pipelines in files run no code of others",
    "ReplayCompose": "i2i repeats random choices by its own seed; use Compose",
    **dict.fromkeys(("FromFloat", "Normalize", "ToFloat", "ToTensor3D", "ToTensorV2"), _TYPE),
    **dict.fromkeys(
        ("FDA", "HistogramMatching", "Mosaic", "OverlayElements", "PixelDistributionAdaptation", "TextImage"),
        _OTHER_IMAGES,
    ),
    **dict.fromkeys(("ConstrainedCoarseDropout", "CropNonEmptyMaskIfExists", "MaskDropout"), _MASKS),
    **dict.fromkeys(
        ("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop"), _BOXES
    ),
    **dict.fromkeys(("FrequencyMasking", "TimeMasking", "TimeReverse"), _SPECTROGRAM),
}
RENAMED = {  # transforms of earlier versions → what to use now
    "Cutout": "CoarseDropout",
    "Flip": "SquareSymmetry, or HorizontalFlip and VerticalFlip",
    "Flip3D": "SquareSymmetry",
    "JpegCompression": "ImageCompression",
    "RandomBrightness": "RandomBrightnessContrast",
    "RandomContrast": "RandomBrightnessContrast",
    "ToTensor": "nothing: i2i makes tensors itself",
}
COMPOSITIONS = ("Compose", "OneOf", "OneOrOther", "RandomOrder", "SelectiveChannelTransform", "Sequential", "SomeOf")
EXACT_SYMMETRIES = ("D4", "HorizontalFlip", "NoOp", "RandomRotate90", "SquareSymmetry", "Transpose", "VerticalFlip")


@cache
def albumentations() -> Any:
    """Import and return Albumentations, without its look-up of the newest version on the network."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    warnings.filterwarnings("ignore", "The image is already ", UserWarning)  # of ToGray and ToRGB, for such images
    return albumentations


@cache
def known_transforms() -> dict[str, type]:
    """Return the classes that a pipeline may have, by name: public ones of Albumentations for images."""
    library = albumentations()
    classes = {name: getattr(library, name) for name in COMPOSITIONS}
    for name, item in vars(library).items():
        is_transform = isinstance(item, type) and issubclass(item, library.DualTransform | library.ImageOnlyTransform)
        if is_transform and item.__module__.startswith("albumentations.augmentations."):
            public = name in getattr(sys.modules[item.__module__], "__all__", ())
            if public and not issubclass(item, library.Transform3D) and name not in REFUSED:
                classes[name] = item
    return {**classes, "NoOp": library.NoOp}


def find_transform(name: Any, source: str) -> type:
    """Return the class of a transform by its name, or by its dotted name in Albumentations. Nothing is imported for it.

    Args:
        name: value of "__class_fullname__".
        source: of the pipeline, for messages.

    Raises:
        ConfigError: there is no such transform, or i2i cannot use it.
    """
    known = known_transforms()
    if not isinstance(name, str):
        raise ConfigError(f"{source}: {name!r:.80} is no name of a transform. Its __class_fullname__ must be one.")
    package, _, short = name.rpartition(".")
    if package and package.partition(".")[0] != "albumentations":
        raise ConfigError(
            f"{source} names {name!r:.120}. A pipeline may have transforms of Albumentations only; nothing else of a "
            "file is imported or run."
        )
    if short in known:
        return known[short]
    if reason := REFUSED.get(short):
        raise ConfigError(f"{source}: {short} cannot be used, because {reason}.")
    if replacement := RENAMED.get(short):
        raise ConfigError(
            f"{source}: Albumentations {albumentations().__version__} has no {short}. Use {replacement} instead."
        )
    near = difflib.get_close_matches(short, known, n=2, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Albumentations' documentation lists its transforms."
    raise ConfigError(
        f"{source}: Albumentations {albumentations().__version__} has no transform {short!r:.80} for images. {hint}"
    )


def moves_pixels(cls: type) -> bool:
    """Return whether a transform moves pixels, so that both images of a pair need the same one."""
    library = albumentations()
    module = cls.__module__.removeprefix("albumentations.augmentations.").partition(".")[0]
    return issubclass(cls, library.DualTransform) and module != "dropout" and cls.__name__ != "Morphological"
