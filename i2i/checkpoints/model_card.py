"""The model card of a run, ``card.md``: what was trained, on which data, how, and how to use it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from i2i.checkpoints.card_text import marked, merge_card
from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.checkpoints.run import write_or_explain
from i2i.directions import SAMPLE
from i2i.errors import WriteError, io_errors

CARD_NAME = "card.md"
_IMAGE = re.compile(r"!\[[^\]\n]*\]\(([A-Za-z0-9][A-Za-z0-9._-]*\.(?:png|jpe?g|webp|gif|avif))\)", re.IGNORECASE)


def usage_examples(name: str, directions: Sequence[str]) -> list[str]:
    """Return commands that use a run's model.

    Args:
        name: the run's name.
        directions: the directions in its model file.
    """
    if SAMPLE in directions:
        return [f"i2i sample {name} --count 64 --out grid.png"]
    command = f"i2i convert {name} photos/ --out out/"
    return [command] if len(directions) == 1 else [f"{command} --direction {direction}" for direction in directions]


def write_model_card(folder: Path, info: ModelInfo, best: BestMetric | None = None, unreadable: str = "") -> None:
    """Write ``card.md``. What a user added to the card that is there stays.

    Args:
        folder: the run's folder.
        info: metadata of its model file.
        best: result of the best checkpoint, if the training keeps one.
        unreadable: which training images could not be read; empty if there are none.
    """
    save_card(folder, merge_card(read_card(folder), model_card(folder.name, info, best, unreadable)))


def read_card(folder: Path) -> str:
    """Return the card of a folder, or "" if there is none. Bytes that are no UTF-8 become surrogates.

    Raises: WriteError if it cannot be read, since it would be replaced.
    """
    path = folder / CARD_NAME
    with io_errors(path, "could not be read", error_type=WriteError):
        try:
            return path.read_bytes().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        except FileNotFoundError:
            return ""


def save_card(folder: Path, card: str) -> None:
    """Write the card of a folder, with the bytes that ``read_card`` made surrogates of."""
    write_or_explain(folder / CARD_NAME, card.encode("utf-8", "surrogateescape"))


def copy_card(source: Path, folder: Path, info: ModelInfo) -> None:
    """Write the card of a copy of a model, with what a user added to the card beside the original.

    Args:
        source: the model file that is copied.
        folder: of the copy.
        info: metadata of the copy.
    """
    own, images = card_beside(source)
    copy_text(own, images, folder, info)


def copy_text(own: str, images: Sequence[Path], folder: Path, info: ModelInfo) -> None:
    """Write the card of a model, with a user's text of another card and the images that it shows."""
    save_card(folder, merge_card(own, model_card(folder.name, info)))
    for image in images:
        target = folder / image.name
        if not target.exists():
            write_or_explain(target, image.read_bytes())


def card_beside(path: Path) -> tuple[str, list[Path]]:
    """Return the card of a model file in its folder, and the images in the folder that it shows; "" for none."""
    folder = path.parent.parent if path.parent.name == "snapshots" else path.parent
    if path.stem not in ("weights", "best") and path.parent == folder:
        return "", []  # the card of the folder may be that of another model
    card = read_card(folder)
    found = [folder / name for name in images_of(card)]
    return card, [image for image in found if image.is_file() and not image.is_symlink()]


def images_of(card: str) -> list[str]:
    """Return the names of the images that a card shows and that lie in its folder."""
    return list(dict.fromkeys(_IMAGE.findall(card)))


def model_card(
    name: str, info: ModelInfo, best: BestMetric | None = None, unreadable: str = "", address: str = ""
) -> str:
    """Return the text of a model card: the parts that i2i writes.

    Args:
        name: of the model.
        info: metadata of its model file.
        best: as of ``write_model_card``.
        unreadable: as of ``write_model_card``.
        address: of the model in commands; its name by default.
    """
    commands = "\n".join(f"    {command}" for command in usage_examples(_one_line(address or name), info.directions))
    if info.source:
        return _imported_card(name, info, commands)
    image_counts = " + ".join(map(str, info.data.image_counts))
    best_line = _best_line(best) if best else "not kept"
    weights = f"averaged (EMA {info.ema})" if info.ema else "of the last step"
    title = f"{_one_line(info.title)}\n\n" if info.title else ""
    fingerprint = _one_line(info.data.fingerprint[:16])
    task = f"| task | {_one_line(info.task_title)} |\n" if info.task_title else ""
    trained_on = f"{_one_line(info.data.name)}: {image_counts} training images, fingerprint `{fingerprint}` |"
    if unreadable:
        trained_on += f"\n| unreadable images | {_one_line(unreadable).replace('|', ' ')} |"
    notes = "".join(f"{_one_line(note)}\n\n" for note in info.source_notes)
    facts = f"""# {_one_line(name)}

{title}A {_one_line(info.method)} model trained by i2i {_one_line(info.version)}, recipe `{_one_line(info.recipe)}`.

| | |
| --- | --- |
{task}| trained on | {trained_on}
| training resolution | {info.size} px |
| length | {info.steps} of {info.total_steps} steps |
| weights | {weights} |
| best checkpoint | {best_line} |
| directions | {", ".join(info.directions)} |

{notes}Use:

{commands}
"""
    settings = f"""Settings:

```json
{json.dumps(info.settings, indent=2)}
```
"""
    return f"{marked('facts', facts)}\n{marked('settings', settings)}"


def _imported_card(name: str, info: ModelInfo, commands: str) -> str:
    """Return the card of a model of another program."""
    title = f"{_one_line(info.title)}\n\n" if info.title else ""
    task = f"| task | {_one_line(info.task_title)} |\n" if info.task_title else ""
    notes = "\n".join(_one_line(note) for note in info.source_notes)
    facts = f"""# {_one_line(name)}

{title}A model of another program, imported by i2i {_one_line(info.version)}.

| | |
| --- | --- |
{task}| imported from | {_cell(info.source)} |
| licence | {_cell(info.licence) or "not stated"} |
| trained on | {_cell(info.data.name) or "not stated"} |
| directions | {", ".join(info.directions)} |

{notes}

Use:

{commands}
"""
    settings = f"""Network:

```json
{json.dumps(dict(info.generator), indent=2)}
```
"""
    return f"{marked('facts', facts)}\n{marked('settings', settings)}"


def _cell(text: str) -> str:
    return _one_line(text).replace("|", " ")


def _best_line(best: BestMetric) -> str:
    images = f"{' + '.join(map(str, best.image_counts))} {_one_line(best.split)} images"
    return f"`best.safetensors`: {_one_line(best.metric.upper())} {best.value:.4g} on {images}, after {best.step} steps"


def _one_line(text: str) -> str:
    """Return text of a model file, or a folder's name, with U+FFFD for line ends and all that cannot be printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
