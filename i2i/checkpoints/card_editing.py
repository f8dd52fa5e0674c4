"""Change the user's text of a model card, in an editor or field by field."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from i2i.checkpoints.card_text import SECTIONS, merge_card, set_sections, with_hints, without_hints
from i2i.checkpoints.hub import address_of_cached_file
from i2i.checkpoints.model_card import model_card, read_card, save_card
from i2i.checkpoints.model_file import find_model_file, load_model_info
from i2i.checkpoints.shipped import refuse_shipped
from i2i.errors import I2IError, ImageError, ModelFileError, UsageError
from i2i.images import encode, write_atomic

_OWN_NAMES = ("weights.safetensors", "best.safetensors")  # of model files with a folder of their own
SAMPLE_NAME = "card_sample.jpg"
_SAMPLE_SIDE = 2048  # pixels
_MAX_EVALUATION_BYTES = 64 << 20


def current_card(model: str) -> str:
    """Return the card of a model; if there is none, what i2i would write. Raises as ``find_model_file``."""
    path = find_model_file(model)
    return (read_card(path.parent) if path.name in _OWN_NAMES else "") or _fresh_card(path)


def _fresh_card(path: Path) -> str:
    info, best_path = load_model_info(path), path.with_name("best.safetensors")
    best = load_model_info(best_path).best if best_path.is_file() else None
    name = path.parent.name if path.name in _OWN_NAMES else path.stem
    return model_card(name, info, best)


def _editable(model: str) -> tuple[Path, str]:
    """Return the folder of a model and its card, with the parts of i2i. Raises UsageError if it has no folder."""
    path = find_model_file(model)
    if path.name not in _OWN_NAMES or address_of_cached_file(path) is not None:
        raise UsageError(
            f"{model} is no model with a folder of its own. `i2i models import` gives it one, with a card."
        )
    refuse_shipped(path.parent, "changed")
    card = read_card(path.parent)
    return path.parent, merge_card(card, _fresh_card(path)) if "<!-- i2i: begin" not in card else card


def set_fields(model: str, values: Mapping[str, str]) -> Path:
    """Change fields of a model's card. Return the folder of the model.

    Args:
        model: name of a run.
        values: text by the name of the field, see SECTIONS; "" removes a field. Of "sample" it is the path of an image,
            which is copied without its metadata, at most 2048 px wide and high.

    Raises:
        UsageError: unknown fields, unusable text, or a model whose card cannot be changed.
        ImageError: the sample image cannot be read.
    """
    folder, card = _editable(model)
    texts = dict(values)
    sample = None
    if texts.get("sample") and not texts["sample"].lstrip().startswith("!"):
        sample = _read_sample(Path(texts["sample"]))
        texts["sample"] = f"![Sample]({SAMPLE_NAME})"
    card = set_sections(card, texts)
    if sample is not None:
        write_atomic(folder / SAMPLE_NAME, sample)
    save_card(folder, card)
    return folder


def _read_sample(path: Path) -> bytes:
    """Return an image as JPEG without metadata."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"The sample image {path} cannot be read: {error}.") from error
    upright.thumbnail((_SAMPLE_SIDE, _SAMPLE_SIDE))
    return encode(upright, ".jpg", quality=90)


def edit_card(model: str) -> bool:
    """Open a model's card in the user's editor ($VISUAL, else $EDITOR). Return whether it was changed.

    Raises: UsageError if the editor cannot be started or fails. The card stays as it is.
    """
    folder, card = _editable(model)
    offered = with_hints(card)
    edited = _run_editor(offered)
    if edited == offered:
        return False
    now = read_card(folder)  # a training may have written its parts meanwhile
    merged = merge_card(without_hints(edited), now if "<!-- i2i: begin" in now else card)
    try:
        save_card(folder, merged)
    except I2IError as error:
        with tempfile.NamedTemporaryFile("w", suffix=".md", delete=False, encoding="utf-8") as file:
            file.write(merged)
        raise UsageError(f"{error} Your text is in {file.name}.") from error
    return True


def _run_editor(text: str) -> str:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    with tempfile.TemporaryDirectory(prefix="i2i-card-") as folder:
        path = Path(folder, "card.md")
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        try:
            code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The editor {command!r} cannot be started: {error}. Set the variable EDITOR, or use --set FIELD=TEXT."
            ) from error
        if code != 0:
            raise UsageError(f"The editor {command!r} ended with code {code}. The card was not changed.")
        return path.read_bytes().decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def metrics_text(path: Path) -> str:
    """Return the results of `i2i evaluate --json`, with their protocol, as text of the field "metrics".

    Raises: UsageError if the file does not hold such results.
    """
    try:
        if path.stat().st_size > _MAX_EVALUATION_BYTES:
            raise ValueError("it is too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = [_direction_text(direction) for direction in content["directions"]]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} holds no results of `i2i evaluate MODEL --json`: {type(error).__name__} {error}."
        ) from error
    return "\n\n".join(tables)


def _direction_text(direction: Mapping[str, Any]) -> str:
    """Return the table of a direction, and a sentence about its protocol."""
    rows, protocol = direction["rows"], direction["protocol"]
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    lines = [["", *map(_cell, names)], ["---"] * (len(names) + 1)]
    lines += [[_cell(row["title"]), *(_value(row, name) for name in names)] for row in rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    damage = f" ({_cell(protocol['damage'])})" if protocol["damage"] else ""
    return (
        f"{table}\n\n{_cell(direction['direction'])} on {_cell(protocol['data'])}, {_cell(protocol['split'])} split: "
        f"{int(protocol['inputs'])} inputs{damage}, {int(protocol['real'])} real images, {_cell(protocol['size'])}. "
        f"Protocol {_cell(protocol['fingerprint'])} of `i2i evaluate`, 95 % intervals."
    )


def _value(row: Mapping[str, Any], name: str) -> str:
    if name not in row["metrics"]:
        return ""
    interval = row["intervals"].get(name)
    return f"{row['metrics'][name]:.4g}" + (f" ({interval[0]:.4g} to {interval[1]:.4g})" if interval else "")


def _cell(text: object) -> str:
    line = "".join(char if char.isprintable() else "\ufffd" for char in str(text)[:200])
    return line.replace("|", " ").replace("<!--", "<!-")


def parse_fields(settings: list[str]) -> dict[str, str]:
    r"""Return texts by field, from values such as "licence=MIT". ``\n`` is a line break.

    Raises: UsageError for an unknown field, or a value without "=".
    """
    fields = {}
    for setting in settings:
        field, equals, text = setting.partition("=")
        if not equals or field not in SECTIONS:
            raise UsageError(f"--set {setting!r}: write FIELD=TEXT. The fields are {', '.join(SECTIONS)}.")
        fields[field] = text.replace("\\n", "\n")
    return fields


def require_translator(model: str) -> None:
    """Raise ModelFileError if a model generates images from noise."""
    if load_model_info(find_model_file(model)).samples_from_noise:
        raise ModelFileError(f"{model} generates images from noise. OpenModelDB holds models that enlarge and restore.")
