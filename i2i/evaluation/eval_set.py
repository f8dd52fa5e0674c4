"""The images of an evaluation: inputs, real images to compare with, and held-out real images."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

from i2i.data.layout import Item, Kind, Layout
from i2i.data.resize import load_item
from i2i.data.value_ranges import NO_RANGES, DomainRanges
from i2i.directions import SAMPLE, Direction
from i2i.errors import DatasetError, UsageError
from i2i.evaluation.channel_pictures import ChannelPicture
from i2i.evaluation.transforms import Degradation, ResizePolicy
from i2i.images.channels import ChannelImage
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.images.stacks import file_digest, file_version, image_stem
from i2i.images.value_range import ranges_to_json

MIN_IMAGES = 2  # of either domain
READ_BATCH = 16  # images read at once


@dataclass(frozen=True)
class ImageSet:
    """Images of one domain of a split, read when they are accessed.

    Args:
        items: files of each image or pair.
        kind: of the dataset.
        side: 0 for the first image of a pair, 1 for the second.
        resize: how images are resized.
        multiple: width and height are cropped to multiples of it.
        degradation: applied last; None for clean images.
        ranges: black and white of each file of an item.
        formats: of each file of an item; images of another format than RGB are ``ChannelPicture``.
    """

    items: Sequence[Item]
    kind: Kind
    side: int
    resize: ResizePolicy
    multiple: int = 1
    degradation: Degradation | None = None
    ranges: DomainRanges = NO_RANGES
    formats: DomainFormats = RGB_FORMATS

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Image.Image:
        """Return an RGB image, resized, cropped and degraded.

        Colour profiles are not applied, as in every published evaluation.

        Raises:
            ImageError: the file cannot be read; the message names it.
        """
        images = load_item(self.items[index], self.kind, profiles=False, ranges=self.ranges, formats=self.formats)
        image = self.resize(images[self.side])
        width, height = (length - length % self.multiple for length in image.size)
        if image.size != (width, height):
            image = image.crop((0, 0, width, height))
        if isinstance(image, ChannelImage):
            format = self.formats[self.side]
            return ChannelPicture(replace(image, value_range=format.value_range), format)
        return image if self.degradation is None else self.degradation(image)

    def read(self, indices: Sequence[int]) -> list[Image.Image]:
        """Return several images, read in parallel."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return list(pool.map(self.__getitem__, indices))

    def __iter__(self) -> Iterator[Image.Image]:
        for start in range(0, len(self), READ_BATCH):
            yield from self.read(range(start, min(len(self), start + READ_BATCH)))

    def path(self, index: int) -> Path:
        """Return the file that holds an image."""
        item = self.items[index]
        return item[self.side if len(item) > 1 else 0]

    def name(self, index: int) -> str:
        """Return the name of an image's file, without suffix."""
        return image_stem(self.path(index))

    def num_distinct(self) -> int:
        """Return the number of files with different content: copies of an image are no independent images."""
        return len(set(self._file_digests()))

    def content_hash(self) -> str:
        """Return the SHA-256 of the files' contents, the side of the pairs, the resizing and the degradation."""
        # These words are hashed: another spelling would change every fingerprint and discard every cached feature.
        resizing = f"Shape(size={self.resize.size!r}, fit={self.resize.mode!r})"
        digest = hashlib.sha256(f"{self.kind} {self.side} {resizing} {self.multiple}\n".encode())
        if any(self.ranges):
            digest.update(json.dumps([ranges_to_json(ranges) for ranges in self.ranges]).encode())
        if self.formats != RGB_FORMATS:
            digest.update(json.dumps([format.to_json() for format in self.formats]).encode())
        if self.degradation is not None:
            # The degraded pixels of one image identify the degradation better than the task's fields: some of them
            # have no effect on it, such as the range of strengths in training.
            digest.update(self.degradation.describe().encode() + self[0].tobytes())
        for content in self._file_digests():
            digest.update(content)
        return digest.hexdigest()

    def _file_digests(self) -> Iterator[bytes]:
        for index in range(len(self)):
            path = self.path(index)
            yield _file_digest(path, *file_version(path))


@lru_cache(maxsize=200_000)
def _file_digest(path: Path, size: int, time: int) -> bytes:
    """Return the SHA-256 of a file. ``size`` and ``time`` are part of the cache's key, for files that change."""
    return file_digest(path)


@dataclass(frozen=True)
class EvalSet:
    """The images on which models are evaluated in one direction.

    Args:
        direction: "AtoB", "BtoA" or "sample".
        split: of ``inputs`` and ``real``.
        inputs: images to translate; None for generators that take noise.
        real: real images of the target domain.
        held_out: real images of another split, at most as many as outputs; None if no other split has enough.
        held_out_split: the split of ``held_out``.
        paired: whether ``real[i]`` is the target of ``inputs[i]``.
        scale: size of the real images relative to their inputs: above 1 for super-resolution.
    """

    direction: str
    split: str
    inputs: ImageSet | None
    real: ImageSet
    held_out: ImageSet | None
    held_out_split: str
    paired: bool
    scale: int = 1

    @property
    def degradation(self) -> Degradation | None:
        """The degradation that restoration models undo; None for other models."""
        return self.inputs.degradation if self.inputs is not None else None

    @property
    def num_outputs(self) -> int:
        """The number of images that each model generates."""
        return len(self.real if self.inputs is None else self.inputs)


