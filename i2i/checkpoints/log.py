"""What a training says while it runs: ``log.jsonl`` and TensorBoard events in its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import write


class RunLog:
    """Rows of numbers by step. Opened at ``step``: what a lost part of the training wrote after it is cut off."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = folder / "log.jsonl"
        if self.path.exists():
            kept = [row for row in read_log(folder) if row["step"] <= step]
            write(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        self._file = self.path.open("a")
        self._events = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def row(self, step: int, values: Mapping[str, Any]) -> None:
        """Append one row, readable at once by whoever follows the file."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, float):
                self._events.add_scalar(name, value, step)

    def picture(self, step: int, pixels: Any) -> None:
        """A sample grid, uint8 (H, W, 3), for TensorBoard."""
        self._events.add_image("samples", pixels, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self._events.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, oldest first; a last line cut off by a crash is left out."""
    rows = []
    path = folder / "log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
