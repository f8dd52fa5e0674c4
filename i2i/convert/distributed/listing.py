"""List the images of folders and addresses into a catalogue, by the rules of ``make_plan``."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from i2i.convert.distributed.catalogue import ARRAY, IMAGE, OTHER, Catalogue, SourceFile
from i2i.convert.ignored import HEAD_BYTES, NO_IMAGE, is_raw, is_system_file, reason_in_head, reason_to_ignore
from i2i.convert.plan import is_video, matches
from i2i.errors import I2IError, UsageError
from i2i.images.files import describe_missing
from i2i.images.folders import FolderListing, is_visible, iter_folder, real_path
from i2i.images.formats import ARRAY_SUFFIXES, HEIC_SUFFIXES, IMAGE_SUFFIXES
from i2i.storage import Storage, is_address

Report = Callable[[Path | str, str], None]


@dataclass
class Listed:
    """What was listed.

    Attributes:
        skipped: called with path and reason of each file that is left out.
        failed: files and folders that cannot be read, with the reason.
        originals: real paths of sources that are links or were named one by one; no result may replace them.
    """

    skipped: Report
    failed: list[tuple[Path | str, str]] = field(default_factory=list)
    originals: set[str] = field(default_factory=set)


def list_sources(
    sources: Sequence[str], out: str, patterns: Sequence[str], catalogue: Catalogue, listed: Listed
) -> None:
    """Add the images of all sources to a catalogue.

    Args:
        sources: paths and addresses of files and folders.
        out: the destination, which is left out.
        patterns: an image in a folder must match one of these.
        catalogue: gets the images.
        listed: gets the rest.

    Raises: UsageError if a source is missing, is a video, is also the destination, or holds no images.
    """
    for root, source in enumerate(sources):
        if is_video(Path(source)) and not Path(source).is_dir():
            raise UsageError(f"{source} is a video. Convert videos one by one, without --ray and addresses.")
        lister = _list_address if is_address(source) else _list_path
        catalogue.add_files(lister(root, source, out, patterns, listed))
        if catalogue.count_files(root, IMAGE) or catalogue.count_files(root, OTHER):
            for file in catalogue.files(root, ARRAY):
                reason = "an array of NumPy beside images; name it as a source to convert it"
                listed.skipped(file.address, NO_IMAGE + reason)
            catalogue.remove_files(root, ARRAY)
        elif not catalogue.count_files(root, ARRAY) and not listed.failed:
            condition = f" that match {' or '.join(patterns)}" if patterns else ""
            raise UsageError(f"{source} holds no images{condition}.")


def _list_path(
    root: int, source: str, out: str, patterns: Sequence[str], listed: Listed
) -> Iterator[tuple[SourceFile, int]]:
    folder = Path(source)
    if not folder.is_dir():
        if not folder.exists() and not folder.is_symlink():
            raise UsageError(describe_missing(folder))
        listed.originals |= {str(real_path(folder)), str(real_path(folder.parent) / folder.name)}
        if is_raw(folder):
            listed.failed.append((folder, reason_to_ignore(folder) or ""))
        else:
            yield SourceFile(str(folder), folder.name, root), IMAGE
        return
    excluded = None if is_address(out) else Path(out)
    if excluded is not None and real_path(excluded) == real_path(folder):
        raise UsageError(f"{folder} is also --out: results would be mixed with the sources. Choose another --out.")
    listing = FolderListing()
    for path in iter_folder(folder, listing, excluded):
        kind = _kind(path, path.relative_to(folder), patterns, partial(reason_to_ignore, path), listed.skipped)
        if kind is not None:
            if path.is_symlink():
                listed.originals.add(str(real_path(path)))
            yield SourceFile(str(path), path.relative_to(folder).as_posix(), root), kind
    for path, reason in listing.skipped:
        listed.skipped(path, reason)
    listed.failed += listing.failed


def _list_address(
    root: int, source: str, out: str, patterns: Sequence[str], listed: Listed
) -> Iterator[tuple[SourceFile, int]]:
    source, out = source.rstrip("/"), out.rstrip("/")
    if source == out:
        raise UsageError(f"{source} is also --out: results would be mixed with the sources. Choose another --out.")
    storage = Storage(source)
    for file in storage.list_files():
        relative = PurePosixPath(file.relative)
        if file.address.startswith(f"{out}/") or not all(map(is_visible, relative.parts)):
            continue
        if file.relative != str(relative) or ".." in relative.parts or relative.is_absolute() or "\0" in file.relative:
            listed.failed.append((file.address, "its name is not that of a file below a folder."))
            continue

        def reason(address: str = file.address) -> str | None:
            try:
                return reason_in_head(storage.head(address, HEAD_BYTES))
            except I2IError as error:
                return NO_IMAGE + str(error).removeprefix(address).strip(" :.")

        kind = _kind(file.address, Path(relative), patterns, reason, listed.skipped)
        if kind is not None:
            yield SourceFile(file.address, file.relative, root, file.size, file.version), kind


def _kind(
    path: Path | str, relative: Path, patterns: Sequence[str], reason_of: Callable[[], str | None], skip: Report
) -> int | None:
    """Return the kind of a file that is to be converted; None, with a report unless a pattern excludes it, if not."""
    suffix = relative.suffix.lower()
    if is_system_file(relative) or not matches(relative, patterns):
        return None
    if is_video(relative):
        skip(path, "is a video: name it as a source to convert it")
        return None
    if suffix in ARRAY_SUFFIXES:
        return ARRAY
    if suffix in IMAGE_SUFFIXES:
        return IMAGE
    if suffix in HEIC_SUFFIXES:
        return OTHER
    reason = f"{NO_IMAGE}a raw camera image; develop it to TIFF, PNG or JPEG first" if is_raw(relative) else reason_of()
    if reason is not None:
        skip(path, reason)
        return None
    return OTHER


def forbid_overwriting(target: str, source: SourceFile, originals: set[str], catalogue: Catalogue) -> None:
    """Raise UsageError if a result would replace a source."""
    if is_address(target):
        is_source = catalogue.holds_address(target)
    else:
        is_source = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target)) in originals  # noqa: PTH118, PTH119, PTH120
    if is_source:
        raise UsageError(f"{source.address} would be written over {target}, which is a source. Choose another --out.")