def build_eval_set(
    layout: Layout,
    direction: str,
    *,
    split: str | None,
    max_images: int | None,
    resize: ResizePolicy,
    degradation: Degradation | None = None,
    is_training_data: bool = True,
    ranges: DomainRanges = NO_RANGES,
    formats: DomainFormats = RGB_FORMATS,
) -> EvalSet:
    """Return the images for one direction.

    Args:
        layout: the dataset.
        direction: "AtoB", "BtoA" or "sample".
        split: None for the test split, else val.
        max_images: of each domain, spread evenly over the split; None for all.
        resize: how images are resized.
        degradation: makes the inputs from clean photos, which become their targets.
        is_training_data: whether a model was trained on this dataset. If none was, an undivided dataset is allowed.
        ranges: black and white of the domains A and B.
        formats: of the images of the domains A and B.

    Raises:
        UsageError: the dataset has no such split.
        DatasetError: the split has too few images, or the dataset does not suit the direction.
    """
    split = split or _default_split(layout, is_training_data=is_training_data)
    if split not in layout.splits:
        raise UsageError(f"{layout.root} has no {split} images; it has {', '.join(layout.splits)}.")
    _check_kind(layout, direction, degradation)
    input_side, real_side = _sides(direction)
    inputs = _image_set(layout, split, input_side, max_images, resize, ranges, formats)
    real = _image_set(layout, split, real_side, max_images, resize, ranges, formats)
    scale = 1 if resize.size else layout.sizes.scale(real_side)
    if degradation is not None:
        scale = degradation.task.scale
        inputs = replace(real, multiple=scale, degradation=degradation)
    real = replace(real, multiple=scale)
    smallest = min(len(inputs), len(real))
    if smallest < MIN_IMAGES:
        raise DatasetError(
            f"An evaluation needs at least {MIN_IMAGES} images of each domain; {layout.root} has {smallest}."
        )
    held_out, held_out_split = None, "train" if split != "train" else ""
    if held_out_split:
        num_outputs = len(real) if direction == "sample" else len(inputs)
        held_out = _image_set(layout, held_out_split, real_side, num_outputs, resize, ranges, formats)
    return EvalSet(
        direction=direction,
        split=split,
        inputs=None if direction == "sample" else inputs,
        real=real,
        held_out=held_out if held_out is not None and len(held_out) >= MIN_IMAGES else None,
        held_out_split=held_out_split,
        paired=layout.kind == "paired" or degradation is not None,
        scale=scale,
    )


def _sides(direction: str) -> tuple[int, int]:
    """Return the domains of the inputs and of the real images: 0 for A, 1 for B."""
    if direction == SAMPLE:
        return 0, 0
    return Direction(direction).source_index, Direction(direction).target_index


def _check_kind(layout: Layout, direction: str, degradation: Degradation | None) -> None:
    if degradation is not None and layout.kind != "clean":
        raise DatasetError(f"{layout.root} holds {layout.kind} data; a restoration task needs clean photos.")
    if direction != "sample" and layout.kind == "clean" and degradation is None:
        raise DatasetError(
            f"{layout.root} holds photos of one domain ({layout.source}), and {direction} needs two: trainA/ and "
            "trainB/, or pairs."
        )


def _default_split(layout: Layout, *, is_training_data: bool) -> str:
    split = next((name for name in ("test", "val") if name in layout.splits), None)
    if split is None and not is_training_data:
        return "train"
    if split is None:
        if layout.title and len(layout.folders.get("train", ())) == 2:  # two folders that were named one by one
            a, b = layout.folders["train"]
            raise DatasetError(
                f"{a.name} and {b.name} have no test images. Name folders with images that no training uses, such as "
                f"`--pairs TEST_{a.name} TEST_{b.name}` for pairs. --split train evaluates on the training images, "
                "whose results do not carry over to new images."
            )
        raise DatasetError(
            f"{layout.root} has no test images. Move some that no training uses into test/ (or testA/ and testB/). "
            "--split train evaluates on the training images, whose results do not carry over to new images."
        )
    return split


def _image_set(
    layout: Layout,
    split: str,
    side: int,
    max_images: int | None,
    resize: ResizePolicy,
    ranges: DomainRanges,
    formats: DomainFormats,
) -> ImageSet:
    domains = layout.splits[split]
    domain = domains[side if layout.kind == "unpaired" else 0]
    if max_images is not None and max_images < len(domain):
        domain = [domain[index * len(domain) // max_images] for index in range(max_images)]
    if layout.kind == "unpaired" and side:
        ranges, formats = ranges[::-1], formats[::-1]
    position = side if layout.kind == "paired" else 0
    return ImageSet(domain, layout.kind, position, resize, ranges=ranges, formats=formats)
