"""Which image files belong together by their names: a photo and its mask, its target or a result made from it.

The result of ``a.jpg`` may be called ``a.jpg.png``, so the name without its last suffix does not tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from i2i.images.formats import FORMAT_BY_SUFFIX, HEIC_SUFFIXES


def base_name(name: str) -> str:
    """Return the name of a file without its suffixes of images: "a" for "a.png" and for "a.jpg.png"."""
    while (suffix := Path(name).suffix.lower()) in FORMAT_BY_SUFFIX or suffix in HEIC_SUFFIXES:
        name = Path(name).stem
    return name


def is_result_of(path: Path, source: Path) -> bool:
    """Return whether a file has the name of a result that was made from another: "a.jpg.png" of "a.jpg"."""
    return path.stem == source.name


class FilesByName:
    """Image files, which are found by the name of a photo that they belong to.

    Args:
        files: the files. Their folders do not count.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._by_base_name: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            self._by_base_name[base_name(file.name)].append(file)

    def of(self, photo: Path) -> list[Path]:
        """Return the files that have the name of a photo apart from suffixes of images."""
        keys = dict.fromkeys(base_name(name) for name in (photo.name, photo.stem))
        return [file for key in keys for file in self._by_base_name.get(key, ())]


def closest_names(photo: Path, files: Sequence[Path]) -> list[Path]:
    """Return the files whose names are closest to that of a photo, of those that have its name apart from suffixes.

    For "a.jpg" these are "a.jpg" itself and its result "a.jpg.png"; if there are none, "a.png"; else the others, such
    as "a.tif.png". For "a.jpg.png", "a.jpg" is one of the first.
    """
    same = [file for file in files if file.name == photo.name or is_result_of(file, photo) or is_result_of(photo, file)]
    return same or [file for file in files if file.stem == photo.stem] or list(files)
