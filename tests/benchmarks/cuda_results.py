"""The folder of results of ``cuda_session``: few files of limited size.

A machine that is available for a few minutes returns at most MAX_FILES files. Beside ``results.jsonl`` and
``session.log`` there is a model file of each training, and ``details.tar`` with logs, settings, samples and profiles.
"""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAX_FILES = 8
OTHER_FILES = 3  # beside the model files: results, log and details
MAX_BYTES = 64 * 2**20
FILE_BYTES = 15_500_000  # of one file; a larger model file is stored in float16, and in pieces if it is still larger
PIECES = ".[0-9][0-9]"


def store_model(name: str, weights: Path, out: Path, scratch: Path, file_bytes: int = FILE_BYTES) -> dict[str, Any]:
    """Store a model file as ``out/NAME.safetensors``, and return the names of its files and whether it is in float16.

    Args:
        name: of the training.
        weights: the model file.
        out: the folder of results.
        scratch: a folder for temporary files.
        file_bytes: largest size of a file.
    """
    stored = weights
    if weights.stat().st_size > file_bytes:
        # Imported here: an import that fails on the machine must not stop the session.
        from i2i.checkpoints.model_file import load_model_file, save_model_file, to_half

        scratch.mkdir(parents=True, exist_ok=True)
        stored = scratch / f"{name}.half.safetensors"
        save_model_file(stored, to_half(load_model_file(weights)))
    data = stored.read_bytes()
    target = out / f"{name}.safetensors"
    parts = [data[start : start + file_bytes] for start in range(0, len(data), file_bytes)]
    targets = [target] if len(parts) == 1 else [Path(f"{target}.{index:02}") for index in range(len(parts))]
    for path, part in zip(targets, parts, strict=True):
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(part)
        temporary.replace(path)
    return {"files": [path.name for path in targets], "float16": stored != weights}


def choose_evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """Return up to ``count`` of ``paths``, at equal distances, the last one always."""
    count = min(count, len(paths))
    return [paths[round((index + 1) * len(paths) / count) - 1] for index in range(count)]


def store_snapshots(name: str, run: Path, out: Path, scratch: Path, count: int) -> list[str]:
    """Store up to ``count`` snapshots of a run as ``out/NAME-STEP.safetensors``, and return the names of the files.

    Args:
        name: of the training.
        run: its folder.
        out: the folder of results.
        scratch: a folder for temporary files.
        count: of snapshots; the last one, and others at equal distances.
    """
    names: list[str] = []
    for path in choose_evenly(sorted((run / "snapshots").glob("*.safetensors")), count):
        names += store_model(f"{name}-{path.stem}", path, out, scratch)["files"]
    return names


def join_pieces(folder: Path, name: str, target: Path) -> Path:
    """Write the model file NAME whose pieces are in ``folder`` to ``target``, and return ``target``."""
    from i2i.checkpoints.model_file import load_model_file

    pieces = sorted(folder.glob(f"{name}.safetensors{PIECES}"))
    target.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    load_model_file(target)  # raises ModelFileError if a piece is missing
    return target


def pack_details(work: Path, out: Path, max_bytes: int = FILE_BYTES) -> None:
    """Write ``out/details.tar``: logs, profiles and settings, then of each run the first and the last three samples.

    What would make the file larger than ``max_bytes`` is left out.
    """
    paths = [
        path for pattern in ("logs/*", "profiles/*", "runs/*/*.json*", "runs/*/card.md") for path in work.glob(pattern)
    ]
    samples = [sorted(folder.glob("*.png")) for folder in sorted(work.glob("runs/*/samples"))]
    for index in (-1, 0, -2, -3):
        paths += [run[index] for run in samples if -len(run) <= index < len(run)]
    temporary = out / "details.tar.tmp"
    with tarfile.open(temporary, "w") as archive:
        for path in dict.fromkeys(paths):
            data = path.read_bytes()  # at once: a training may still be writing the file
            if archive.offset + len(data) + 4 * tarfile.BLOCKSIZE > max_bytes:
                continue
            entry = tarfile.TarInfo(path.relative_to(work).as_posix())
            entry.size, entry.mtime = len(data), int(path.stat().st_mtime)
            archive.addfile(entry, io.BytesIO(data))
    temporary.replace(out / "details.tar")


def check_limits(out: Path) -> dict[str, Any]:
    """Return the number and the size of the results, and an error if they exceed the limits."""
    sizes = [path.stat().st_size for path in out.iterdir()]
    report: dict[str, Any] = {"files": len(sizes), "mib": round(sum(sizes) / 2**20, 2)}
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES:
        report["error"] = f"more than {MAX_FILES} files or {MAX_BYTES / 2**20:.0f} MiB"
    return report
