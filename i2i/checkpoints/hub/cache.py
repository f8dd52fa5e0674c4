"""Files in the cache of ``huggingface_hub``: ``models--USER--REPO/snapshots/COMMIT/FILE``."""

import re
from pathlib import Path

from i2i.checkpoints.hub.address import HubAddress
from i2i.checkpoints.hub.selection import DEFAULT_FILE, choose_file

_COMMIT = re.compile(r"[0-9a-f]{40}")


def repo_folder(cache_dir: str, repo: str) -> Path:
    """Return the folder of a repository in the cache."""
    return Path(cache_dir) / f"models--{repo.replace('/', '--')}"


def cached_model(address: HubAddress, cache_dir: str) -> Path | None:
    """Return the model file of an address as it was last downloaded, or None if it was not.

    Raises: ModelFileError if it is not clear which file is meant.
    """
    folder = repo_folder(cache_dir, address.repo)
    revision = address.revision or "main"
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    if _COMMIT.fullmatch(commit) is None or not snapshot.is_dir():
        return None
    files = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    if address.file is not None and address.file not in files:
        return None
    return snapshot / choose_file(address, files) if files else None


def address_of_cached_file(path: Path) -> HubAddress | None:
    """Return the address of a file in the cache of ``huggingface_hub``; None for any other file."""
    for snapshot in path.absolute().parents:
        snapshots, folder = snapshot.parent, snapshot.parent.parent
        if snapshots.name != "snapshots" or not _COMMIT.fullmatch(snapshot.name):
            continue
        kind, *parts = folder.name.split("--")
        if kind != "models" or len(parts) != 2:
            return None
        file = path.absolute().relative_to(snapshot).as_posix()
        revision = None if _commit_of_main(folder) == snapshot.name else snapshot.name
        return HubAddress("/".join(parts), revision, None if file == DEFAULT_FILE else file)
    return None


def _commit_of_main(folder: Path) -> str | None:
    try:
        return (folder / "refs" / "main").read_text().strip()
    except OSError:
        return None
