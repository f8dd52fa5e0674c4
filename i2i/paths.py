"""Paths that users write."""

from pathlib import Path


def expand_user(path: Path | str) -> Path:
    """Return a path with ``~`` or ``~USER`` replaced by the home folder, or as it is if there is no such folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
