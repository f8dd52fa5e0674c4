"""Records of OpenModelDB, by the schema of its repository (OpenModelDB/open-model-database, ``src/lib/schema.ts``)."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from i2i.checkpoints.card_text import read_section
from i2i.checkpoints.model_info import ModelInfo
from i2i.errors import UsageError

_USER = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
_LICENCE = re.compile(r"[A-Za-z0-9.\-+]+(?: OR [A-Za-z0-9.\-+]+)*")
_ARCHITECTURES = {"compact": "compact", "resnet": "resnet", "unet": "unet", "restorer": "drunet"}
_TAGS = {
    "denoise": "denoise", "dejpeg": "jpeg", "jpeg": "jpeg", "deblur": "deblur", "blur": "deblur",
    "inpaint": "inpainting", "colorize": "colorization", "superres": "general-upscaler",
}  # fmt: skip


def record_id(name: str, info: ModelInfo) -> str:
    """Return the identifier of a record, the name of its file, such as "2x-my-model"."""
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"^\d+x-", "", name))
    return f"{info.scale}x-{'-'.join(words) or 'model'}"


def openmodeldb_record(path: Path, name: str, info: ModelInfo, card: str, urls: Sequence[str]) -> dict[str, Any]:
    """Return the record of a model.

    Args:
        path: of its model file.
        name: of the model.
        info: its metadata.
        card: its card, whose author, licence and texts are used.
        urls: addresses of the model file.

    Raises: UsageError if the card has no author, or a licence that is no SPDX expression.
    """
    authors = [author.strip() for author in re.split(r"[,\n]", read_section(card, "author")) if author.strip()]
    if not authors or not all(map(_USER.fullmatch, authors)):
        raise UsageError(
            "A record of OpenModelDB needs its authors, as user names of letters, digits and '-': "
            f"`i2i models card {name} --set author=NAME`."
        )
    licence = next(iter((read_section(card, "licence") or info.licence).splitlines()), "").strip()
    if licence and not _LICENCE.fullmatch(licence):
        raise UsageError(
            f"OpenModelDB takes a licence as its SPDX identifier, such as CC-BY-4.0; the card has {licence!r}."
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    texts = [info.title, read_section(card, "intended-use"), read_section(card, "limits")]
    file_info = {"platform": "pytorch", "type": "pth", "size": path.stat().st_size, "sha256": digest}
    return {
        "name": name,
        "author": authors[0] if len(authors) == 1 else authors,
        "license": licence or None,
        "tags": [_TAGS[info.task_name]] if info.task_name in _TAGS else [],
        "description": "\n\n".join(filter(None, texts)),
        "date": datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat(),
        "architecture": _architecture(info),
        "size": _size(info),
        "scale": info.scale,
        "inputChannels": info.formats[0].channels,
        "outputChannels": info.formats[1].channels,
        "resources": [{**file_info, "urls": list(urls)}],
        "images": [],
        **_training(info, card),
    }


def _architecture(info: ModelInfo) -> str:
    network = str(info.generator["network"])
    if network == "spandrel":
        return re.sub(r"[^a-z0-9]+", "-", str(info.generator.get("architecture", "")).lower()).strip("-")
    return _ARCHITECTURES.get(network, network)


def _size(info: ModelInfo) -> list[str] | None:
    """Return width and depth of the network, as "64nf" and "9nb"."""
    generator = info.generator
    width = next((generator[key] for key in ("width", "ngf") if key in generator), None)
    depth = next((generator[key] for key in ("convolutions", "blocks") if key in generator), None)
    unit = "nc" if "convolutions" in generator else "nb"
    parts = [f"{width}nf" if width else "", f"{depth}{unit}" if depth else ""]
    return [part for part in parts if part] or None


def _training(info: ModelInfo, card: str) -> dict[str, Any]:
    """Return what is known of the training, with the keys of the schema."""
    training = info.settings.get("training", {})
    batch = training.get("batch_size") if isinstance(training, dict) else None
    known = {
        "trainingIterations": info.steps,
        "trainingBatchSize": batch if isinstance(batch, int) else None,
        "trainingHRSize": None if info.source else info.size,
        "trainingOTF": True if info.task is not None and not info.source else None,
        "dataset": "\n\n".join(filter(None, (info.data.name, read_section(card, "data")))) or None,
        "datasetSize": sum(info.data.image_counts) or None,
    }
    return {key: value for key, value in known.items() if value is not None}
