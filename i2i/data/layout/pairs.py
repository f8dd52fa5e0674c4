"""Pair the images of two folders by name, and say why names do not agree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from i2i.data.layout.types import Item
from i2i.errors import DatasetError
from i2i.images.folders import list_images
from i2i.images.stacks import StackPattern, image_stem

Suffixes = tuple[str, str]  # ends of the names of A and B, before the file's suffix
NO_SUFFIXES: Suffixes = ("", "")
SEPARATORS = "_-. "
QUOTES = "''"


def pair_by_stem(
    a: Path, b: Path, suffixes: Suffixes = NO_SUFFIXES, stack: StackPattern | None = None
) -> tuple[list[Item], list[Path]]:
    """Pair the images of two folders that have the same relative path without suffix.

    Args:
        a: folder of the first images.
        b: folder of the second images.
        suffixes: ends of the names in ``a`` and in ``b`` that are left out, such as "_in" and "_out".
        stack: the files that form one image together.

    Returns: the pairs (file of ``a``, file of ``b``), and the files without a partner.
    """
    by_stem = [
        _by_stem(folder, list_images(folder, stack), suffix) for folder, suffix in zip((a, b), suffixes, strict=True)
    ]
    return _join(*by_stem)


def pair_in_one_folder(folder: Path, images: Sequence[Path], suffixes: Suffixes) -> tuple[list[Item], list[Path]]:
    """Pair the images of one folder whose names differ only by the two suffixes, as ``pair_by_stem`` does."""
    ends = [[path for path in images if image_stem(path).endswith(suffix)] for suffix in suffixes]
    by_stem = [_by_stem(folder, paths, suffix) for paths, suffix in zip(ends, suffixes, strict=True)]
    pairs, unpaired = _join(*by_stem)
    used = {path for item in pairs for path in item}
    return pairs, sorted((set(images) | set(unpaired)) - used)


def _by_stem(folder: Path, paths: Iterable[Path], suffix: str) -> dict[Path, Path]:
    stems = {}
    for path in paths:
        name = image_stem(path)
        if suffix:
            if not name.endswith(suffix) or name == suffix:
                continue
            name = name.removesuffix(suffix)
        stems[path.relative_to(folder).with_name(name)] = path
    return stems


def _join(a: Mapping[Path, Path], b: Mapping[Path, Path]) -> tuple[list[Item], list[Path]]:
    common = sorted(a.keys() & b.keys())
    unpaired = [files[stem] for files in (a, b) for stem in sorted(files.keys() - set(common))]
    return [(a[stem], b[stem]) for stem in common], unpaired


def check_suffixes(suffixes: Suffixes) -> None:
    """Raise DatasetError if two suffixes of pairs cannot tell the images apart."""
    if suffixes[0] == suffixes[1]:
        raise DatasetError(
            f"--pair-suffixes are {suffixes[0]!r} and {suffixes[1]!r}; they must differ, such as _in and _out."
        )


def explain_mismatch(
    a: Path, b: Path, suffixes: Suffixes = NO_SUFFIXES, stack: StackPattern | None = None
) -> tuple[str, bool]:
    """Return one sentence on why no names of two folders agree, and whether they nearly agree.

    The sentence shows a name of each folder, and says what to do.
    """
    files = [list_images(folder, stack) for folder in (a, b)]
    for folder, images in zip((a, b), files, strict=True):
        if not images:
            return f"{folder.name}/ holds no images", False
    stems = [
        [path.relative_to(folder).with_name(image_stem(path)).as_posix() for path in images]
        for folder, images in zip((a, b), files, strict=True)
    ]
    reason, match = _near_match(stems[0], stems[1]) if suffixes == NO_SUFFIXES else ("", (0, 0))
    names = [files[k][match[k]].relative_to(folder).as_posix() for k, folder in enumerate((a, b))]
    sentence = f"{a.name}/ has {names[0]}, {b.name}/ has {names[1]}"
    if reason:
        return f"{sentence}: {reason}", True
    if suffixes != NO_SUFFIXES:
        return f"{sentence}, and --pair-suffixes are {suffixes[0]} and {suffixes[1]}", False
    return f"{sentence}, and the names of a pair must be equal", False


def _near_match(a: Sequence[str], b: Sequence[str]) -> tuple[str, tuple[int, int]]:
    """Return how the names nearly agree, in words, and the indices of two names that belong together."""
    if match := _match_by(str.casefold, a, b):
        return "the names differ in case; rename one of them", match
    if match := _match_by(_last_part, a, b):
        return "the names agree and the subfolders differ; arrange both alike", match
    if found := _constant_ends(a, b):
        ends, match = found
        return f"the names differ by their ends; add --pair-suffixes {ends[0] or QUOTES} {ends[1] or QUOTES}", match
    if found := _constant_ends([name[::-1] for name in a], [name[::-1] for name in b]):
        ends, match = found
        return f"the names differ by their beginnings, {ends[0][::-1]!r} and {ends[1][::-1]!r}; rename them", match
    return "", (0, 0)


def _match_by(key: Callable[[str], str], a: Sequence[str], b: Sequence[str]) -> tuple[int, int] | None:
    index_b = {key(name): index for index, name in enumerate(b)}
    return next(((index, index_b[key(name)]) for index, name in enumerate(a) if key(name) in index_b), None)


def _common_length(a: str, b: str) -> int:
    """Return the number of equal characters at the beginning of two texts."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((index for index, (x, y) in pairs if x != y), min(len(a), len(b)))


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]


def _constant_ends(a: Sequence[str], b: Sequence[str]) -> tuple[Suffixes, tuple[int, int]] | None:
    """Return the ends by which most names of ``a`` differ from names of ``b``, and the indices of such a pair.

    An end has no digits: "img1" and "img2" are two images and not one pair.
    """
    index_b = {name: index for index, name in enumerate(b)}
    for index, name in enumerate(a[:8]):
        common, other = max((_common_length(name, other), other) for other in b)
        if common > 0 and name[common - 1] in SEPARATORS and common > 1:
            common -= 1
        ends = (name[common:], other[common:])
        if not common or any(char.isdigit() for end in ends for char in end):
            continue
        partners = [it for it in a if it.endswith(ends[0]) and it.removesuffix(ends[0]) + ends[1] in index_b]
        is_marked = any(end[:1] in SEPARATORS for end in ends if end)
        if 2 * len(partners) > len(a) and (len(partners) > 1 or is_marked):
            return ends, (index, index_b[other])
    return None
