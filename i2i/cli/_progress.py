"""Progress bars on standard error."""

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from i2i.cli.console import stderr


class ProgressBars:
    """One progress bar per title. Shown on a terminal only; use it as a context manager."""

    def __init__(self, *, in_bytes: bool = False, speed_unit: str = "", transient: bool = False) -> None:
        """Args:
        in_bytes: whether the amounts are bytes, instead of numbers of items.
        speed_unit: plural noun of the items, such as "images", to show the speed; "" shows no speed.
        transient: whether the bars disappear at the end.
        """
        count = DownloadColumn() if in_bytes else MofNCompleteColumn()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            count,
            *([SpeedColumn(speed_unit)] if speed_unit else []),
            TextColumn("{task.fields[failures]}"),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
            transient=transient,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "ProgressBars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def visible(self) -> bool:
        """Whether bars are shown."""
        return not self._progress.disable

    def update(self, title: str, done: int, total: int | None, failed: int = 0, *, has_speed: bool = True) -> None:
        """Set the progress of the bar with this title; the first call adds the bar.

        Args:
            title: what is being done.
            done: number of items, or bytes, that are done.
            total: number of all; None if unknown.
            failed: number of items that failed.
            has_speed: whether the bar shows the speed in the unit of the others.
        """
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, total=total, failures="", has_speed=has_speed)
        failures = f"[red]{failed} failed[/red]" if failed else ""
        self._progress.update(self._tasks[title], completed=done, total=total, failures=failures)

    def update_part(self, title: str, fraction: float) -> None:
        """Show the fraction of one item that is done, in per cent, on a bar that disappears when it is done."""
        self.update(title, int(100 * fraction), 100, has_speed=False)
        if fraction >= 1:
            self._progress.remove_task(self._tasks.pop(title))

    def finish(self, title: str) -> None:
        """Let the next ``update`` with this title begin a new bar."""
        self._tasks.pop(title, None)


class SpeedColumn(ProgressColumn):
    """The speed of a task, such as "12.3 images/s"."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(format_rate(task.speed or 0, self._unit) if task.fields["has_speed"] else "")


def format_rate(speed: float, unit: str) -> str:
    """Format a speed, such as "12.3 images/s" or "4.5 s/image"; "" for an unknown speed.

    Args:
        speed: items per second; 0 if unknown.
        unit: plural noun of the items, formed with s.
    """
    if not speed:
        return ""
    return f"{speed:.1f} {unit}/s" if speed >= 1 else f"{1 / speed:.1f} s/{unit[:-1]}"
