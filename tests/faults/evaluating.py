"""``i2i evaluate`` of a tiny model with a report, as an operation that can be killed."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from i2i.metrics import inception
from tests.faults import children
from tests.faults.attack import WRONG, Failure
from tests.faults.operations import Operation, Shared, TrainOperation
from tests.metrics.standin import ChannelStatistics

_VARYING = re.compile(r"\d+ \w+ \d{4}, \d\d:\d\d|\b\d+ seconds?\b")  # date and duration in a report


class EvaluateOperation(Operation):
    """``i2i evaluate`` with a report; channel statistics stand in for the Inception network."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.name = "evaluate"
        self.run = shared.expected(TrainOperation(shared, "pix2pix")) / "checkpoints" / "run"

    def prepare(self, folder: Path) -> None:
        shutil.copytree(self.run, folder / "checkpoints" / "run")

    def next_command(self, folder: Path) -> Callable[[], None]:
        evaluate = children.command("evaluate", "run", "--report", "report.html", "--json", "--device", "cpu")

        def run() -> None:
            os.environ["I2I_CACHE"] = str(folder / "cache")
            inception.load_inception = ChannelStatistics
            evaluate()

        return run

    def check_attacked(self, folder: Path) -> Failure | None:
        """Check that the report is absent or complete, and that the evaluated run is as before."""
        for path in (path for path in self.run.rglob("*") if path.is_file()):
            copy = folder / "checkpoints" / "run" / path.relative_to(self.run)
            if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                return Failure(WRONG, f"the evaluation changed {copy.name} of the run")
        if (folder / "report.html").exists():
            return self._compare_report(folder)
        return None

    def compare(self, folder: Path) -> Failure | None:
        if names := sorted(path.name for path in folder.rglob("*") if path.name.endswith((".part", ".unfinished"))):
            return Failure(WRONG, f"leftover files: {', '.join(names)}")
        return self._compare_report(folder)

    def _compare_report(self, folder: Path) -> Failure | None:
        expected, found = (self._report(place) for place in (self.shared.expected(self), folder))
        return None if expected == found else Failure(WRONG, "report.html differs")

    def _report(self, folder: Path) -> str:
        return _VARYING.sub("", (folder / "report.html").read_text())
