"""The card of a run: what was trained, on what, how, and how to use it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import write


def uses(name: str, directions: Sequence[str]) -> list[str]:
    """Commands that use the model of a run, by what its bundle holds."""
    if "sample" in directions:
        return [f"i2i sample {name} --count 64 --out grid.png"]
    command = f"i2i convert {name} photos/ --out out/"
    return [command] if len(directions) == 1 else [f"{command} --direction {direction}" for direction in directions]


def write_card(folder: Path, header: Mapping[str, Any], best: Mapping[str, Any] | None = None) -> None:
    """Write ``card.md`` into a run's folder from its bundle's header. best: what is kept as the best checkpoint."""
    name, data, directions = folder.name, header["data"], header["directions"]
    counts = " + ".join(map(str, data["pictures"]))
    kept = _kept(best) if best else "not kept"
    averaged = f"averaged (EMA {header['ema']})" if header["ema"] else "of the last step"
    commands = "\n".join(f"    {command}" for command in uses(name, directions))
    write(
        folder / "card.md",
        f"""# {name}

A {header["objective"]} model trained by i2i {header["version"]}, recipe `{header["recipe"]}`.

| | |
| --- | --- |
| trained on | {data["name"]}: {counts} training pictures, fingerprint `{data["fingerprint"][:16]}` |
| picture size in training | {header["size"]} px |
| length | {header["steps"]} of {header["total_steps"]} steps |
| weights | {averaged} |
| best checkpoint | {kept} |
| directions | {", ".join(directions)} |

Use:

{commands}

Settings:

```json
{json.dumps(header["settings"], indent=2)}
```
""".encode(),
    )


def _kept(best: Mapping[str, Any]) -> str:
    on = f"{' + '.join(map(str, best['pictures']))} {best['split']} pictures"
    return f"`best.safetensors`, by {best['metric'].upper()} ({best['value']:.4g} on {on}), after {best['steps']} steps"
