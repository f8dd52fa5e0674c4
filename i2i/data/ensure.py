"""A dataset by name, made or downloaded where it is not here yet."""

import difflib
from collections.abc import Callable
from pathlib import Path

from i2i.data.layout import HINT, roots
from i2i.errors import DatasetError


def prepare(name: str, tell: Callable[[str], None]) -> Path:
    """The folder of a set that i2i can draw or download itself. Raises DatasetError for any other name.

    tell: is given a line at the start, and for each tenth of a download.
    """
    from i2i.data.catalogue import CATALOGUE, get
    from i2i.data.synthetic import SAMPLES, make

    folder = Path("datasets") / name
    if name in SAMPLES:
        tell(f"drawing the {name} set into {folder}")
        return make(name, folder)
    if name in CATALOGUE:
        tell(f"downloading {name} into {folder} from {CATALOGUE[name].url}")
        return get(name, folder, progress=_tenths(tell))
    places = ", ".join(map(str, roots()))
    near = difflib.get_close_matches(name, [*SAMPLES, *CATALOGUE], n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    raise DatasetError(
        f"No dataset {name!r}.{guess} It is no folder here, nor under {places}, nor in the catalogue. {HINT}"
    )


def _tenths(tell: Callable[[str], None]) -> Callable[[int, int | None], None]:
    told = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        if total and done * 10 // total > told:
            told = done * 10 // total
            tell(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return progress
