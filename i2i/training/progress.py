"""What a training shows: a live line on a terminal, plain lines elsewhere. All of it on standard error."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

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

PLAIN_EVERY = 10.0  # seconds between two plain lines


class TrainingProgress:
    """Steps, speed, time left and losses of a training from step ``start`` to ``total``."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._losses = ""
        self._said = 0.0

    def open(self, start: int, total: int) -> Self:
        self.start = self.step = start
        self.total, self._began = total, time.monotonic()
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

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, soft_wrap=True, markup=False)

    def advance(self, step: int, total: int, losses: Mapping[str, float] | None = None) -> None:
        """``step`` of ``total`` steps are done; ``losses`` are the latest means, where there are new ones."""
        self.step, self.total = step, total
        if losses:
            self._losses = spoken(losses)
        seconds = time.monotonic() - self._began
        speed = _speed((step - self.start) / seconds if seconds else 0.0)
        if self._live:
            self._bar.update(self._task, completed=step, total=total, speed=speed)
            self._live.update(Group(self._bar, Text(self._losses, style="dim")))
        elif step == self.total or time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            left = seconds / max(1, step - self.start) * (self.total - step)
            self.say(f"step {step}/{self.total}  {speed}  {_clock(left)} left  {self._losses}")


def spoken(numbers: Mapping[str, float]) -> str:
    """Names and values in a line."""
    return "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())


def _speed(steps_per_second: float) -> str:
    if steps_per_second >= 1 or not steps_per_second:
        return f"{steps_per_second:.1f} it/s"
    return f"{1 / steps_per_second:.1f} s/it"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
