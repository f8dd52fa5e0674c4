"""What watches over a training: the doctor who looks at it, and what happens when it breaks."""

from collections.abc import Iterable, Mapping
from typing import Any

from i2i.checkpoints.log import RunLog
from i2i.diagnostics import Alarm, Doctor, Setbacks, View, examine
from i2i.errors import TrainingError
from i2i.training.progress import TrainingProgress


class Watch:
    """The doctor of one training, its setbacks, and where both are told: ``log.jsonl`` and the progress display.

    stop: whether an alarm ends the training.
    """

    def __init__(self, doctor: Doctor, progress: TrainingProgress, *, stop: bool) -> None:
        self.doctor, self.progress, self.stop = doctor, progress, stop
        self.setbacks = Setbacks(doctor.settings)
        self.alarm: Alarm | None = None  # the first one, where an alarm ends the training

    def look(self, views: Iterable[View], step: int, log: RunLog) -> None:
        """Examine what the directions show after ``step`` steps."""
        for view in views:
            signs = examine(view)
            log.row(step, {f"{view.direction}/{name}": value for name, value in signs.items()})
            self._tell(self.doctor.look(step, view.direction, signs), log)

    def listen(self, losses: Mapping[str, float], step: int, log: RunLog) -> None:
        """Take in a row of mean losses."""
        self._tell(self.doctor.listen(step, losses), log)

    def _tell(self, alarms: Iterable[Alarm], log: RunLog) -> None:
        for alarm in alarms:
            log.row(alarm.step, alarm.row())
            self.progress.say(f"step {alarm.step}: {alarm.sentence}")
            self.alarm = self.alarm or alarm

    def check(self) -> None:
        """Raise TrainingError where an alarm is to end the training, and one was given."""
        if self.stop and self.alarm is not None:
            raise TrainingError(f"Stopped on an alarm, as asked by --stop-on-alarm. {self.alarm.sentence}")

    def state_dict(self) -> dict[str, Any]:
        return {"doctor": self.doctor.state_dict(), "setbacks": self.setbacks.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.doctor.load_state_dict(state["doctor"])
        self.setbacks.load_state_dict(state["setbacks"])
