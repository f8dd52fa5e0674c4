"""The lines of a manifest, as plain records: which source each result of an output folder was made from."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i2i.json_parsing import JsonError, parse_json_table

MANIFEST_NAME = ".i2i.jsonl"
PARTS_NAME = ".i2i.parts"  # a folder: lines that workers have written and that the manifest may not hold yet


@dataclass
class Records:
    """The readable lines of a manifest.

    Attributes:
        rows_by_output: the lines of each result, by its path below the output folder, oldest first.
        line_count: number of lines, with those that are not readable.
        is_cut: whether the last line was cut short.
    """

    rows_by_output: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    line_count: int = 0
    is_cut: bool = False


def read_records(out: Path) -> Records:
    """Read the manifest of a folder. Lines that are cut short or invalid are ignored; a missing file has no lines."""
    records = Records()
    if (out / MANIFEST_NAME).is_file():
        with (out / MANIFEST_NAME).open("rb") as file:
            for line in file:
                records.line_count += 1
                records.is_cut = not line.endswith(b"\n")
                if row := parse_record(line):
                    records.rows_by_output.setdefault(row["output"], []).append(row)
    for part in list_parts(out):
        for row in filter(None, map(parse_record, part.read_bytes().splitlines())):
            records.rows_by_output.setdefault(row["output"], []).append(row)
    return records


def list_parts(out: Path) -> list[Path]:
    """Return the files that workers of a conversion have left beside the manifest of a folder, oldest first."""
    folder = out / PARTS_NAME
    return sorted(folder.glob("*.jsonl")) if folder.is_dir() else []


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None if the line is cut short or invalid."""
    with suppress(JsonError, KeyError):
        row = parse_json_table(line, keep_file_names=True)
        if isinstance(row["output"], str):
            return row
    return None


@dataclass(frozen=True)
class Owner:
    """The image that a result was made from.

    Attributes:
        source: absolute path of its file.
        frame: index of the image within the file.
    """

    source: Path
    frame: int


def read_owners(out: Path) -> dict[Path, Owner]:
    """Return the owner of each result that exists in a folder, by its path below the folder."""
    owners = {}
    for output, rows in read_records(out).rows_by_output.items():
        owner = next(filter(None, map(owner_of, reversed(rows))), None)
        if owner and os.path.exists(out / output):  # noqa: PTH110 (Path.exists raises for some names)
            owners[Path(output)] = owner
    return owners


def owner_of(row: dict[str, Any]) -> Owner | None:
    """Return the owner that a line states; None if it states none."""
    match row:
        case {"from": str(path), "source": [_, _, int(frame)]}:
            return Owner(Path(path), frame)
    return None
