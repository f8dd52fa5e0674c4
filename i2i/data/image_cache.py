"""Cache of decoded and resized training images: one file that every process maps into memory.

A cache is a folder NAME-SIDE-KEY. ``pictures.u8`` holds the images one after another, (height, width, C) in the type of
their domain, uint8 (height, width, 3) for pictures;
``index.json`` holds the offset and the size of each. KEY is a hash of the paths, sizes and modification times of all
training files and of the resizing, so a changed dataset gets a new cache. A cache is written under a temporary name
and then renamed, so it is never incomplete.
"""

import hashlib
import json
import logging
import math
import os
import re
import shutil
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from i2i.data.cache_folders import cache_dir, discard, exclusive
from i2i.data.cached_images import PIXELS, ImageCache, bytes_per_pixel
from i2i.data.layout import Item, Layout
from i2i.data.load_ahead import load_in_order
from i2i.data.resize import ResizeMode, load_item, resize_item, resized_size
from i2i.data.unreadable import max_unreadable, too_many_unreadable, training_files, unreadable_files
from i2i.data.value_ranges import NO_RANGES, DomainRanges
from i2i.errors import CacheError, ImageError, io_errors
from i2i.images import read_header, write_atomic
from i2i.images.files import atomic_folder
from i2i.images.folders import real_path
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.images.stacks import file_version
from i2i.images.value_range import ranges_to_json
from i2i.json_parsing import JsonError, parse_json_table

logger = logging.getLogger(__name__)

FORMAT = 2  # increased when the pixels or the files of a cache change for the same dataset
FREE_SPACE_FACTOR = 1.1  # free disk space needed, relative to the size of the cache
LOG_INTERVAL = 10.0  # seconds between progress lines
_INDEX = "index.json"


def build_image_cache(
    layout: Layout,
    side: int,
    mode: ResizeMode,
    *,
    limit: float = math.inf,
    ranges: DomainRanges = NO_RANGES,
    formats: DomainFormats = RGB_FORMATS,
) -> ImageCache:
    """Open the cache of a dataset's training images, and build it first if it does not exist.

    Args:
        layout: the dataset.
        side: size of the resized images in pixels, as for ``resize``.
        mode: how images are resized.
        limit: maximum size in bytes.
        ranges: black and white of the domains A and B.
        formats: of the images of the domains A and B; the cache keeps their type.

    Raises:
        CacheError: the cache would exceed ``limit``, the disk is too full, or the folder cannot be written.
        ImageError: more images cannot be decoded than a training tolerates.
    """
    spec = _CacheSpec(layout, side, mode, ranges, formats)
    folder = cache_dir().resolve()
    if existing := spec.open(folder):
        return existing
    if (size := spec.size()) > limit:
        raise CacheError(f"An image cache would take {_format_size(size)}; the limit is {_format_size(limit)}.")
    with io_errors(folder, "cannot be written", error_type=CacheError):
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder, spec.title):
            # While this process waited, another one may have built the cache.
            return spec.open(folder) or _build(spec, folder, size)


