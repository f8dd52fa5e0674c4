"""The metrics log of a training: ``log.jsonl`` and TensorBoard events in the run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import write_or_explain
from i2i.checkpoints.upgrade import upgrade_log_row


class MetricsLog:
    """Writes rows of numbers by step.

    Args:
        folder: the run's folder.
        step: the step at which the training starts or resumes. Rows after it, which an interrupted part of the
            training wrote, are removed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = folder / "log.jsonl"
        if self.path.exists():
            rows = [row for row in read_log(folder) if row["step"] <= step]
            write_or_explain(self.path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        self._file = self.path.open("a")
        self._events = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Append one row and flush it."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, float):
                self._events.add_scalar(name, value, step)

    def log_image(self, step: int, pixels: Any) -> None:
        """Write a sample grid to TensorBoard.

        Args:
            step: the training step.
            pixels: uint8 (H, W, 3).
        """
        self._events.add_image("samples", pixels, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self._events.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's log, oldest first; skip lines that are no JSON, such as a truncated last line."""
    rows = []
    path = folder / "log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(upgrade_log_row(json.loads(line)))
        except (ValueError, AttributeError):  # no JSON, or no table
            continue
    return rows
