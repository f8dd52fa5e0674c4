"""The model card of a run, ``card.md``: what was trained, on which data, how, and how to use it."""

import json
from collections.abc import Sequence
from pathlib import Path

from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.checkpoints.run import write_or_explain
from i2i.directions import SAMPLE


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
    """Write ``card.md``.

    Args:
        folder: the run's folder.
        info: metadata of its model file.
        best: result of the best checkpoint, if the training keeps one.
        unreadable: which training images could not be read; empty if there are none.
    """
    write_or_explain(folder / "card.md", model_card(folder.name, info, best, unreadable).encode())


def model_card(
    name: str, info: ModelInfo, best: BestMetric | None = None, unreadable: str = "", address: str = ""
) -> str:
    """Return the text of a model card.

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
    return f"""# {_one_line(name)}

{title}A {_one_line(info.method)} model trained by i2i {_one_line(info.version)}, recipe `{_one_line(info.recipe)}`.

| | |
| --- | --- |
{task}| trained on | {trained_on}
| training resolution | {info.size} px |
| length | {info.steps} of {info.total_steps} steps |
| weights | {weights} |
| best checkpoint | {best_line} |
| directions | {", ".join(info.directions)} |

Use:

{commands}

Settings:

```json
{json.dumps(info.settings, indent=2)}
```
"""


def _imported_card(name: str, info: ModelInfo, commands: str) -> str:
    """Return the card of a model of another program."""
    title = f"{_one_line(info.title)}\n\n" if info.title else ""
    task = f"| task | {_one_line(info.task_title)} |\n" if info.task_title else ""
    notes = "\n".join(_one_line(note) for note in info.source_notes)
    return f"""# {_one_line(name)}

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

Network:

```json
{json.dumps(dict(info.generator), indent=2)}
```
"""


def _cell(text: str) -> str:
    return _one_line(text).replace("|", " ")


def _best_line(best: BestMetric) -> str:
    images = f"{' + '.join(map(str, best.image_counts))} {_one_line(best.split)} images"
    return f"`best.safetensors`: {_one_line(best.metric.upper())} {best.value:.4g} on {images}, after {best.step} steps"


def _one_line(text: str) -> str:
    """Return text of a model file, or a folder's name, with U+FFFD for line ends and all that cannot be printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
