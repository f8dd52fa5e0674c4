"""Checks of files: unreadable images, and images that are ignored because of their name or format."""

from collections.abc import Iterator
from pathlib import Path

from i2i.data.audit.inspect import image_format
from i2i.data.audit.report import Finding, join_some, plural, printable
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.images import IMAGE_SUFFIXES, read_header
from i2i.images.folders import walk_folder
from i2i.images.formats import ARRAY_SUFFIXES

_FAULT_TEXTS = {
    "empty": ("file is empty", "files are empty", "copy them again, or remove them"),
    "foreign": (
        "file has the name of an image but is not an image that i2i reads",
        "files have the name of an image but are not images that i2i reads",
        "remove or replace them",
    ),
    "damaged": ("file cannot be decoded", "files cannot be decoded", "remove or replace them"),
}


def check_files(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield the findings on unreadable and on ignored files."""
    yield from _unreadable(snapshot)
    yield from _ignored(snapshot)
    yield from _links(snapshot)


def _links(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find links that are not followed, and folders that cannot be listed."""
    for folder in snapshot.folders():
        listing = walk_folder(folder)
        for path, reason in [*listing.skipped, *listing.failed]:
            name = printable(snapshot.name(path))
            yield Finding(level="warning", text=f"{name} {reason}, so nothing is read from it; remove or correct it.")


def _unreadable(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    for kind, (singular, plural_form, advice) in _FAULT_TEXTS.items():
        faults = {path: fault for path, fault in snapshot.faults.items() if fault.kind == kind}
        if faults:
            names = join_some(
                snapshot.name(path) + ("" if kind == "empty" else f": {fault.reason}") for path, fault in faults.items()
            )
            yield Finding(
                level="error",
                text=f"{plural(len(faults), singular, plural_form)} ({names}); training stops at the first; {advice}.",
            )


def _ignored(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find images without the suffix of an image."""
    rename: list[Path] = []
    convert: list[Path] = []
    formats: set[str] = set()
    for path in _other_files(snapshot.folders()):
        known = image_format(path)
        if known and not known[1]:
            convert.append(path)
            formats.add(known[0])
        elif _is_readable(path):
            rename.append(path)
    if rename:
        yield Finding(
            level="warning",
            text=f"{plural(len(rename), 'image is', 'images are')} ignored because of an unknown suffix "
            f"({snapshot.names(rename)}); rename to the format's suffix, one of {', '.join(sorted(IMAGE_SUFFIXES))}.",
        )
    if convert:
        yield Finding(
            level="warning",
            text=f"{plural(len(convert), 'image is', 'images are')} ignored because i2i does not read the format "
            f"({join_some(sorted(formats))}: {snapshot.names(convert)}); convert to PNG or JPEG.",
        )


def _other_files(folders: list[Path]) -> Iterator[Path]:
    """Yield the regular files without the suffix of an image. Hidden files are skipped."""
    for folder in folders:
        for path in walk_folder(folder).files:
            if path.suffix.lower() not in IMAGE_SUFFIXES | ARRAY_SUFFIXES and path.is_file():
                yield path


def _is_readable(path: Path) -> bool:
    try:
        read_header(path)
    except Exception:  # decoders raise exceptions of any type on hostile files
        return False
    return True
