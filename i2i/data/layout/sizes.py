"""The sizes of the two images of pairs: super-resolution sets, and pairs side by side in one file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from i2i.data.layout.types import MIN_SUPERRES_RATIO, Item, PairSizes
from i2i.errors import ImageError
from i2i.images import read_header

SCALES = (2, 3, 4)  # of the restorer
SAMPLE_SIZE = 16  # headers that are read where all of them are not needed

Size = tuple[int, int]


def compare_sizes(pairs: Sequence[Item]) -> PairSizes:
    """Compare the sizes of the two images of pairs.

    The larger image may have up to a scale − 1 further rows and columns: they are cropped. Files that are not readable
    are left out. If the pairs of a sample have images of about equal size, the others are not read.
    """
    sampled = _ratios(pairs[:: max(1, len(pairs) // SAMPLE_SIZE)])
    if all(1 / MIN_SUPERRES_RATIO < ratio < MIN_SUPERRES_RATIO for ratio, _, _ in sampled):
        return PairSizes()
    found = sorted(_ratios(pairs))
    factors = {_factor(*sizes) for _, sizes, _ in found}
    examples = "; ".join(dict.fromkeys(_describe(it) for it in (found[0], found[-1])))
    scales = factors.pop() if len(factors) == 1 else None
    return PairSizes(scales or (1, 1), found[0][0], found[-1][0], examples)


def _ratios(pairs: Iterable[Item]) -> list[tuple[float, tuple[Size, Size], Item]]:
    """Return (size of B relative to A, both sizes, files) of the readable pairs."""
    found = []
    for item in pairs:
        try:
            a, b = (read_header(path)[0] for path in item)
        except ImageError:
            continue
        found.append((_ratio(a, b), (a, b), item))
    return found


def _ratio(a: Size, b: Size) -> float:
    """Return how many times as large B is as A in width and in height; 1 if only one of the two is larger."""
    ratios = (b[0] / a[0], b[1] / a[1])
    if min(ratios) > 1:
        return min(ratios)
    return max(ratios) if max(ratios) < 1 else 1.0


def _factor(a: Size, b: Size) -> tuple[int, int] | None:
    """Return the relative size of two images if it is one of SCALES."""
    for scale in SCALES:
        if tuple(length // scale for length in b) == a:
            return 1, scale
        if tuple(length // scale for length in a) == b:
            return scale, 1
    return None


def _describe(found: tuple[float, tuple[Size, Size], Item]) -> str:
    _, (a, b), item = found
    return f"{item[0].name} {a[0]}x{a[1]}, its partner {b[0]}x{b[1]}"


def are_twice_as_wide(files: Sequence[Path]) -> bool:
    """Return whether a sample of the files are all twice as wide as high, like two square images side by side."""
    sizes = _sample_sizes(files)
    return bool(sizes) and all(width == 2 * height for width, height in sizes)


def have_equal_wide_shape(files: Sequence[Path]) -> bool:
    """Return whether a sample of the files all have one shape that is at least twice as wide as high."""
    sizes = _sample_sizes(files)
    ratios = [width / height for width, height in sizes]
    return bool(ratios) and min(ratios) >= 2 and max(ratios) - min(ratios) < 0.02 * min(ratios)


def _sample_sizes(files: Sequence[Path]) -> list[Size]:
    sizes = []
    for path in files[:: max(1, len(files) // SAMPLE_SIZE)]:
        try:
            sizes.append(read_header(path)[0])
        except ImageError:
            continue
    return sizes
