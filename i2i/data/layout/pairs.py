"""Pair the images of two folders by name, and say why names do not agree."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from i2i.data.layout.types import Item
from i2i.errors import DatasetError
from i2i.images.file_names import base_name
from i2i.images.folders import list_images

Suffixes = tuple[str, str]  # ends of the names of A and B, before the file's suffix
NO_SUFFIXES: Suffixes = ("", "")
SEPARATORS = "_-. "
QUOTES = "''"


def pair_by_stem(a: Path, b: Path, suffixes: Suffixes = NO_SUFFIXES) -> tuple[list[Item], list[Path]]:
    """Pair the images of two folders that have the same relative path without suffix.

    A result of ``i2i convert`` or ``i2i degrade`` is the partner of its photo, else of an image with the photo's name
    and another suffix: "1.jpg.png" is that of "1.jpg", else of "1.png".

    Args:
        a: folder of the first images.
        b: folder of the second images.
        suffixes: ends of the names in ``a`` and in ``b`` that are left out, such as "_in" and "_out".

    Returns: the pairs (file of ``a``, file of ``b``), and the files without a partner.
    """
    return _pair((a, b), (list_images(a), list_images(b)), suffixes)


def pair_in_one_folder(folder: Path, images: Sequence[Path], suffixes: Suffixes) -> tuple[list[Item], list[Path]]:
    """Pair the images of one folder whose names differ only by the two suffixes, as ``pair_by_stem`` does."""
    ends = [[path for path in images if _stem(path).endswith(end) or _base(path).endswith(end)] for end in suffixes]
    pairs, unpaired = _pair((folder, folder), ends, suffixes)
    used = {path for item in pairs for path in item}
    return pairs, sorted((set(images) | set(unpaired)) - used)


def _pair(
    folders: Sequence[Path], images: Sequence[Sequence[Path]], suffixes: Suffixes
) -> tuple[list[Item], list[Path]]:
    """Return the pairs in the order of their names, and the files of different stems that have no partner."""
    pairs: list[tuple[Path, Item]] = []  # each with its name

    def names_of_unpaired(name_of: Callable[[Path], str]) -> list[list[tuple[Path, Path]]]:
        paired = {path for _, item in pairs for path in item}
        return [
            list(_names(folder, [path for path in paths if path not in paired], suffix, name_of))
            for folder, paths, suffix in zip(folders, images, suffixes, strict=True)
        ]

    if suffixes == NO_SUFFIXES:
        pairs += _photos_and_results(folders, images)
    by_stem = [dict(names) for names in names_of_unpaired(_stem)]
    pairs += _join(*by_stem)
    by_base = [_unique(names) for names in names_of_unpaired(_base)]
    pairs += [(name, item) for name, item in _join(*by_base) if any(_base(path) != _stem(path) for path in item)]
    paired = {path for _, item in pairs for path in item}
    unpaired = [path for files in by_stem for path in sorted(files.values()) if path not in paired]
    return [item for _, item in sorted(pairs)], unpaired


def _photos_and_results(folders: Sequence[Path], images: Sequence[Sequence[Path]]) -> list[tuple[Path, Item]]:
    """Return the pairs of a photo and its result, in either order, with the photo's name: 1.jpg and 1.jpg.png."""
    a, b = ({path.relative_to(folder): path for path in paths} for folder, paths in zip(folders, images, strict=True))
    only_a, only_b = a.keys() - b.keys(), b.keys() - a.keys()  # files of equal names are pairs
    pairs: list[tuple[Path, Item]] = []
    paired: set[Path] = set()
    for name in sorted(only_a | only_b):
        photo = name.with_suffix("")
        if (name in only_a) == (photo in only_a) or not {name, photo} <= only_a | only_b or {name, photo} & paired:
            continue
        first, second = (name, photo) if name in only_a else (photo, name)
        pairs.append((photo, (a[first], b[second])))
        paired |= {name, photo}
    return pairs


def _stem(path: Path) -> str:
    return path.stem


def _base(path: Path) -> str:
    return base_name(path.name)


def _names(
    folder: Path, paths: Iterable[Path], suffix: str, name_of: Callable[[Path], str]
) -> Iterator[tuple[Path, Path]]:
    """Yield the name of each file without a suffix that it must have, as a path below the folder, and the file."""
    for path in paths:
        name = name_of(path)
        if suffix:
            if not name.endswith(suffix) or name == suffix:
                continue
            name = name.removesuffix(suffix)
        yield path.relative_to(folder).with_name(name), path


def _unique(names: Iterable[tuple[Path, Path]]) -> dict[Path, Path]:
    """Return the files whose names no other one has."""
    names = list(names)
    counts = Counter(name for name, _ in names)
    return {name: path for name, path in names if counts[name] == 1}


def _join(a: Mapping[Path, Path], b: Mapping[Path, Path]) -> list[tuple[Path, Item]]:
    return [(name, (a[name], b[name])) for name in a.keys() & b.keys()]


def check_suffixes(suffixes: Suffixes) -> None:
    """Raise DatasetError if two suffixes of pairs cannot tell the images apart."""
    if suffixes[0] == suffixes[1]:
        raise DatasetError(
            f"--pair-suffixes are {suffixes[0]!r} and {suffixes[1]!r}; they must differ, such as _in and _out."
        )


def explain_mismatch(a: Path, b: Path, suffixes: Suffixes = NO_SUFFIXES) -> tuple[str, bool]:
    """Return one sentence on why no names of two folders agree, and whether they nearly agree.

    The sentence shows a name of each folder, and says what to do.
    """
    files = [list_images(folder) for folder in (a, b)]
    for folder, images in zip((a, b), files, strict=True):
        if not images:
            return f"{folder.name}/ holds no images", False
    stems = [
        [path.relative_to(folder).with_suffix("").as_posix() for path in images]
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
