"""Walk a folder for files: linked folders are followed, each folder is read once, and a loop of links is reported."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from i2i.images.formats import ARRAY_SUFFIXES, IMAGE_SUFFIXES
from i2i.images.stacks import StackPattern

# Folders that operating systems and programs fill with images of their own.
SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


@dataclass
class FolderListing:
    """The content of a folder at any depth.

    Attributes:
        files: all visible files, sorted. Their paths begin with the path of the folder, through links too.
        skipped: links that were not followed, with the reason.
        failed: folders that could not be listed, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


def list_images(folder: Path, stack: StackPattern | None = None) -> list[Path]:
    """Return the image files under ``folder`` at any depth, sorted, as ``walk_folder`` finds them.

    NumPy's files count as images where there are no others: beside photos they hold features and statistics.

    Args:
        folder: the folder.
        stack: the files that form one image together, see ``StackPattern.join``; None for none.
    """
    files = walk_folder(folder).files
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    found = images or [path for path in files if path.suffix.lower() in ARRAY_SUFFIXES]
    return found if stack is None else stack.join(found)


def real_path(path: Path | str) -> Path:
    """Return the absolute path without links. A loop of links raises no error, as ``Path.resolve`` does."""
    return Path(os.path.realpath(path))


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders in ``folder``, also linked ones, sorted."""
    return sorted(path for path in folder.iterdir() if is_visible(path.name) and path.is_dir())


def is_visible(name: str) -> bool:
    """Return whether a file or folder is read: hidden ones and those of operating systems are not."""
    return not name.startswith(".") and name not in SYSTEM_FOLDERS


def walk_folder(root: Path, excluded: Path | None = None) -> FolderListing:
    """List the files under ``root`` at any depth.

    Linked folders are followed. A folder is read once: under its own name if it is in ``root``, else under the first
    link to it in the order of names. Links to a folder that contains them, or that contains ``root``, are not followed.

    Args:
        root: the folder; it may be a link.
        excluded: a folder that is left out, with everything in it.
    """
    listing = FolderListing()
    listing.files += iter_folder(root, listing, excluded)
    listing.files.sort()
    listing.skipped.sort()
    return listing


def iter_folder(root: Path, listing: FolderListing, excluded: Path | None = None) -> Iterator[Path]:
    """Yield the files that ``walk_folder`` lists, in no order, without a list of them all.

    Args:
        root: the folder.
        listing: gets what is skipped and what has failed.
        excluded: a folder that is left out.
    """
    walk = _Walk(root, listing, {os.path.realpath(excluded)} if excluded is not None else set())
    yield from walk.read(root)
    while walk.links:  # after all folders that are in the root themselves
        yield from walk.follow(walk.links.pop(0))


class _Walk:
    def __init__(self, root: Path, listing: FolderListing, excluded: set[str]) -> None:
        self.real_root = os.path.realpath(root)
        self.listing = listing
        self.excluded = excluded
        self.read_folders: set[str] = set()  # real paths
        self.links: list[Path] = []

    def read(self, folder: Path) -> Iterator[Path]:
        """Yield the files of a folder and of the folders in it; collect the links to folders."""
        for parent, folders, names in os.walk(folder, onerror=self._fail):
            real = os.path.realpath(parent)
            if real in self.excluded or real in self.read_folders:
                folders.clear()
                continue
            self.read_folders.add(real)
            visible = sorted(name for name in folders if is_visible(name))
            linked = {name for name in visible if Path(parent, name).is_symlink()}
            self.links += [Path(parent, name) for name in visible if name in linked]
            folders[:] = [name for name in visible if name not in linked]
            yield from self._files(Path(parent), names)

    def follow(self, link: Path) -> Iterator[Path]:
        """Yield the files of the folder that a link leads to, unless it is read already or contains the link."""
        target = os.path.realpath(link)
        if target in self.excluded:
            return
        if _contains(target, os.path.realpath(link.parent)) or _contains(target, self.real_root):
            self.listing.skipped.append((link, "is a link to a folder that contains it"))
        elif target in self.read_folders:
            self.listing.skipped.append((link, "is a link to a folder that is read already"))
        else:
            yield from self.read(link)

    def _files(self, parent: Path, names: list[str]) -> Iterator[Path]:
        for path in (parent / name for name in names if is_visible(name)):
            is_image = path.suffix.lower() in IMAGE_SUFFIXES  # reading it raises an error with the reason
            if not is_image and path.is_symlink() and not path.exists():
                target = "itself" if _is_loop(path) else "a missing file or folder"
                self.listing.skipped.append((path, f"is a link to {target}"))
            else:
                yield path

    def _fail(self, error: OSError) -> None:
        self.listing.failed.append((Path(error.filename), f"its files cannot be listed: {error.strerror}"))


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_loop(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
