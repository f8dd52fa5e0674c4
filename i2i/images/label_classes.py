"""``LabelClasses``: the classes of label maps, their colours, and the one-hot images that networks take.

A label map holds a class id for each pixel: the index of a palette, or an integer. Networks take one channel for each
class: 1 where the pixel is of this class, else -1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i2i.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

MIN_CLASSES = 2
MAX_CLASSES = 256  # as many as a palette has colours
MAX_ID = 2**31 - 1
_MAX_NAMED = 5  # ids that a message names
Colour = tuple[int, int, int]  # red, green and blue, 0 to 255
Palette = tuple[Colour, ...]
IGNORED_COLOUR: Colour = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class LabelClasses:
    """The classes of the label maps of a domain.

    Args:
        count: number of classes; their ids are 0 to ``count`` - 1.
        ignore: id of the pixels that belong to no class; None if all belong to one.
        palette: colour of each class; empty if the files have no palette.
    """

    count: int
    ignore: int | None = None
    palette: Palette = ()

    def __str__(self) -> str:
        ignored = "" if self.ignore is None else f", {self.ignore} ignored"
        return f"label maps of {self.count} classes (0 to {self.count - 1}{ignored})"

    def to_indices(self, ids: np.ndarray, name: str) -> np.ndarray:
        """Return class ids as indices, uint16 of the same shape: 0 to ``count`` - 1, and ``count`` for ignored pixels.

        Args:
            ids: integers of any shape.
            name: of the image, for messages.

        Raises:
            ImageError: the values are no integers, or none of the ids.
        """
        if ids.dtype.kind not in "iub":
            raise ImageError(f"{name} has samples of {ids.dtype}; class ids are integers.")
        ids = ids.astype(np.uint8) if ids.dtype.kind == "b" else ids
        is_class = (ids >= 0) & (ids < self.count)
        is_ignored = np.zeros(ids.shape, bool) if self.ignore is None else ids == self.ignore
        if not (is_class | is_ignored).all():
            self._refuse(ids[~(is_class | is_ignored)], name)
        return np.where(is_ignored, self.count, ids).astype(np.uint16)

    def _refuse(self, ids: np.ndarray, name: str) -> None:
        """Raise ImageError for ids of no class."""
        found = np.unique(ids)
        named = ", ".join(map(str, found[:_MAX_NAMED].tolist()))
        more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
        plural = "ids" if len(found) > 1 else "id"
        ignored = "" if self.ignore is None else f", and {self.ignore} is ignored"
        hint = f" If pixels of {found[0]} belong to no class, it is `--ignore-label`." if len(found) == 1 else ""
        raise ImageError(
            f"{name} has the class {plural} {named}{more}; there are {self.count} classes, 0 to {self.count - 1}"
            f"{ignored}.{hint if self.ignore is None else ''}"
        )

    def colours(self) -> np.ndarray:
        """Return the colour of each index of ``to_indices``, uint8 (``count`` + 1, 3); ignored pixels are white."""
        colours = fixed_colours(self.count + 1)
        colours[: len(self.palette)] = np.array(self.palette, np.uint8).reshape(-1, 3)
        colours[self.count] = IGNORED_COLOUR
        return colours

    def legend(self) -> list[tuple[str, str]]:
        """Return each class id, and the ignored one, with its colour in hexadecimal.

        >>> LabelClasses(count=2, ignore=255).legend()
        [('0', '#000000'), ('1', '#800000'), ('255, ignored', '#ffffff')]
        """
        names = [*map(str, range(self.count)), f"{self.ignore}, ignored"]
        entries = [(name, _hex((r, g, b))) for name, (r, g, b) in zip(names, self.colours().tolist(), strict=True)]
        return entries if self.ignore is not None else entries[:-1]

    def one_hot(self, indices: np.ndarray) -> np.ndarray:
        """Return indices (..., 1) as levels, uint8 (..., ``count``): 255 for the pixel's class, else 0.

        >>> LabelClasses(count=2).one_hot(np.array([[0], [1], [2]])).tolist()
        [[255, 0], [0, 255], [0, 0]]
        """
        table = 255 * np.eye(self.count + 1, self.count, dtype=np.uint8)
        return table[indices[..., 0]]

    def to_rgb8(self, one_hot: "Tensor") -> "Tensor":
        """Return one-hot images (N, ``count``, H, W), of any scale, in their colours: uint8 (N, 3, H, W)."""
        import torch

        highest, indices = one_hot.max(1)
        indices[highest <= one_hot.amin(1)] = self.count  # all channels are equal
        return torch.from_numpy(self.colours()).to(one_hot.device)[indices].permute(0, 3, 1, 2)

    def check_palette(self, palette: Palette, name: str) -> None:
        """Raise ImageError if a file gives a class another colour than the others do. Files may have no palette."""
        for index, (wanted, found) in enumerate(zip(self.palette, palette, strict=False)):
            if wanted != found:
                raise ImageError(
                    f"{name} has another palette: the class id {index} is {_hex(found)}, and {_hex(wanted)} in the "
                    "label maps of the training. If the ids mean the same classes, save it without a palette, as grey."
                )

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            **({} if self.ignore is None else {"ignore": self.ignore}),
            **({"palette": [list(colour) for colour in self.palette]} if self.palette else {}),
        }

    @classmethod
    def from_json(cls, data: Any) -> "LabelClasses":
        """Return the classes that ``to_json`` wrote. Raises ValueError for anything else."""
        if not isinstance(data, Mapping):
            raise ValueError(f"labels is {data!r:.80}; it must be a table")
        count: Any = data.get("count")
        ignore, palette = data.get("ignore"), data.get("palette", [])
        if not _is_integer(count, MIN_CLASSES, MAX_CLASSES):
            raise ValueError(f"labels.count is {count!r:.80}; it must be from {MIN_CLASSES} to {MAX_CLASSES}")
        if ignore is not None and not _is_integer(ignore, -MAX_ID, MAX_ID):
            raise ValueError(f"labels.ignore is {ignore!r:.80}; it must be a whole number")
        is_list = isinstance(palette, list) and len(palette) <= count
        if not is_list or not all(map(_is_colour, palette)):
            raise ValueError("labels.palette must be a list of red, green and blue for each class")
        return cls(count=count, ignore=ignore, palette=tuple((r, g, b) for r, g, b in palette))


def fixed_colours(count: int) -> np.ndarray:
    """Return the colours of classes without a palette, uint8 (count, 3): those of PASCAL VOC 2012, at most 257.

    The bits of the id are dealt in turn to the highest bits of red, green and blue.

    >>> fixed_colours(3).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    ids = np.arange(count)
    colours = np.zeros((count, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_colour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_integer(level, 0, 255) for level in value)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
