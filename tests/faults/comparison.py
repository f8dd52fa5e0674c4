"""Compares what a command left with what the same command leaves without a fault."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from i2i.checkpoints.log import read_log
from i2i.checkpoints.state_file import read_state
from tests.faults.attack import LOST, WRONG, Failure

TIMES = {"time"}  # columns of the log that differ between any two trainings


def flat(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested dicts and lists, with their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{where}/{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from flat(item, f"{where}/{index}")
    else:
        yield where, value


def first_difference(one: Any, other: Any) -> str:
    """Return where two nested values differ, and how; "" if they are equal bit by bit."""
    a, b = dict(flat(one)), dict(flat(other))
    if missing := a.keys() ^ b.keys():
        return f"{min(missing)} is in one of them only"
    for name, value in a.items():
        found = b[name]
        if isinstance(value, torch.Tensor):
            if not isinstance(found, torch.Tensor) or value.dtype != found.dtype or not torch.equal(value, found):
                return f"{name} differs"
        elif value != found:
            return f"{name} is {found!r}, not {value!r}"
    return ""


def compare_runs(expected: Path, found: Path) -> Failure | None:
    """Return a failure if a finished run differs from an uninterrupted one, or has files that should be gone."""
    if leftovers := leftover_files(found):
        return Failure(WRONG, f"leftover files: {', '.join(leftovers)}")
    for path in sorted(expected.rglob("*.safetensors")):
        name = path.relative_to(expected)
        if not (found / name).is_file():
            return Failure(LOST, f"{name} is missing")
        if difference := first_difference(load_file(path), load_file(found / name)):
            return Failure(WRONG, f"{name}: {difference}")
    if difference := first_difference(read_state(expected / "state.pt"), read_state(found / "state.pt")):
        return Failure(WRONG, f"state.pt: {difference}")
    if difference := first_difference(log_rows(expected), log_rows(found)):
        return Failure(WRONG, f"log.jsonl: {difference}")
    for path in sorted((expected / "samples").iterdir()):
        if not (found / "samples" / path.name).is_file():
            return Failure(LOST, f"samples/{path.name} is missing")
        if (found / "samples" / path.name).read_bytes() != path.read_bytes():
            return Failure(WRONG, f"samples/{path.name} differs")
    if json.loads((expected / "config.json").read_text()) != json.loads((found / "config.json").read_text()):
        return Failure(WRONG, "config.json differs")
    return None


def leftover_files(folder: Path) -> list[str]:
    """Return the temporary files below a folder, and the states that a finished run does not keep."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    states = {"state.previous.pt", "state.next.pt"}
    return sorted(name for name in names if name.endswith((".part", ".tmp")) or Path(name).name in states)


def log_rows(run: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's log without the times."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in read_log(run)]


def compare_folders(expected: Path, found: Path) -> Failure | None:
    """Return a failure if the files of two folders differ. Hidden files that do not change are compared too."""
    skipped = {".i2i.jsonl", ".i2i.lock"}  # the manifest records times
    names = {path.relative_to(expected) for path in expected.rglob("*") if path.is_file() and path.name not in skipped}
    present = {path.relative_to(found) for path in found.rglob("*") if path.is_file() and path.name not in skipped}
    if missing := names - present:
        return Failure(LOST, f"{min(missing)} is missing")
    if extra := present - names:
        return Failure(WRONG, f"{min(extra)} should not be there")
    for name in sorted(names):
        if (expected / name).read_bytes() != (found / name).read_bytes():
            return Failure(WRONG, f"{name} differs")
    return None
