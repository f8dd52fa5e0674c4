"""``SampleAugmenter``: the pipeline of ``--augmentations``, applied to the crops of a training sample."""

import numpy as np
import torch
from torch import Tensor

from i2i.augmentations.pipeline import AugmentationPipeline
from i2i.data.config import DataConfig, DirectedConfig
from i2i.data.layout import Kind
from i2i.directions import Direction
from i2i.images.label_classes import LabelClasses
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats, PixelFormat


class SampleAugmenter:
    """Applies a pipeline to the crops of a sample, before a restoration task degrades them.

    Args:
        config: with the pipeline, the size and the direction.
        kind: of the dataset.
        superres_scale: size of a target relative to its input.
        formats: of the images A and B.

    Raises:
        ConfigError: the pipeline is unknown, or unsuited to the data.
    """

    def __init__(
        self, config: DataConfig, kind: Kind, superres_scale: int = 1, formats: DomainFormats = RGB_FORMATS
    ) -> None:
        self._labels = formats[0].labels
        self._pipeline = AugmentationPipeline(config.augmentations, kind, labels=self._labels is not None)
        reverse = isinstance(config, DirectedConfig) and config.direction == Direction.B_TO_A
        self._roles = ("target", "source") if reverse and kind == "unpaired" else ("source", "target")
        source, target = (_noise(config.size, format) for format in (formats[::-1] if reverse else formats))
        images = {"source": source[::superres_scale, ::superres_scale], "target": target}
        self._pipeline.check_on({"source": source} if kind == "clean" else images)

    @classmethod
    def from_config(
        cls, config: DataConfig, kind: Kind, superres_scale: int = 1, formats: DomainFormats = RGB_FORMATS
    ) -> "SampleAugmenter | None":
        """Return the augmenter of a config, or None if it asks for no augmentation. See the class."""
        return None if config.augmentations == "none" else cls(config, kind, superres_scale, formats)

    def __call__(self, items: list[list[Tensor]], rng: np.random.Generator) -> list[list[Tensor]]:
        """Return the changed crops: the images of an item alike, those of different items each by itself.

        Args:
            items: one item with one image or the two of a pair, source first; or two items A and B of one image each.
                The images are levels (C, H, W), channels-last in memory: uint8 of pictures, else float32. Label maps
                are indices, int16 (1, H, W).
            rng: for all random choices.
        """
        if len(items) == 1:
            return [self._item(items[0], ("source", "target"), rng)]
        return [self._item(item, (role,), rng) for item, role in zip(items, self._roles, strict=True)]

    def _item(self, images: list[Tensor], roles: tuple[str, ...], rng: np.random.Generator) -> list[Tensor]:
        arrays = {role: _to_array(image) for role, image in zip(roles, images, strict=False)}
        if self._labels is None:
            return [_to_tensor(image) for image in self._pipeline(arrays, rng).values()]
        arrays["source"] = _to_mask(arrays["source"], self._labels)
        changed = self._pipeline(arrays, rng)
        return [_from_mask(changed["source"], self._labels), _to_tensor(changed["target"])]


def _noise(size: int, format: PixelFormat) -> np.ndarray:
    if format.labels is not None:
        indices = np.random.default_rng(0).integers(0, format.channels, (size, size, 1), np.int16)
        return _to_mask(indices, format.labels)
    levels = np.random.default_rng(0).integers(0, 256, (size, size, format.channels), np.uint8)
    return levels if format.is_rgb8 else levels.astype(np.float32) / 255


def _to_array(image: Tensor) -> np.ndarray:
    """Return (C, H, W) as (H, W, C): uint8, or floats from 0 to 1, as Albumentations takes them. Indices stay."""
    array = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return array if array.dtype in (np.uint8, np.int16) else array / np.float32(255)


def _to_mask(indices: np.ndarray, classes: LabelClasses) -> np.ndarray:
    """Return indices as a mask, uint8 or int16 of equal shape: 0 for ignored pixels, as for those beyond the image."""
    return ((indices + 1) % (classes.count + 1)).astype(np.uint8 if classes.count < 256 else np.int16)


def _from_mask(mask: np.ndarray, classes: LabelClasses) -> Tensor:
    """Return a mask (H, W, 1) of ``_to_mask`` as indices, int16 (1, H, W)."""
    indices = (mask.astype(np.int16) + classes.count) % (classes.count + 1)
    return torch.from_numpy(np.ascontiguousarray(indices)).permute(2, 0, 1)


def _to_tensor(array: np.ndarray) -> Tensor:
    """Return (H, W, C) of ``_to_array`` as levels (C, H, W)."""
    if array.dtype != np.uint8:
        array = array.clip(0, 1) * np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)
