"""Files in the folder of photos that are no images: what they are, by suffix and content."""

from collections.abc import Sequence
from pathlib import Path

from i2i.errors import ImageError
from i2i.images import open_regular
from i2i.images.signatures import describe_non_image, sniff_image_format

NO_IMAGE = "is no image that i2i reads: "
MAX_LISTED = 10  # files that a summary names
HEAD_BYTES = 512
# Raw files start like a TIFF, and a reader of TIFF would find no more than their small preview.
_RAW_SUFFIXES = {
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef",
    ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}  # fmt: skip
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # made by operating systems in every folder


def is_raw(path: Path) -> bool:
    """Return whether a file has the suffix of a camera's raw files."""
    return path.suffix.lower() in _RAW_SUFFIXES


def is_system_file(path: Path) -> bool:
    """Return whether an operating system made a file for itself."""
    return path.name.lower() in _SYSTEM_FILES


def reason_to_ignore(path: Path) -> str | None:
    """Return why a file is not converted, beginning with NO_IMAGE; None if it is an image by its content.

    Args:
        path: a file without the suffix of an image that i2i reads.
    """
    if is_raw(path):
        return f"{NO_IMAGE}a raw camera image; develop it to TIFF, PNG or JPEG first"
    try:
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES)
    except ImageError as error:
        return NO_IMAGE + str(error).removeprefix(str(path)).strip(" :.")
    return reason_in_head(head)


def reason_in_head(head: bytes) -> str | None:
    """Return why a file with these first bytes is not converted; None if it is an image."""
    name, is_readable = sniff_image_format(head) or ("", False)
    if is_readable or name == "HEIC":  # without its decoder, a HEIC image fails with the advice how to install it
        return None
    return NO_IMAGE + (f"{_article(name)} {name} image" if name else describe_non_image(head))


def summarize_ignored(ignored: Sequence[tuple[Path, str]]) -> str:
    """Return the names of ignored files with what they are, such as "raw.CR2 (a raw camera image) and 3 more"."""
    named = [f"{path.name} ({_short(reason)})" for path, reason in ignored[:MAX_LISTED]]
    more = f" and {len(ignored) - MAX_LISTED} more" if len(ignored) > MAX_LISTED else ""
    return ", ".join(named) + more


def _short(reason: str) -> str:
    return reason.removeprefix(NO_IMAGE).partition(";")[0]


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"
