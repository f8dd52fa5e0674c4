"""Synthetic datasets, drawn from a seed: a first training needs neither a network connection nor own data."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from i2i.data.plugins import DATASET_PLUGINS
from i2i.data.synthetic import dead_leaves, outlines, shapes, stripes
from i2i.data.synthetic.drawing import ImageArray
from i2i.data.synthetic.scoring import score
from i2i.errors import DatasetError, UsageError
from i2i.images.files import atomic_folder
from i2i.json_parsing import JsonError, parse_json_table

__all__ = [
    "SYNTHETIC_DATASETS", "SyntheticDataset", "find_synthetic", "generate", "score", "shapes", "synthetic_datasets",
    "synthetic_name",
]  # fmt: skip

VERSION = 1  # increased when the images of a dataset change
Progress = Callable[[int, int], None]  # receives (images done, number of images)


@dataclass(frozen=True, kw_only=True)
class SyntheticDataset:
    """A dataset that i2i draws itself.

    Attributes:
        name: name of the dataset.
        kind: its layout.
        summary: content, in words.
        draw: maps (seed of the image, split, domain, size) to images by the folder they belong to: (H, W), or
            (H, W, 3) in RGB order. The domain is "" for paired data and photos.
        size: default height of an image in pixels.
        train: default number of training images of each domain.
        test: default number of test images of each domain, and of validation images if there is a val split.
    """

    name: str
    kind: Literal["unpaired", "paired", "clean"]
    summary: str
    draw: Callable[[np.random.SeedSequence, str, str, int], dict[str, ImageArray]]
    size: int
    train: int
    test: int

    def counts(self, train: int, test: int) -> dict[tuple[str, str], int]:
        """Return the number of images of each (split, domain)."""
        if self.kind == "unpaired":
            return {("train", "A"): train, ("train", "B"): train, ("test", "A"): test, ("test", "B"): test}
        return {("train", ""): train, ("val", ""): test, ("test", ""): test}


SYNTHETIC_DATASETS: dict[str, SyntheticDataset] = {
    dataset.name: dataset
    for dataset in (
        SyntheticDataset(
            name="stripes",
            kind="unpaired",
            summary="Animals with plain coats and with stripes, and the hidden target of each test image.",
            draw=stripes.draw,
            size=64,
            train=600,
            test=48,
        ),
        SyntheticDataset(
            name="outlines",
            kind="paired",
            summary="Outlines of houses, trees and sheep, each beside its painting.",
            draw=outlines.draw,
            size=64,
            train=400,
            test=40,
        ),
        SyntheticDataset(
            name="leaves",
            kind="clean",
            summary="Dead leaves: overlapping discs with the statistics of photos, for restoration.",
            draw=dead_leaves.draw,
            size=128,
            train=300,
            test=30,
        ),
        SyntheticDataset(
            name="shapes",
            kind="clean",
            summary="A coloured circle, square or triangle on a plain background, for generation from noise.",
            draw=shapes.draw,
            size=32,
            train=4000,
            test=200,
        ),
    )
}


def find_synthetic(name: str) -> SyntheticDataset | None:
    """Return a synthetic dataset of i2i or of a plugin, or None. Raises PluginError if the plugin is broken."""
    dataset = SYNTHETIC_DATASETS.get(name) or DATASET_PLUGINS.find(name)
    return dataset if isinstance(dataset, SyntheticDataset) else None


def synthetic_datasets() -> list[SyntheticDataset]:
    """Return the synthetic datasets of i2i and of plugins."""
    more = DATASET_PLUGINS.load_all().values()
    return [*SYNTHETIC_DATASETS.values(), *(dataset for dataset in more if isinstance(dataset, SyntheticDataset))]


def generate(
    name: str,
    folder: Path,
    *,
    seed: int = 0,
    size: int | None = None,
    train: int | None = None,
    test: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Draw a synthetic dataset into ``folder``, which appears under its name when it is complete.

    An image depends on dataset, seed, split, domain, index and size, and not on the number of images.

    Args:
        name: of the dataset.
        folder: a new or empty folder.
        seed: at least 0.
        size: height of an image in pixels, at least 16; None: the dataset's default.
        train: training images of each domain; None: the dataset's default.
        test: test images of each domain; None: the dataset's default.
        progress: receives (images done, number of images).

    Returns: ``folder``.

    Raises:
        DatasetError: the name is unknown, or the folder is not empty.
        UsageError: a number is out of range.
    """
    dataset = find_synthetic(name)
    if dataset is None:
        names = ", ".join(dataset.name for dataset in synthetic_datasets())
        raise DatasetError(f"There is no synthetic dataset {name!r}. There are: {names}.")
    size = dataset.size if size is None else size
    train = dataset.train if train is None else train
    test = dataset.test if test is None else test
    for option, value, minimum in (("seed", seed, 0), ("size", size, 16), ("train", train, 0), ("test", test, 0)):
        if value < minimum:
            raise UsageError(f"{option} is {value}; it must be at least {minimum}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} already exists and is not empty. Choose another folder, or remove it first.")

    # "." has no name, and a symbolic link must not be replaced by a folder.
    with atomic_folder(folder.resolve()) as unfinished:
        counts = dataset.counts(train, test)
        _write_images(dataset, unfinished, counts, seed, size, progress)
        _write_about(unfinished, dataset, counts, seed, size)
    return folder


def synthetic_name(folder: Path) -> str | None:
    """Return the name of the synthetic dataset in ``folder``, or None for any other folder."""
    try:
        return str(parse_json_table((folder / "about.json").read_bytes())["sample"])
    except (OSError, JsonError, KeyError):
        return None


def _write_about(
    folder: Path, dataset: SyntheticDataset, counts: dict[tuple[str, str], int], seed: int, size: int
) -> None:
    about = {
        "made_by": "i2i",
        "sample": dataset.name,
        "seed": seed,
        "size": size,
        "version": VERSION,
        "counts": {split + domain: count for (split, domain), count in counts.items()},
    }
    (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")


def _write_images(
    dataset: SyntheticDataset,
    folder: Path,
    counts: dict[tuple[str, str], int],
    seed: int,
    size: int,
    progress: Progress | None,
) -> None:
    done = 0
    total = sum(counts.values())
    for (split, domain), count in counts.items():
        (folder / (split + domain)).mkdir()  # also without images, so that the layout is complete
        key = zlib.crc32(f"{dataset.name}/{split}/{domain}".encode())
        for index in range(count):
            images = dataset.draw(np.random.SeedSequence([seed, key, index]), split, domain, size)
            for subfolder, image in images.items():
                (folder / subfolder).mkdir(parents=True, exist_ok=True)
                (folder / subfolder / f"{index:05d}.png").write_bytes(_encode_png(image))
            done += 1
            if progress is not None:
                progress(done, total)


def _encode_png(image: ImageArray) -> bytes:
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR).astype(np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()
