"""The card of a run: what was trained, on what, how, and how to use it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.checkpoint import write


def write_card(folder: Path, header: Mapping[str, Any]) -> None:
    """Write ``card.md`` into a run's folder from its bundle's header."""
    name, data, directions = folder.name, header["data"], header["directions"]
    counts = " + ".join(map(str, data["pictures"]))
    averaged = f"averaged (EMA {header['ema']})" if header["ema"] else "of the last step"
    uses = "\n".join(f"    i2i convert {name} photos/ --out out/ --direction {direction}" for direction in directions)
    write(
        folder / "card.md",
        f"""# {name}

A {header["objective"]} translator trained by i2i {header["version"]}, recipe `{header["recipe"]}`.

| | |
| --- | --- |
| trained on | {data["name"]}: {counts} training pictures, fingerprint `{data["fingerprint"][:16]}` |
| picture size in training | {header["size"]} px |
| length | {header["steps"]} of {header["total_steps"]} steps |
| weights | {averaged} |
| directions | {", ".join(directions)} |

Use:

{uses}

Settings:

```json
{json.dumps(header["settings"], indent=2)}
```
""".encode(),
    )
