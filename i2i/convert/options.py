"""What a user asked of a conversion, checked and put into the terms of those who carry it out."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from i2i.convert import Existing, Format
from i2i.errors import UsageError
from i2i.images import Provenance, Writer
from i2i.images.writing import Policy

_FORMAT = 1  # raised when the same model and settings give other results
_PIXELS = re.compile(r"\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*(MP)?\s*", re.IGNORECASE)
_MOST_PIXELS = 2_000_000_000


def chosen_existing(overwrite: bool, skip: bool) -> Existing:
    """What to do about results that are there. Raises UsageError for both flags at once."""
    if overwrite and skip:
        raise UsageError("--overwrite redoes results that exist, --skip-existing leaves them: give one of them.")
    return "overwrite" if overwrite else "skip" if skip else "continue"


def pixels_of(text: str) -> int:
    """A number of pixels, such as "89MP", "2.5e8" or "1000000". Raises UsageError for anything else."""
    found = _PIXELS.fullmatch(text)
    count = float(found[1]) * (1e6 if found[2] else 1) if found else 0.0
    if not 1 <= count <= _MOST_PIXELS:
        raise UsageError(f"--max-pixels is {text!r}; it must be a number such as 200MP or 50000000, at most 2000MP.")
    return int(count)


def writer_of(kind: Format, quality: int, policy: Policy, provenance: Provenance | None) -> Writer:
    """The writer of results of a kind, such as "png"."""
    return Writer(suffix=f".{kind}", quality=quality, policy=policy, provenance=provenance)


def made_by(
    model: Provenance | None, writer: Writer, *, strength: float | None = None, mask: Path | None = None
) -> str:
    """A short text that differs where results would: of another model, direction, strength, mask or way of writing."""
    about: list[Any] = [_FORMAT, model and (model.model, model.version), writer.suffix, writer.policy]
    about += [writer.provenance is None]
    about += [["strength", strength]] if strength is not None else []
    about += [["mask", *_states(mask)]] if mask is not None else []
    if writer.suffix in (".jpg", ".webp", ".avif"):
        about.append(writer.quality)
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _states(mask: Path) -> list[tuple[str, int, int]]:
    """Of a file, or of all in a folder: name, size and time."""
    files = sorted(mask.iterdir()) if mask.is_dir() else [mask]
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
