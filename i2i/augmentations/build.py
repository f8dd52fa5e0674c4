"""Make Albumentations transforms from the tables of a pipeline, with every name and argument checked."""

import difflib
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from i2i.augmentations.library import COMPOSITIONS, albumentations, find_transform, moves_pixels
from i2i.augmentations.named import Table
from i2i.errors import ConfigError

TARGET = {"target": "image"}  # the only additional target: the second image of a pair
_NO_BOXES = "i2i has images only, without masks, bounding boxes and keypoints"
_UNUSED = {  # arguments of compositions that i2i does not use → why
    "bbox_params": _NO_BOXES,
    "keypoint_params": _NO_BOXES,
    "mask_interpolation": _NO_BOXES,
    "seed": "the random choices follow from --seed",
    "save_applied_params": "nothing reads them",
    "first": "give both in transforms",
    "second": "give both in transforms",
}
_HARMLESS = ("is_check_shapes", "strict")  # settings of Albumentations' own checks; i2i has its own
_OUTDATED = {"always_apply": "Leave it out, and give p = 1 to apply the transform always. "}
_WRITTEN = {  # what Albumentations itself writes of a transform and does not take: arguments of its base class
    "PadIfNeeded": ("padding",),
    "RGBShift": ("approximation", "noise_params", "noise_type", "spatial_mode"),
    "SafeRotate": ("balanced_scale", "fit_output", "keep_ratio", "rotate", "scale", "shear", "translate_percent",
                   "translate_px"),
}  # fmt: skip
_DEPTH = 20  # of nested compositions


def build_parts(content: Table, source: str) -> dict[str, Any]:
    """Return the ``Compose`` of each part of a pipeline: "both", "source" and "target", as far as it has them.

    Args:
        content: a pipeline, or a table of pipelines; see ``i2i.augmentations.files``.
        source: of the pipeline, for messages.

    Raises:
        ConfigError: a transform or an argument does not exist, or has a value that it cannot have.
    """
    tables = {"both": content} if "transform" in content else content
    for table in tables.values():
        _additional_targets(table, source)
    return {part: build(table, source) for part, table in tables.items()}


def shares_values(content: Table, source: str) -> bool:
    """Return whether the part "both" changes the values of the target as those of the source.

    A plain pipeline of Albumentations says so by ``additional_targets={"target": "image"}``.
    """
    return "transform" not in content or bool(_additional_targets(content, source))


def _additional_targets(table: Any, source: str) -> dict[str, str]:
    targets = _transform_of(table, source).get("additional_targets") or {}
    if targets not in ({}, TARGET):
        raise ConfigError(
            f"{source}: additional_targets is {targets!r:.120}; it may be {TARGET!r}, which applies changes of the "
            "values to the target too. Without it, they apply to the source alone."
        )
    return targets


def build(table: Any, source: str, *, for_target: bool = False, shared: bool = True) -> Any:
    """Return the ``Compose`` of a table that Albumentations wrote.

    Args:
        table: with the key "transform".
        source: of the pipeline, for messages.
        for_target: leave out the transforms that change values alone, unless ``shared``.
        shared: whether these apply to the target too.
    """
    transform = _Builder(source, keep_values=shared or not for_target).make(_transform_of(table, source))
    if not isinstance(transform, albumentations().Compose):
        transform = albumentations().Compose([transform])
    for leaf in leaves(transform):
        if shared or moves_pixels(type(leaf)):
            leaf.add_targets(TARGET)
    transform.is_check_shapes = False  # the dataset has checked the shapes
    return transform


def leaves(transform: Any) -> list[Any]:
    """Return the transforms of a composition, without the compositions in it."""
    if isinstance(transform, albumentations().BaseCompose):
        return [leaf for item in transform.transforms for leaf in leaves(item)]
    return [transform]


def _transform_of(table: Any, source: str) -> Table:
    transform = table.get("transform") if isinstance(table, dict) else None
    if not isinstance(transform, dict):
        raise ConfigError(f"{source}: {table!r:.80} is no pipeline: it must be a table with the key transform.")
    return transform


