"""Training progress on standard error (a live display on a terminal, else plain lines), and running loss means."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from torch import Tensor

PLAIN_INTERVAL = 10.0  # seconds between two plain lines


class RunningMeans:
    """Running means of losses. The sums stay on the device, so that logging does not synchronise every step."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self.last: dict[str, float] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def pending(self) -> dict[str, Tensor]:
        """Return the sums since the last ``pop``."""
        return self._sums

    def pop(self) -> dict[str, float]:
        """Return the means since the last call, and start new ones. Waits for the device."""
        self.last = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums = {}
        self._counts = {}
        return self.last

    def state_dict(self) -> dict[str, dict[str, Tensor | int]]:
        """Return the sums and the numbers of losses since the last ``pop``, each by name."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]], device: torch.device) -> None:
        """Restore ``state_dict`` with its tensors on ``device``; an empty state has no losses."""
        self._sums = {name: total.to(device) for name, total in state.get("sums", {}).items()}
        self._counts = {name: int(count) for name, count in state.get("counts", {}).items()}


class TrainingProgress:
    """Display of the steps, speed, remaining time and losses of a training.

    Args:
        console: where it is shown; by default standard error. Messages that are printed on this console meanwhile
            appear above the display.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._losses = ""
        self._last_line_time = 0.0

    def open(self, start: int, total: int) -> Self:
        """Start the display at step ``start`` of ``total``."""
        self.start = start
        self.step = start
        self.total = total
        self._start_time = time.monotonic()
        if self.console.is_terminal:
            columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
            times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            self._bar = Progress(*columns, *times, console=self.console)
            self._task = self._bar.add_task("", total=total, completed=start, speed="")
            self._live = Live(self._bar, console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        self._live = None

    def update(self, step: int, total: int, losses: Mapping[str, float] | None = None) -> None:
        """Show that ``step`` of ``total`` steps are done. ``losses``: new mean losses, if any."""
        self.step = step
        self.total = total
        if losses:
            self._losses = format_losses(losses)
        now = time.monotonic()
        seconds = now - self._start_time
        speed = _format_speed((step - self.start) / seconds if seconds else 0.0)
        if self._live:
            self._bar.update(self._task, completed=step, total=total, speed=speed)
            self._live.update(Group(self._bar, Text(self._losses, style="dim")))
        elif step == self.total or now - self._last_line_time >= PLAIN_INTERVAL:
            self._last_line_time = now
            remaining = seconds / max(1, step - self.start) * (self.total - step)
            line = f"step {step}/{self.total}  {speed}  {_format_duration(remaining)} left  {self._losses}"
            self.console.print(line, soft_wrap=True, markup=False)


def format_losses(losses: Mapping[str, float]) -> str:
    """Return names and values on one line."""
    return "  ".join(f"{name} {value:.3g}" for name, value in losses.items())


def _format_speed(steps_per_second: float) -> str:
    if steps_per_second >= 1 or not steps_per_second:
        return f"{steps_per_second:.1f} it/s"
    return f"{1 / steps_per_second:.1f} s/it"


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
