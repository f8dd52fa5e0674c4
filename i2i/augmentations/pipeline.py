"""``AugmentationPipeline``: applies an Albumentations pipeline to training images."""

import random
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from i2i.augmentations.build import build, leaves, shares_values
from i2i.augmentations.files import saved_pipeline
from i2i.augmentations.label_maps import check_for_label_maps
from i2i.augmentations.library import EXACT_SYMMETRIES, moves_pixels
from i2i.errors import ConfigError, DatasetError

DataKind = Literal["clean", "paired", "unpaired"]
Images = Mapping[str, np.ndarray]  # "source", "target" or both
_OTHER_CHANNELS = (
    " --augmentations flip and geometric take any channels; in a file, use transforms that do, or leave this one out."
)
_TRIALS = 16  # of a whole pipeline, before a training


class AugmentationPipeline:
    """Changes training images at random: both images of a pair alike, and those of unpaired data each by itself.

    Transforms that move pixels apply to source and target. Transforms that change values apply to the source, and to
    the target as well if the pipeline has ``additional_targets={"target": "image"}``, or if it is the part "both" of a
    file with parts. The parts "source" and "target" apply to one of the images, after "both".

    An instance is for one thread.

    Args:
        text: a name, or the JSON of a pipeline, as ``load_pipeline`` returns it.
        kind: "paired": source and target show the same scene. "clean": there is no target.
        labels: whether the source is a label map, of pairs. It is moved as the target is, without interpolation, and
            its values are never changed: 0 for pixels from beyond the image.

    Raises:
        ConfigError: the pipeline is unknown, or unsuited to the kind of data.
    """

    def __init__(self, text: str, kind: DataKind, *, labels: bool = False) -> None:
        content = saved_pipeline(text)
        source = "The pipeline" if text.startswith("{") else f"--augmentations {text}"
        parts = {"both": content} if "transform" in content else content
        self._source = source
        self._kind = kind
        self._shared = kind == "clean" or shares_values(content, source)
        alone = [part for part in ("source", "target") if part in parts]
        if alone and kind == "clean":
            raise ConfigError(f"{source} has a part {alone[0]!r}; single images need a part 'both' only.")
        # By part, and for "both" also by the images that it gets: the target alone may keep its values.
        self._pipelines = {part: build(parts[part], source) for part in alone}
        self._labels = labels
        if "both" in parts:
            self._pipelines["both"] = build(parts["both"], source, shared=self._shared, for_target=labels)
            self._pipelines["both, target"] = build(parts["both"], source, shared=self._shared, for_target=True)
        self._check_alignment(alone)
        if labels:
            check_for_label_maps(self._pipelines, source)

    def __call__(self, images: Images, rng: np.random.Generator, *, white: float = 1.0) -> dict[str, np.ndarray]:
        """Return the changed images, of the same shapes and types.

        Args:
            images: by "source" and "target": uint8 or uint16 (H, W, C), or float32 with black 0. Albumentations
                computes with uint8 as it is, and with the others as float32 from 0 to 1. A label map is uint8 or int16
                (H, W, 1).
            rng: for all random choices.
            white: the value of white of float32 images.

        Raises:
            DatasetError: a transform failed on the images, or changed their size.
        """
        result = {role: _to_unit(image, white) for role, image in images.items()}
        if both := self._pipelines.get("both" if "source" in images else "both, target"):
            result = self._run(both, result, rng)
        for role in images:
            if part := self._pipelines.get(role):
                result |= self._run(part, {role: result[role]}, rng)
        return {role: _from_unit(result[role], image, white) for role, image in images.items()}

    def check_on(self, images: Images) -> None:
        """Try the pipeline, and each of its transforms, on images of the shape and type of the training's.

        Raises:
            ConfigError: a transform cannot be applied to such images, or the size does not stay the same.
        """
        if len({image.shape[:2] for image in images.values()}) > 1:
            self._check_sizes_differ()
        for part, pipeline in self._pipelines.items():
            data = {role: _to_unit(image, 1.0) for role, image in images.items() if part in (role, "both")}
            if data:
                self._check_size(pipeline, data)
        for seed in range(_TRIALS):
            try:
                self(images, np.random.default_rng(seed))
            except DatasetError as error:
                raise ConfigError(str(error)) from error

    def _check_size(self, pipeline: Any, data: Images) -> None:
        """Raise ConfigError if a transform changes the size at times and no later one restores it each time."""
        size = next(iter(data.values())).shape[:2]
        unsafe = ""  # the message on a transform after which the size may be another one
        is_same = True  # whether the next transform gets images of the training's size
        for item in pipeline.transforms:
            for leaf in leaves(item):
                try:
                    changed = self._try(leaf, data)
                except ConfigError:
                    if is_same:
                        raise
                    continue  # the trials of the whole pipeline show whether it can be applied to its images
                is_same = is_same and changed == size
                if changed != size and (leaf.p < 1 or leaf is not item):
                    unsafe = self._size_message(type(leaf).__name__, data, changed)
            if unsafe and item.p == 1 and leaves(item) == [item] and self._makes_size(item, data):
                unsafe = ""
        if unsafe:
            raise ConfigError(unsafe)

    def _makes_size(self, leaf: Any, data: Images) -> bool:
        """Return whether a transform makes images of another size as large as those of the training."""
        larger = {role: np.pad(image, ((4, 4), (4, 4), (0, 0))) for role, image in data.items()}
        try:
            return self._try(leaf, larger) == next(iter(data.values())).shape[:2]
        except ConfigError:
            return False

    def _try(self, leaf: Any, data: Images) -> tuple[int, ...]:
        """Apply a transform, and return the height and width of its result."""
        name = type(leaf).__name__
        leaf.set_random_state(np.random.default_rng(0), random.Random(0))
        try:
            result = leaf(force_apply=True, **self._as_targets(data))["image"]
        except Exception as error:
            height, width, channels = next(iter(data.values())).shape
            reason = " ".join(str(error).split()) or type(error).__name__
            counted = f"{channels} {'channel' if channels == 1 else 'channels'}"
            raise ConfigError(
                f"{self._source}: {name} cannot be applied to images of {width}x{height} pixels and {counted}: "
                f"{reason:.300}{'' if channels in (1, 3) else _OTHER_CHANNELS}"
            ) from error
        return result.shape[:2]

    def _run(self, pipeline: Any, data: Images, rng: np.random.Generator) -> dict[str, np.ndarray]:
        # One generator for all transforms: ``set_random_seed`` would give each the same random numbers.
        pipeline.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        targets = self._as_targets(data)
        try:
            changed = pipeline(**targets)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DatasetError(f"{self._source} failed on a training image: {reason:.300}") from error
        result = {role: changed[key] for role, key in zip(data, targets, strict=True)}
        for role, image in result.items():
            if image.shape != data[role].shape or image.dtype != data[role].dtype:
                raise DatasetError(self._size_message("the whole", data, image.shape[:2]))
        return result

    def _as_targets(self, data: Images) -> dict[str, np.ndarray]:
        """Return images by the names that Albumentations has for them: the first one is its image.

        Of a pair with a label map, the target is the image and the label map its mask.
        """
        names = ("mask", "image") if self._labels and len(data) == 2 else ("image", "target")
        return dict(zip(names, data.values(), strict=False))

    def _size_message(self, name: str, data: Images, shape: tuple[int, ...]) -> str:
        height, width = next(iter(data.values())).shape[:2]
        return (
            f"{self._source}: {name} changes images of {width}x{height} pixels to {shape[1]}x{shape[0]}. A pipeline "
            f"must keep the size, which is that of --size. End it with Resize(height={height}, width={width}, p=1), or "
            "leave the transform out."
        )

    def _check_alignment(self, alone: list[str]) -> None:
        """Raise ConfigError if the images of a pair would not fit to each other any more."""
        for part, pipeline in self._pipelines.items():
            for leaf in leaves(pipeline):
                if part in alone and self._kind == "paired" and moves_pixels(type(leaf)):
                    raise ConfigError(
                        f"{self._source}: {type(leaf).__name__} in the part {part!r} moves the pixels of one image of "
                        "a pair only. Put it into the part 'both'."
                    )
            if part == "both" and self._shared and self._kind == "paired" and _has_selected_channels(pipeline):
                raise ConfigError(
                    f"{self._source}: SelectiveChannelTransform changes one image only. Put it into the part 'source' "
                    "or 'target'."
                )

    def _check_sizes_differ(self) -> None:
        """Raise ConfigError if the part "both" is not one for images of different sizes."""
        for leaf in leaves(self._pipelines["both"]) if "both" in self._pipelines else []:
            if type(leaf).__name__ not in EXACT_SYMMETRIES:
                raise ConfigError(
                    f"{self._source}: {type(leaf).__name__} cannot be applied alike to pairs of a small and a large "
                    f"image. For super-resolution pairs the part 'both' may have {', '.join(EXACT_SYMMETRIES)}. "
                    "`--task superres` makes the small images after any pipeline."
                )


def _has_selected_channels(pipeline: Any) -> bool:
    inner = getattr(pipeline, "transforms", [])
    return type(pipeline).__name__ == "SelectiveChannelTransform" or any(map(_has_selected_channels, inner))


def _to_unit(image: np.ndarray, white: float) -> np.ndarray:
    """Return uint8, and label maps of int16, as they are, and other types as float32 from 0 to 1."""
    if image.dtype in (np.uint8, np.int16):
        return np.ascontiguousarray(image)
    return image.astype(np.float32) / np.float32(65535 if image.dtype == np.uint16 else white)


def _from_unit(image: np.ndarray, original: np.ndarray, white: float) -> np.ndarray:
    """Return the image in the type of the original."""
    if original.dtype in (np.uint8, np.int16):
        return image
    if original.dtype == np.uint16:
        return (image * np.float32(65535)).round().clip(0, 65535).astype(np.uint16)
    return image * np.float32(white)