class _Builder:
    """Makes transforms. Raises ConfigError, with ``source`` in the message, for what does not exist."""

    def __init__(self, source: str, *, keep_values: bool) -> None:
        self.source = source
        self.keep_values = keep_values

    def make(self, table: Any, depth: int = 0) -> Any:
        """Return the transform or composition of a table.

        Raises ConfigError if it is no table, or names what does not exist.
        """
        if not isinstance(table, dict):
            raise ConfigError(f"{self.source}: {table!r:.80} is no transform; it must be a table.")
        cls = find_transform(table.get("__class_fullname__"), self.source)
        left_out = ("__class_fullname__", *_WRITTEN.get(cls.__name__, ()))
        arguments = {name: value for name, value in table.items() if name not in left_out}
        self._check_names(cls, arguments)
        if cls.__name__ in COMPOSITIONS:
            return self._composition(cls, arguments, depth)
        transform = self._instance(cls, arguments)
        if self.keep_values or moves_pixels(cls):
            return transform
        return albumentations().NoOp(p=transform.p)  # keeps the weights of a OneOf

    def _check_names(self, cls: type, arguments: Mapping[str, Any]) -> None:
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]  # type: ignore[misc]
        for name in arguments:
            if name in known or name == "strict":
                continue
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = _OUTDATED.get(name) or (f"Did you mean {near[0]}? " if near else "")
            raise ConfigError(
                f"{self.source}: {cls.__name__} of Albumentations {albumentations().__version__} has no argument "
                f"{name!r:.80}. {hint}It has {', '.join(known)}."
            )

    def _composition(self, cls: type, arguments: dict[str, Any], depth: int) -> Any:
        name = cls.__name__
        for argument, reason in _UNUSED.items():
            if arguments.get(argument) not in (None, False, {}):
                raise ConfigError(f"{self.source}: {name} has {argument}, which i2i does not use: {reason}.")
        if depth and arguments.get("additional_targets"):
            raise ConfigError(f"{self.source}: additional_targets belongs to the outermost Compose only.")
        if depth > _DEPTH:
            raise ConfigError(f"{self.source} nests compositions more than {_DEPTH} levels. Use fewer.")
        inner = arguments.get("transforms")
        if not isinstance(inner, list) or not inner:
            raise ConfigError(f"{self.source}: transforms of {name} is {inner!r:.80}; it must be a list of transforms.")
        settings = {
            argument: value
            for argument, value in arguments.items()
            if argument in ("p", "n", "replace", "channels") and self._is_valid(name, argument, value)
        }
        return self._instance(cls, {**settings, "transforms": [self.make(item, depth + 1) for item in inner]})

    def _is_valid(self, name: str, argument: str, value: Any) -> bool:
        """Return True, or raise ConfigError for a value that Albumentations would not check itself."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        is_list = isinstance(value, list) and all(isinstance(item, int) and item >= 0 for item in value)
        expected, fits = {
            "p": ("a number from 0 to 1", isinstance(value, float | int) and 0 <= value <= 1),
            "n": ("a whole number above 0", is_whole and value > 0),
            "replace": ("true or false", isinstance(value, bool)),
            "channels": ("a list of whole numbers", is_list),
        }[argument]
        if not fits:
            raise ConfigError(f"{self.source}: {argument} of {name} is {value!r:.80}; it must be {expected}.")
        return True

    def _instance(self, cls: type, arguments: dict[str, Any]) -> Any:
        arguments = {name: value for name, value in arguments.items() if name not in _HARMLESS}
        takes_strict = hasattr(cls.__init__, "__signature__")  # type: ignore[misc]
        strict = {"strict": True} if takes_strict else {}  # without it, some bad values become defaults with a warning
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if takes_strict else "error", UserWarning)
                return cls(**arguments, **strict)
        except Exception as error:  # of the checks of Albumentations, pydantic or NumPy
            raise ConfigError(f"{self.source}: {cls.__name__} cannot be made: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return why a transform refused its arguments, in one line."""
    errors = getattr(error.__cause__, "errors", None)
    if errors is None:
        return " ".join(f"{error}.".split()).replace("..", ".")
    reasons: dict[str, list[str]] = {}
    for item in errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        value = f"{name} is {item['input']!r:.80}" if name else "the arguments do not fit"
        reasons.setdefault(value, []).append(item["msg"].removeprefix("Value error, "))
    return " ".join(f"{value}: {' or '.join(dict.fromkeys(texts))}." for value, texts in reasons.items())
