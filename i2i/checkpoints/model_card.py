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


def write_model_card(folder: Path, info: ModelInfo, best: BestMetric | None = None) -> None:
    """Write ``card.md``.

    Args:
        folder: the run's folder.
        info: metadata of its model file.
        best: result of the best checkpoint, if the training keeps one.
    """
    name = folder.name
    image_counts = " + ".join(map(str, info.data.image_counts))
    best_line = _best_line(best) if best else "not kept"
    weights = f"averaged (EMA {info.ema})" if info.ema else "of the last step"
    title = f"{info.title}\n\n" if info.title else ""
    commands = "\n".join(f"    {command}" for command in usage_examples(name, info.directions))
    write_or_explain(
        folder / "card.md",
        f"""# {name}

{title}A {info.method} model trained by i2i {info.version}, recipe `{info.recipe}`.

| | |
| --- | --- |
| trained on | {info.data.name}: {image_counts} training images, fingerprint `{info.data.fingerprint[:16]}` |
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
""".encode(errors="backslashreplace"),  # the run's name, a file name, may not be valid text
    )


def _best_line(best: BestMetric) -> str:
    images = f"{' + '.join(map(str, best.image_counts))} {best.split} images"
    return f"`best.safetensors`: {best.metric.upper()} {best.value:.4g} on {images}, after {best.step} steps"
