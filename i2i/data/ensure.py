"""Generate or download a dataset that is not on this machine yet."""

import difflib
import logging
from pathlib import Path

from i2i.data.layout import HINT, dataset_dirs
from i2i.errors import DatasetError

logger = logging.getLogger(__name__)


def is_known_dataset(name: str) -> bool:
    """Return whether ``ensure_dataset`` can make the dataset ``name``."""
    from i2i.data.catalogue import CATALOGUE
    from i2i.data.synthetic import SYNTHETIC_DATASETS

    return name in SYNTHETIC_DATASETS or name in CATALOGUE


def ensure_dataset(name: str) -> Path:
    """Generate or download the dataset ``name`` into ``datasets/NAME`` and return its folder.

    Logs a line at the start, and one for each tenth of a download.

    Args:
        name: a synthetic dataset, or one of the catalogue.

    Raises:
        DatasetError: the name is neither synthetic nor in the catalogue.
    """
    from i2i.data.catalogue_lookup import catalogue_entries, find_entry
    from i2i.data.download_dataset import download_dataset
    from i2i.data.synthetic import find_synthetic, generate, synthetic_datasets

    folder = Path("datasets") / name
    if find_synthetic(name) is not None:
        logger.info("generating the dataset %s in %s", name, folder)
        return generate(name, folder)
    if (entry := find_entry(name)) is not None:
        logger.info("downloading %s into %s from %s", name, folder, entry.url)
        return download_dataset(name, folder, progress=_TenthLogger())
    names = [dataset.name for dataset in synthetic_datasets()] + [entry.name for entry in catalogue_entries()]
    similar = difflib.get_close_matches(name, names, n=1)
    suggestion = f" Did you mean {similar[0]}?" if similar else ""
    searched = ", ".join(map(str, dataset_dirs()))
    raise DatasetError(
        f"No dataset {name!r}.{suggestion} It is neither a folder, nor a name under {searched}, nor in the catalogue. "
        f"{HINT}"
    )


class _TenthLogger:
    """Logs the progress of a download after each tenth."""

    def __init__(self) -> None:
        self._tenths = 0

    def __call__(self, received: int, total: int | None) -> None:
        if total and received * 10 // total > self._tenths:
            self._tenths = received * 10 // total
            logger.info("  %.0f of %.0f MB", received / 1e6, total / 1e6)
