"""Translate images of any channels and type with models that were trained on such images."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from i2i.checkpoints.model_info import ModelInfo
from i2i.errors import ImageError, UsageError
from i2i.images import Provenance
from i2i.images.channels import ChannelImage
from i2i.images.geotiff import scaled_geo_tags
from i2i.images.label_maps import LabelMap, to_label_map
from i2i.images.pixel_format import PixelFormat, from_unit, to_levels
from i2i.images.sample_types import count_channels
from i2i.images.value_range import ValueRange, ValueRanges, common_ranges
from i2i.inference.channel_values import UnitImage, from_channel_results, to_channel_images
from i2i.inference.options import InferenceOptions
from i2i.inference.postprocessing import PendingImage, Postprocessor, copy_to_cpu
from i2i.inference.preprocessing import PaddedBatch, Preprocessor, pad_into
from i2i.inference.runner import NetworkRunner
from i2i.inference.stage import Stage
from i2i.inference.translator import Progress, Translator
from i2i.networks import GeneratorConfig, IdentityConfig, SpandrelConfig


class ChannelTranslator(Translator):
    """Translate images of 1 to 16 channels, of any type, with one direction of a model file.

    Values are mapped from the value range of the training to [-1, 1], and the results back to the type and the range of
    the images that the model learnt to return. A model of the identity network returns its input unchanged.

    >>> ndvi = i2i.load("landsat2ndvi")(np.zeros((50, 70, 4), np.uint16))  # doctest: +SKIP

    Args:
        network: the generator.
        config: config of the generator.
        size: pixels a side of the images the generator was trained on.
        direction: "AtoB" or "BtoA".
        info: metadata of the model file; None for the identity, which takes any channels.
        provenance: the model, as its results name it in their metadata.
        options: device, precision and value range.

    Raises: UsageError for an option that only models of pictures take.
    """

    takes_channels = True

    def __init__(
        self,
        network: nn.Module,
        config: GeneratorConfig | SpandrelConfig,
        *,
        size: int,
        direction: str,
        info: ModelInfo | None = None,
        provenance: Provenance | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        super().__init__(
            network, config, size=size, direction=direction, info=info, provenance=provenance, options=options
        )
        _check_options(self.options, self.name)
        self.input_format = info.input_format(direction) if info is not None else None
        self.output_format = info.output_format(direction) if info is not None else None
        self.is_identity = isinstance(config, IdentityConfig)
        preprocessor = ChannelPreprocessor(config, size, self)
        self.preprocessor = preprocessor
        self.runner = NetworkRunner(self.runner.network, preprocessor, self.device, self.dtype)
        self.postprocessor = ChannelPostprocessor(self.postprocessor.scale, self, self.device)
        self._stage = Stage(self.preprocessor, self.runner, self.postprocessor, self.device)

    def __call__(self, images: Any, progress: Progress | None = None) -> Any:
        """Translate an image, a batch or a list of images, and return the same kind.

        Args:
            images: one of the following; of a model of label maps, arrays and PIL images hold class ids, or indices of
                a palette, in one channel, and tensors are one-hot.

                - the path of an image file, or a PIL image. The result is an array (H, W, C); of a PIL image a PIL
                  image, if the results have 8 bits and one, three or four channels.
                - an array (H, W, C) of integers or floats, or (N, H, W, C); (H, W) for one channel. Values are those
                  of the model's value range. The result has the type of the images that the model learnt to return.
                - a floating-point tensor (C, H, W) or (N, C, H, W) in [-1, 1]. The result is a tensor of its data type
                  on its device.
                - a list or tuple of these. The result is a list.

            progress: called with the fraction done, from 0 to 1.

        Returns: results, ``scale`` times the size of the images.

        Raises:
            ArgumentTypeError: a TypeError: another type.
            ArgumentValueError: a ValueError: a wrong shape, or another number of channels.
            ImageError: a file cannot be read, or has another number of channels.
        """
        values = list(images) if isinstance(images, list | tuple) else [images]
        batches = [to_channel_images(value, self.input_format) for value in values]
        results = iter(self.translate([image for batch in batches for image in batch], progress))
        converted = [
            from_channel_results(value, [next(results) for _ in batch])
            for value, batch in zip(values, batches, strict=True)
        ]
        return converted if isinstance(images, list | tuple) else converted[0]

    def translate(self, images: Sequence[Any], progress: Progress | None = None) -> list[Any]:
        """Translate several images.

        Args:
            images: ``ChannelImage`` each, as ``i2i.images.channels.read_channels`` returns them.
            progress: called with the fraction done, from 0 to 1.

        Returns: a ``ChannelImage`` each.
        """
        results = []
        for index, image in enumerate(images):
            results += [wait() for wait in self.submit([image])]
            if progress is not None:
                progress((index + 1) / len(images))
        return results

    def submit(self, images: Sequence[Any]) -> list[PendingImage]:
        """Start to translate images; see ``Translator.submit``. Raises ImageError for other channels."""
        images = [self._checked(image) for image in images]
        if self.is_identity:
            return [partial(_itself, image) for image in images]
        return self._stage.submit(images)

    def _checked(self, image: ChannelImage) -> ChannelImage:
        """Return an image as the model takes it. Raises ImageError for other channels, or ids of no class."""
        labels = self.input_format.labels if self.input_format is not None else None
        if labels is not None and not isinstance(image, LabelMap | UnitImage):
            return to_label_map(image, labels, "The image")
        self.check(image)
        return image

    def check(self, image: ChannelImage) -> None:
        """Raise ImageError unless an image has the channels that the model takes."""
        if isinstance(image, LabelMap):
            return
        if self.input_format is not None and image.channels != self.input_format.channels:
            raise ImageError(
                f"The image has {count_channels(image.channels)}; {self.name} {self.direction} takes "
                f"{self.input_format}."
            )

    def range_of(self, image: ChannelImage) -> ValueRange:
        """Return black and white of an image: its own, else of the model for its type, else of its values."""
        return image.value_range or range_of(image, self.value_ranges, self.input_format)

    def result_format(self, image: ChannelImage) -> PixelFormat:
        """Return the format of the result of an image.

        A model that was trained on 8 bits returns 16 for an image that has more.
        """
        assert self.input_format is not None
        assert self.output_format is not None
        format = self.output_format
        if isinstance(image, UnitImage):
            return dataclasses.replace(format, dtype="float32", value_range=(-1.0, 1.0))
        if format.dtype == "uint8" and self.input_format.type == "uint8" and image.type not in ("uint8", "int8"):
            low, high = format.value_range
            return dataclasses.replace(format, dtype="uint16", value_range=(257 * low, 257 * high))
        return format


def range_of(image: ChannelImage, ranges: ValueRanges, format: PixelFormat | None) -> ValueRange:
    """Return black and white of an image.

    Args:
        image: the image.
        ranges: those that are known, by sample type.
        format: that of a model's inputs; None if it is unknown.
    """
    if image.type in ranges:
        return ranges[image.type]
    if format is not None and image.type == format.type:
        return format.value_range
    return common_ranges([image.summary()])[image.type]


class ChannelPreprocessor(Preprocessor):
    """Lay ``ChannelImage`` out for a network."""

    returns_floats = True

    def __init__(self, config: GeneratorConfig | SpandrelConfig, size: int, translator: ChannelTranslator) -> None:
        super().__init__(config, size, pin_memory=translator.device.type == "cuda")
        self._translator = translator

    def preprocess(self, images: Sequence[Any]) -> PaddedBatch:
        width, height = self.padded_size(images[0].size)
        shape = len(images), height, width, _network_channels(images[0])
        pixels = torch.empty(shape, dtype=torch.float32, pin_memory=self._pin_memory)
        offsets, sizes = [], []
        for image, padded in zip(images, pixels.numpy(), strict=True):
            levels = image.one_hot() if isinstance(image, LabelMap) else self._levels(image)
            offsets.append(pad_into(levels, padded, "symmetric" if self.margin else "reflect"))
            sizes.append(image.size)
        return PaddedBatch(pixels, offsets, sizes)

    def _levels(self, image: ChannelImage) -> np.ndarray:
        """Return an image as levels from 0 to 255, (H, W, C)."""
        low, high = self._translator.range_of(image)
        values = image.values
        if values.dtype.kind == "f":
            values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
        return to_levels(values, (low, high))


class ChannelPostprocessor(Postprocessor):
    """Make ``ChannelImage`` of the output of a network."""

    def __init__(self, scale: int, translator: ChannelTranslator, device: torch.device) -> None:
        super().__init__(scale, transfer_chroma=False, device=device)
        self._translator = translator

    def postprocess(self, output: Tensor, batch: PaddedBatch, images: Sequence[Any]) -> list[PendingImage]:
        cropped = [
            copy_to_cpu(self._crop(padded, offset, size))
            for padded, offset, size in zip(output, batch.offsets, batch.sizes, strict=True)
        ]
        done = None
        if output.device.type == "cuda":
            done = torch.cuda.Event()
            done.record(torch.cuda.current_stream(output.device))
        return [partial(self._finish, values, done, image) for values, image in zip(cropped, images, strict=True)]

    def _finish(self, values: Tensor, done: Any, image: ChannelImage) -> Any:
        if done is not None:
            done.synchronize()
        format = self._translator.result_format(image)
        return ChannelImage(
            from_unit(values.numpy(), format),
            bands=format.bands,
            geo=scaled_geo_tags(image.geo, self.scale),
            value_range=format.value_range,
        )


def _network_channels(image: ChannelImage) -> int:
    return image.classes.count if isinstance(image, LabelMap) else image.channels


def _itself(image: Any) -> Any:
    return image


def _check_options(options: InferenceOptions, name: str) -> None:
    """Raise UsageError for options that only models of pictures take."""
    given = [
        flag
        for flag, is_given in (
            ("blend", options.blend != 1), ("grain", options.grain != 0), ("protect", options.protect is not None),
        )
        if is_given
    ]  # fmt: skip
    if given:
        raise UsageError(
            f"--{given[0]} ({given[0]} in Python) works on pictures, RGB of 8 bits; {name} takes images of other "
            "channels or another type. Omit it."
        )
