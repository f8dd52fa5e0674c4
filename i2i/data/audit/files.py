"""Files that are no pictures though their names say so, and pictures whose names do not say so."""

import os
from collections.abc import Iterator
from pathlib import Path

from i2i.data.audit.inspect import signature
from i2i.data.audit.report import Finding, listed, some
from i2i.data.audit.snapshot import Survey
from i2i.data.layout import FORMATS
from i2i.images import header


def files(survey: Survey) -> Iterator[Finding]:
    yield from _unreadable(survey)
    yield from _ignored(survey)


def _unreadable(survey: Survey) -> Iterator[Finding]:
    kinds = {
        "empty": ("file is empty", "files are empty", "copy them again, or remove them"),
        "foreign": (
            "file has a picture's name but is no picture that i2i reads",
            "files have a picture's name but are no pictures that i2i reads",
            "remove or replace them",
        ),
        "damaged": ("file cannot be decoded", "files cannot be decoded", "remove or replace them"),
    }
    for kind, (one, many, advice) in kinds.items():
        found = {path: fault for path, fault in survey.faults.items() if fault.kind == kind}
        if found:
            names = (
                survey.name(path) + ("" if kind == "empty" else f": {fault.reason}") for path, fault in found.items()
            )
            yield Finding(
                level="error",
                text=f"{some(len(found), one, many)} ({listed(names)}), and a training stops at the first; {advice}.",
            )


def _ignored(survey: Survey) -> Iterator[Finding]:
    """Pictures by content that are passed over for their names."""
    rename: list[Path] = []
    convert: list[Path] = []
    for path in _others(survey.folders()):
        known = signature(path)
        if known and not known[1]:
            convert.append(path)
        elif _readable(path):
            rename.append(path)
    if rename:
        yield Finding(
            level="warning",
            text=f"{some(len(rename), 'picture is', 'pictures are')} passed over for a name without a known ending "
            f"({survey.names(rename)}); rename to .jpg or .png, or whichever of {', '.join(sorted(FORMATS))} it is.",
        )
    if convert:
        kinds = listed(sorted({known[0] for path in convert if (known := signature(path))}))
        yield Finding(
            level="warning",
            text=f"{some(len(convert), 'picture is', 'pictures are')} passed over for a format that i2i does not read "
            f"({kinds}: {survey.names(convert)}); convert to PNG or JPEG.",
        )


def _others(folders: list[Path]) -> Iterator[Path]:
    """Regular files without a picture's ending, hidden ones left out."""
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for path in (Path(place) / name for name in sorted(names) if not name.startswith(".")):
                if path.suffix.lower() not in FORMATS and path.is_file():
                    yield path


def _readable(path: Path) -> bool:
    try:
        header(path)
    except Exception:  # as in look()
        return False
    return True
