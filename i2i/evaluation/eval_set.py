"""The pictures that models are judged on, in one direction."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

from i2i.config import to_json
from i2i.data.layout import Item, Kind, Layout
from i2i.data.resize import Fit, fit, opened
from i2i.errors import DatasetError, UsageError
from i2i.restoration import Task
from i2i.restoration.degrader import Degrader

LEAST = 2  # pictures on either side
CHUNK = 16  # pictures read at once


@dataclass(frozen=True)
class Shape:
    """How every picture is brought to one size before anything else: ``size`` 0 leaves it as it is."""

    size: int = 0
    fit: Fit = "stretch"

    def __call__(self, image: Image.Image) -> Image.Image:
        if not self.size or image.size == (self.size, self.size):
            return image
        resized = fit(image, self.size, self.fit)
        left, top = ((length - self.size) // 2 for length in resized.size)
        return resized.crop((left, top, left + self.size, top + self.size))

    def told(self) -> str:
        if not self.size:
            return "as they are"
        how = "stretched" if self.fit == "stretch" else "by the shorter side, middle square"
        return f"{self.size}×{self.size} px, {how}, bicubic"


@dataclass(frozen=True)
class Damage:
    """What a restoration model is to undo: its task at one strength, where it has one."""

    task: Task
    strength: float | None

    def __call__(self, image: Image.Image) -> Image.Image:
        return Degrader(self.task, self.strength)(image)

    def told(self) -> str:
        """Such as "denoise, strength 25, in 8 bits"."""
        name, scale = to_json(self.task)["task"], self.task.scale
        told = [f"{name} ×{scale}" if scale > 1 else name]
        return ", ".join([*told, *([f"strength {self.strength:g}"] if self.strength is not None else []), "in 8 bits"])


@dataclass(frozen=True)
class Pictures:
    """Some pictures of a split.

    part: which of the two of a pair. multiple: what their sides are cut to multiples of. damage: what they are put
    through before they are given to a model.
    """

    items: Sequence[Item]
    kind: Kind
    part: int
    shape: Shape
    multiple: int = 1
    damage: Damage | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Image.Image:
        """RGB, brought to size, or what damage makes of it. Raises PictureError naming the file that cannot be read.

        As stored, colour profiles left out of account, as in every published number.
        """
        image = self.shape(opened(self.items[index], self.kind, profiles=False)[self.part])
        width, height = (length - length % self.multiple for length in image.size)
        cut = image if image.size == (width, height) else image.crop((0, 0, width, height))
        return cut if self.damage is None else self.damage(cut)

    def some(self, indices: Sequence[int]) -> list[Image.Image]:
        """Several of them, read side by side."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return list(pool.map(self.__getitem__, indices))

    def __iter__(self) -> Iterator[Image.Image]:
        for start in range(0, len(self), CHUNK):
            yield from self.some(range(start, min(len(self), start + CHUNK)))

    def name(self, index: int) -> str:
        """The name of a picture's file, without suffix."""
        item = self.items[index]
        return item[self.part if len(item) > 1 else 0].stem

    def contents(self) -> str:
        """SHA-256 of what the files hold, which half of them counts, how they are brought to size, and the damage."""
        digest = hashlib.sha256(f"{self.kind} {self.part} {self.shape} {self.multiple}\n".encode())
        if self.damage is not None:  # what it does to a picture says more than its settings, not all of which count
            digest.update(self.damage.told().encode() + self[0].tobytes())
        for item in self.items:
            path = item[self.part if len(item) > 1 else 0]
            about = path.stat()
            digest.update(_digest(path, about.st_size, about.st_mtime_ns))
        return digest.hexdigest()


@lru_cache(maxsize=200_000)
def _digest(path: Path, size: int, time: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True)
class Trial:
    """Inputs to translate, the real pictures that outputs are to be like, and others of the same kind.

    inputs: None for generators that take noise. paired: ``real[i]`` is the truth of ``inputs[i]``. others: real
    pictures of another split, as many as there are outputs where there are as many; None where there is no other split.
    """

    direction: str
    split: str
    inputs: Pictures | None
    real: Pictures
    others: Pictures | None
    others_split: str
    paired: bool

    @property
    def damage(self) -> Damage | None:
        """What a restoration model is to undo."""
        return self.inputs.damage if self.inputs is not None else None

    @property
    def outputs(self) -> int:
        """How many pictures a model makes."""
        return len(self.real if self.inputs is None else self.inputs)


def trial(
    found: Layout,
    direction: str,
    *,
    split: str | None,
    count: int | None,
    shape: Shape,
    damage: Damage | None = None,
    seen: bool = True,
) -> Trial:
    """The pictures of a direction: "AtoB", "BtoA" or "sample".

    split: by default the test split, else val. count: at most so many on each side, spread evenly over them. damage:
    makes the inputs out of clean photos, which are then their truth. seen: a model was trained on these data; where
    none was, all pictures of an undivided set will do.
    Raises UsageError or DatasetError where there is no such split, or it holds too little.
    """
    split = split or _default_split(found, seen)
    if split not in found.splits:
        raise UsageError(f"{found.root} has no {split} pictures; it has {', '.join(found.splits)}.")
    others_split = "train" if split != "train" else ""
    sides = {"AtoB": (0, 1), "BtoA": (1, 0), "sample": (0, 0)}[direction]
    if damage is not None and found.kind != "clean":
        raise DatasetError(f"{found.root} holds {found.kind} data, and a restoration task damages clean photos.")
    if direction != "sample" and found.kind == "clean" and damage is None:
        raise DatasetError(
            f"{found.root} holds photos of one kind ({found.source}), and {direction} needs two: trainA/ and trainB/, "
            "or pairs."
        )
    inputs, real = (_pictures(found, split, side, count, shape) for side in sides)
    if damage is not None:
        real = replace(real, multiple=damage.task.scale)
        inputs = replace(real, damage=damage)
    least = min(len(inputs), len(real))
    if least < LEAST:
        raise DatasetError(f"An evaluation needs at least {LEAST} pictures on either side; {found.root} has {least}.")
    wanted = len(real) if direction == "sample" else len(inputs)
    others = _pictures(found, others_split, sides[1], wanted, shape) if others_split else None
    return Trial(
        direction,
        split,
        None if direction == "sample" else inputs,
        real,
        others if others is not None and len(others) >= LEAST else None,
        others_split,
        found.kind == "paired" or damage is not None,
    )


def _default_split(found: Layout, seen: bool) -> str:
    split = next((name for name in ("test", "val") if name in found.splits), None)
    if split is None and not seen:
        return "train"
    if split is None:
        raise DatasetError(
            f"{found.root} has no test pictures. Put some aside, into test/ (or testA/ and testB/), that no training "
            "sees; --split train judges on those that it saw, which says little."
        )
    return split


def _pictures(found: Layout, split: str, side: int, count: int | None, shape: Shape) -> Pictures:
    domains = found.splits[split]
    domain = domains[side if found.kind == "unpaired" else 0]
    if count is not None and count < len(domain):
        domain = [domain[index * len(domain) // count] for index in range(count)]
    return Pictures(domain, found.kind, side if found.kind == "paired" else 0, shape)
