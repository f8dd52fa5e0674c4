"""The folders of image caches: lock the name of one, and remove what a killed process left."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from i2i.paths import expand_user

logger = logging.getLogger(__name__)

_TEMPORARY_SUFFIXES = (".unfinished", ".discarded")


@contextmanager
def exclusive(parent: Path, title: str) -> Iterator[None]:
    """Hold the lock of a title, so that no other process builds it, and remove what a killed process left."""
    lock = FileLock(parent / f".{title}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process is building the image cache %s in %s: waiting for it", title, parent)
        lock.acquire()
    try:
        _remove_leftovers(parent, title)
        yield
    finally:
        lock.release()


def _remove_leftovers(parent: Path, title: str) -> None:
    """Remove unfinished and discarded caches, unless another process holds their lock."""
    for folder in parent.glob(".*"):
        if folder.suffix not in _TEMPORARY_SUFFIXES:
            continue
        if folder.stem == f".{title}":
            shutil.rmtree(folder)
            continue
        with suppress(Timeout), FileLock(folder.with_suffix(".lock"), timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path, title: str) -> None:
    """Rename a cache, then remove it: an interrupted removal leaves nothing under its name."""
    discarded = folder.with_name(f".{title}.discarded")
    folder.rename(discarded)
    shutil.rmtree(discarded)


def cache_dir() -> Path:
    """Return the folder of all caches: ``$I2I_CACHE``, else ``datasets/.packed``."""
    return expand_user(os.environ.get("I2I_CACHE") or Path("datasets") / ".packed")
