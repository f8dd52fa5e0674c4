"""Data sets drawn from a seed, so that a first training needs neither network nor data."""

import json
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from i2i.data.synthetic import dead_leaves, outlines, shapes, stripes
from i2i.data.synthetic.drawing import Picture
from i2i.data.synthetic.scoring import score
from i2i.errors import DatasetError, UsageError

__all__ = ["SAMPLES", "Sample", "make", "sample_of", "score", "shapes"]

VERSION = 1  # raised when a set's pictures change
Progress = Callable[[int, int], None]  # told (pictures done, pictures in all)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A built-in data set: how it is laid out, and who draws it.

    draw: (the picture's own seed, split, domain, size) to pictures by the folder they belong in, (H, W) or
    (H, W, 3) with red first. A set of one domain gives "" for it.
    """

    name: str
    kind: Literal["unpaired", "paired", "clean"]
    summary: str
    draw: Callable[[np.random.SeedSequence, str, str, int], dict[str, Picture]]
    size: int  # pixels a side, unless told otherwise
    train: int  # pictures, of each domain where there are two, unless told otherwise
    test: int  # and as many in val/, where there is one

    def parts(self, train: int, test: int) -> dict[tuple[str, str], int]:
        """How many pictures there are of each (split, domain)."""
        if self.kind == "unpaired":
            return {("train", "A"): train, ("train", "B"): train, ("test", "A"): test, ("test", "B"): test}
        return {("train", ""): train, ("val", ""): test, ("test", ""): test}


SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            name="stripes",
            kind="unpaired",
            summary="Animals with plain coats and with stripes, and the hidden truth of each test picture.",
            draw=stripes.draw,
            size=64,
            train=600,
            test=48,
        ),
        Sample(
            name="outlines",
            kind="paired",
            summary="Outlines of houses, trees and sheep, each beside the painting it belongs to.",
            draw=outlines.draw,
            size=64,
            train=400,
            test=40,
        ),
        Sample(
            name="leaves",
            kind="clean",
            summary="Dead leaves: overlapping discs with the statistics of photos, for restoration.",
            draw=dead_leaves.draw,
            size=128,
            train=300,
            test=30,
        ),
        Sample(
            name="shapes",
            kind="clean",
            summary="A coloured circle, square or triangle on a plain ground, for generators from noise.",
            draw=shapes.draw,
            size=32,
            train=4000,
            test=200,
        ),
    )
}


def make(
    name: str,
    folder: Path,
    *,
    seed: int = 0,
    size: int | None = None,
    train: int | None = None,
    test: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Draws a built-in set into `folder`, which appears under its name only when complete.

    size: side of a picture in pixels. train, test: pictures of each domain. By default the set's own.
    A picture depends on its set, seed, split, domain, index and size, and not on how many there are.
    """
    if name not in SAMPLES:
        raise DatasetError(f"There is no built-in set {name!r}. There are: {', '.join(SAMPLES)}.")
    sample = SAMPLES[name]
    size = sample.size if size is None else size
    train, test = sample.train if train is None else train, sample.test if test is None else test
    for what, value, least in (("seed", seed, 0), ("size", size, 16), ("train", train, 0), ("test", test, 0)):
        if value < least:
            raise UsageError(f"{what} is {value}; it must be at least {least}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} is there already and not empty. Name another folder, or remove it.")

    final = folder.resolve()  # "." has no name, and a link is not to be replaced by a folder
    final.parent.mkdir(parents=True, exist_ok=True)
    unfinished = final.parent / f".{final.name}.{os.getpid()}.unfinished"
    unfinished.mkdir()
    try:
        parts = sample.parts(train, test)
        _write(sample, unfinished, parts, seed, size, progress)
        about = {"made_by": "i2i", "sample": name, "seed": seed, "size": size, "version": VERSION}
        counts = {split + domain: count for (split, domain), count in parts.items()}
        (unfinished / "about.json").write_text(json.dumps({**about, "counts": counts}, indent=2) + "\n")
        if final.exists():
            final.rmdir()  # empty, as seen above; Windows does not rename onto it
        unfinished.rename(final)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def sample_of(folder: Path) -> str | None:
    """The name of the built-in set that was drawn into ``folder``; None for any other folder."""
    try:
        return str(json.loads((folder / "about.json").read_text())["sample"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(
    sample: Sample,
    folder: Path,
    parts: dict[tuple[str, str], int],
    seed: int,
    size: int,
    progress: Progress | None,
) -> None:
    done, total = 0, sum(parts.values())
    for (split, domain), count in parts.items():
        (folder / (split + domain)).mkdir()  # even for no pictures, so that the layout is whole
        key = zlib.crc32(f"{sample.name}/{split}/{domain}".encode())
        for index in range(count):
            pictures = sample.draw(np.random.SeedSequence([seed, key, index]), split, domain, size)
            for place, picture in pictures.items():
                (folder / place).mkdir(parents=True, exist_ok=True)
                (folder / place / f"{index:05d}.png").write_bytes(_png(picture))
            done += 1
            if progress is not None:
                progress(done, total)


def _png(picture: Picture) -> bytes:
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()
