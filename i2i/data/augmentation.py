"""``SampleAugmenter``: the pipeline of ``--augmentations``, applied to the crops of a training sample."""

import numpy as np
import torch
from torch import Tensor

from i2i.augmentations.pipeline import AugmentationPipeline
from i2i.data.config import DataConfig, DirectedConfig
from i2i.data.layout import Kind
from i2i.directions import Direction


class SampleAugmenter:
    """Applies a pipeline to the crops of a sample, before a restoration task degrades them.

    Args:
        config: with the pipeline, the size and the direction.
        kind: of the dataset.
        superres_scale: size of a target relative to its input.

    Raises:
        ConfigError: the pipeline is unknown, or unsuited to the data.
    """

    def __init__(self, config: DataConfig, kind: Kind, superres_scale: int = 1) -> None:
        self._pipeline = AugmentationPipeline(config.augmentations, kind)
        reverse = isinstance(config, DirectedConfig) and config.direction == Direction.B_TO_A
        self._roles = ("target", "source") if reverse and kind == "unpaired" else ("source", "target")
        image = np.random.default_rng(0).integers(0, 256, (config.size, config.size, 3), np.uint8)
        images = {"source": image[::superres_scale, ::superres_scale], "target": image}
        self._pipeline.check_on({"source": image} if kind == "clean" else images)

    @classmethod
    def from_config(cls, config: DataConfig, kind: Kind, superres_scale: int = 1) -> "SampleAugmenter | None":
        """Return the augmenter of a config, or None if it asks for no augmentation. See the class."""
        return None if config.augmentations == "none" else cls(config, kind, superres_scale)

    def __call__(self, items: list[list[Tensor]], rng: np.random.Generator) -> list[list[Tensor]]:
        """Return the changed crops: the images of an item alike, those of different items each by itself.

        Args:
            items: one item with one image or the two of a pair, source first; or two items A and B of one image each.
                The images are uint8 (3, H, W), channels-last in memory.
            rng: for all random choices.
        """
        if len(items) == 1:
            return [self._item(items[0], ("source", "target"), rng)]
        return [self._item(item, (role,), rng) for item, role in zip(items, self._roles, strict=True)]

    def _item(self, images: list[Tensor], roles: tuple[str, ...], rng: np.random.Generator) -> list[Tensor]:
        arrays = {
            role: np.ascontiguousarray(image.permute(1, 2, 0).numpy())
            for role, image in zip(roles, images, strict=False)
        }
        changed = self._pipeline(arrays, rng)
        return [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1) for image in changed.values()]
