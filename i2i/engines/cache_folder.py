"""The folder of the user's cache of engine files."""

import os
from pathlib import Path

from i2i.checkpoints.cleanup import Removal
from i2i.checkpoints.inventory import folder_size
from i2i.paths import expand_user


def cache_folder() -> Path:
    """Return the folder of the cache: ``$XDG_CACHE_HOME/i2i/engines``, else ``~/.cache/i2i/engines``."""
    return expand_user(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache")) / "i2i" / "engines"


def plan_cache_removal() -> list[Removal]:
    """Return the removal of all files of the cache. They are made again when they are needed."""
    root = cache_folder()
    if root.is_symlink() or not root.is_dir():
        return []
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and not folder.is_symlink()]
    return [Removal(folder, folder_size(folder), "engine files, which --engine makes again") for folder in folders]