@dataclass(frozen=True)
class _CacheSpec:
    """The content of a cache: images and their size."""

    layout: Layout
    side: int
    mode: ResizeMode
    ranges: DomainRanges = NO_RANGES
    formats: DomainFormats = RGB_FORMATS

    @cached_property
    def items(self) -> list[Item]:
        return [item for domain in self.layout.splits["train"] for item in domain]

    @cached_property
    def domains(self) -> list[int]:
        """The domain of each item."""
        return [index for index, domain in enumerate(self.layout.splits["train"]) for _ in domain]

    @property
    def images_per_item(self) -> int:
        return 2 if self.layout.kind == "paired" else 1

    @cached_property
    def source(self) -> str:
        if self.layout.title:  # two folders that were named one by one
            return os.pathsep.join(str(folder) for folder in self.layout.folders["train"])
        return str(real_path(self.layout.root))

    @cached_property
    def title(self) -> str:
        """NAME-SIDE: the part of the folder's name that does not change with the files."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.layout.data_name).strip("-._")[:80]
        return f"{name or 'data'}-{self.side}"

    @cached_property
    def name(self) -> str:
        """NAME-SIDE-KEY: the name of the cache's folder."""
        digest = hashlib.sha256(f"{FORMAT} {self.layout.kind} {self.side} {self.mode}\n".encode())
        if self.layout.sizes.scales != (1, 1):
            digest.update(f"scales {self.layout.sizes.scales}\n".encode())
        if any(self.ranges):
            digest.update(json.dumps([ranges_to_json(ranges) for ranges in self.ranges]).encode())
        if self.formats != RGB_FORMATS:
            digest.update(json.dumps([format.to_json() for format in self.formats]).encode())
        for domain in self.layout.splits["train"]:
            digest.update(f"{len(domain)}\n".encode())
            for path in (path for item in domain for path in item):
                size, modified = file_version(path)
                relative = path.relative_to(self.layout.root).as_posix()
                digest.update(f"{relative}\0{size}\0{modified}\n".encode(errors="replace"))
        return f"{self.title}-{digest.hexdigest()[:16]}"

    def size(self) -> int:
        """Return the bytes of all images. An estimate in mode "cover" for side-by-side pairs that EXIF rotates."""
        pixel_bytes = self._pixel_bytes()
        if self.mode == "stretch" and self.layout.sizes.scales == (1, 1):
            return int(pixel_bytes.sum()) * self.side**2
        per_item = pixel_bytes.reshape(-1, self.images_per_item)
        return sum(
            int(files.sum()) * self._pixels_of(read_header(path)[0], len(files))
            for item, sizes in zip(self.items, per_item, strict=True)
            for path, files in zip(item, np.array_split(sizes, len(item)), strict=True)
        )

    def _pixels_of(self, size: tuple[int, int], parts: int) -> int:
        """Return the pixels of each of the images that lie side by side in a file."""
        width, height = size
        if self.layout.sizes.scales != (1, 1):
            return width * height
        return math.prod(resized_size((max(1, width // parts), height), self.side, self.mode))

    def metadata(self) -> dict[str, Any]:
        """Return what the caches of one dataset at one size have in common."""
        common = {"format": FORMAT, "source": self.source, "side": self.side, "fit": self.mode}
        if any(self.ranges):
            common["value_ranges"] = [ranges_to_json(ranges) for ranges in self.ranges]
        if self.formats != RGB_FORMATS:
            common["formats"] = [format.to_json() for format in self.formats]
        if self.layout.sizes.scales != (1, 1):
            common["scales"] = list(self.layout.sizes.scales)
        return common

    def is_stale(self, folder: Path) -> bool:
        """Return whether ``folder`` is a cache of the same dataset and resizing, for an earlier state of the files."""
        try:
            index = _read_index(folder)
        except (OSError, JsonError):
            return False
        return {key: value for key, value in index.items() if key != "pictures"} == self.metadata()

    def load(self, index: int) -> list[Any] | ImageError:
        """Return the resized images of an item, or the error if it cannot be read."""
        step = -1 if self.domains[index] else 1
        try:
            images = load_item(
                self.items[index], self.layout.kind, ranges=self.ranges[::step], formats=self.formats[::step]
            )
        except ImageError as error:
            return error
        return resize_item(images, self.side, self.mode, self.layout.sizes.scales)

    def open(self, parent: Path) -> ImageCache | None:
        """Return the cache below ``parent``, or None if it does not exist or is damaged."""
        folder = parent / self.name
        try:
            index = np.array(_read_index(folder)["pictures"], dtype=np.int64)
            length = (folder / PIXELS).stat().st_size
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        if index.shape != (len(self.items) * self.images_per_item, 3) or (index[:, 1:] < 0).any():
            return None
        ends = np.cumsum(self._pixel_bytes() * index[:, 1] * index[:, 2])
        if (index[0, 0], ends[-1]) != (0, length) or (index[1:, 0] != ends[:-1]).any():
            return None
        lengths = [len(domain) for domain in self.layout.splits["train"]]
        offsets = tuple(sum(lengths[:domain]) for domain in range(len(lengths)))
        return ImageCache(folder, offsets, self.images_per_item, index, self.formats)

    def _pixel_bytes(self) -> np.ndarray:
        """Return the bytes of a pixel of each image."""
        sizes = [bytes_per_pixel(format) for format in self.formats]
        if self.images_per_item == 2:
            return np.tile(np.array(sizes), len(self.items))
        return np.array([sizes[domain] for domain in self.domains])


def _build(spec: _CacheSpec, parent: Path, size: int) -> ImageCache:
    free = shutil.disk_usage(parent).free
    if free < FREE_SPACE_FACTOR * size:
        raise CacheError(f"An image cache would take {_format_size(size)}; {parent} has {_format_size(free)} free.")
    logger.info(
        "caching %d training images of %s in %s: %s", len(spec.items), spec.layout.root, parent, _format_size(size)
    )
    finished = parent / spec.name
    with atomic_folder(finished, parent / f".{spec.title}.unfinished") as unfinished:
        _write(spec, unfinished)
        if finished.exists():  # it is damaged, or it would have been opened
            discard(finished, spec.title)
    for folder in parent.glob(f"{spec.title}-*"):
        if folder != finished and spec.is_stale(folder):
            with suppress(OSError):  # on Windows another process may hold it open
                discard(folder, spec.title)
    cache = spec.open(parent)
    if cache is None:
        raise CacheError(f"{finished} differs from what was written: the disk may be failing.")
    return cache


def _write(spec: _CacheSpec, folder: Path) -> None:
    """Write the two files of a cache and flush them to disk."""
    rows: list[tuple[int, int, int]] = []
    failed: dict[str, str] = {}
    limit = max_unreadable(spec.layout)
    offset = 0
    last_log = time.monotonic()
    with (folder / PIXELS).open("wb") as file, closing(load_in_order(spec.load, len(spec.items))) as items:
        for done, images in enumerate(items, 1):
            if isinstance(images, ImageError):
                failed |= unreadable_files(spec.items[done - 1], images, spec.layout)
                if len(failed) > limit:
                    raise too_many_unreadable(failed, limit, len(training_files(spec.layout)))
                rows += [(offset, 0, 0)] * spec.images_per_item  # a training reports the file when it meets it
                continue
            for image in images:
                rows.append((offset, image.height, image.width))
                offset += file.write(image.tobytes())
            if time.monotonic() - last_log >= LOG_INTERVAL:
                logger.info("  %d of %d", done, len(spec.items))
                last_log = time.monotonic()
        file.flush()
        os.fsync(file.fileno())
    write_atomic(folder / _INDEX, json.dumps({**spec.metadata(), "pictures": rows}).encode())


def _read_index(folder: Path) -> dict[str, Any]:
    """Read a cache's index. Raises OSError or JsonError if it cannot be read."""
    return parse_json_table((folder / _INDEX).read_bytes(), keep_file_names=True)


def _format_size(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
