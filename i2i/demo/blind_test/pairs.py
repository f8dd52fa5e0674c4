"""What the blind test shows: pictures that a model translates, and the real ones that they are to be like."""

import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from i2i.config import to_json
from i2i.data.layout import layout, locate
from i2i.errors import I2IError, PictureError, UsageError
from i2i.evaluation.eval_set import Damage, Shape, Trial, trial
from i2i.evaluation.votes import SIDES
from i2i.images import encode
from i2i.inference.restoration import described_task

PHOTO = 256  # pixels a side of the middle of a photo that restoration is judged on
Translate = Callable[[str, str, Image.Image], Image.Image]  # model, direction, picture


@dataclass(frozen=True)
class Exhibit:
    """A direction of a model that can be judged: on what ``kind`` of thing, and the pictures of it."""

    model: str
    direction: str
    kind: tuple[str, str]  # the dataset's name, and the restoration task or ""
    size: int
    fit: str
    task: Any = None

    @property
    def title(self) -> str:
        """Such as "stripes-cyclegan, A to B (stripes)"."""
        return f"{self.model}, {SIDES[self.direction]} ({self.kind[0]})"

    def rivals(self, others: Iterable["Exhibit"]) -> list["Exhibit"]:
        """Those of ``others`` that make the same of the same pictures."""
        same = self.direction, self.kind
        return [other for other in others if other.model != self.model and (other.direction, other.kind) == same]

    def pictures(self, size: int) -> Trial:
        """The pictures at ``size``². Raises DatasetError where there are too few, or none that no training saw."""
        folder = _folder(self.kind[0])
        if folder is None:
            raise UsageError(f"{self.kind[0]} is no longer on this machine.")
        damage = Damage(self.task, self.task.middle()) if self.task is not None else None
        shape = Shape(size, "cover" if self.fit == "cover" or damage else "stretch")
        try:
            return trial(layout(folder), self.direction, split=None, count=None, shape=shape, damage=damage)
        except I2IError as error:  # a visitor need not know where it lies
            raise UsageError(str(error).replace(str(folder), self.kind[0])) from error


def exhibits(headers: Mapping[str, Mapping[str, Any]]) -> tuple[list[Exhibit], list[str]]:
    """What can be judged of models, by the headers of their bundles; and of each that cannot, a sentence saying why."""
    found: list[Exhibit] = []
    missing: list[str] = []
    for model, header in headers.items():
        try:
            found += _exhibits(model, header)
        except I2IError as error:
            missing.append(f"{model}: {str(error).rstrip('.')}.")
    return found, missing


def _exhibits(model: str, header: Mapping[str, Any]) -> list[Exhibit]:
    directions, size = header.get("directions"), header.get("size")
    if not isinstance(directions, list) or not isinstance(size, int) or not 8 <= size <= 2048:
        raise UsageError("its file does not say what it was trained for")
    task = described_task(model, header) if "task" in header else None
    fit, name = _said(header, "settings", "data", "fit"), _said(header, "data", "name")
    kind = name, f"{to_json(task)['task']} ×{task.scale}" if task is not None else ""
    if _folder(name) is None:
        raise UsageError(
            f"it learnt from {name or 'pictures without a name'}, and that is not on this machine. The blind test "
            "needs its test pictures: put the folder into datasets/, or into a folder of $I2I_DATASETS"
        )
    found = [Exhibit(model, side, kind, max(size, PHOTO) if task else size, fit, task) for side in directions]
    for exhibit in found:
        exhibit.pictures(exhibit.size)
    return found


def _said(header: Any, *keys: str) -> str:
    for key in keys:
        header = header.get(key) if isinstance(header, Mapping) else None
    return header if isinstance(header, str) else ""


def _folder(name: str) -> Path | None:
    """The folder of a dataset's name, for a bundle may come from anybody: never that of a path."""
    plain = name and name == name.strip() and not set(name) & set("/\\:~\0") and not name.startswith(".")
    return locate(name) if plain else None


class Deck:
    """Indices below ``count`` in an order of chance, all of them once before any comes again."""

    def __init__(self, count: int, rng: random.Random) -> None:
        self.count, self.rng, self._left = count, rng, list[int]()

    def draw(self) -> int:
        if not self._left:
            self._left = self.rng.sample(range(self.count), self.count)
        return self._left.pop()


class Showing:
    """The pairs of one session. rival: None, where a real picture is beside the translated one.

    The real one is the input's truth where there is one, else any of the same kind. Raises DatasetError where the
    pictures are gone.
    """

    def __init__(
        self, exhibit: Exhibit, rival: Exhibit | None, translate: Translate, rng: random.Random | None = None
    ) -> None:
        self.exhibit, self.rival, self.translate = exhibit, rival, translate
        pictures = exhibit.pictures(max(exhibit.size, rival.size if rival else 0))
        assert pictures.inputs is not None  # only generators that take noise have none
        self.inputs, self.real, self.paired = pictures.inputs, pictures.real, pictures.paired
        chance = rng or secrets.SystemRandom()
        self._inputs, self._reals = Deck(len(self.inputs), chance), Deck(len(self.real), chance)

    def draw(self) -> int:
        """The index of the next input."""
        return self._inputs.draw()

    def name(self, index: int) -> str:
        """The name of an input's file."""
        return self.inputs.name(index)

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
        """What the model makes of an input, and what is held against it."""
        made = self.translate(self.exhibit.model, self.exhibit.direction, self.inputs[index])
        if self.rival is not None:
            return made, self.translate(self.rival.model, self.rival.direction, self.inputs[index])
        return made, self.real[index if self.paired else self._reals.draw()]


def side_by_side(left: Image.Image, right: Image.Image) -> bytes:
    """Two pictures as one PNG, the halves of it: so that neither has a name, a length or a time of its own.

    Raises PictureError where they differ in size, which would tell which is which.
    """
    if left.size != right.size:
        raise PictureError("The two pictures differ in size, so that anybody could tell them apart.")
    width, height = left.size
    both = Image.new("RGB", (2 * width, height))
    both.paste(left.convert("RGB"), (0, 0))
    both.paste(right.convert("RGB"), (width, 0))
    return encode(both, ".png")


def find(found: Sequence[Exhibit], title: str) -> Exhibit:
    """The exhibit of a title. Raises UsageError where there is none."""
    for exhibit in found:
        if exhibit.title == title:
            return exhibit
    raise UsageError("Choose a model that can be judged from the list.")
