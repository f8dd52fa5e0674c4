"""Training monitor: runs the diagnostics, counts rollbacks, and logs both."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from i2i.checkpoints.log import MetricsLog
from i2i.diagnostics import Alarm, AlarmMonitor, Recovery, SampleView, compute_health_metrics
from i2i.directions import describe_direction
from i2i.errors import TrainingError

logger = logging.getLogger(__name__)


class TrainingMonitor:
    """Alarms and rollbacks of one training.

    Args:
        alarms: rules that turn health metrics into alarms.
        stop_on_alarm: whether the first alarm stops the training.
    """

    def __init__(self, alarms: AlarmMonitor, *, stop_on_alarm: bool) -> None:
        self.alarms = alarms
        self.stop_on_alarm = stop_on_alarm
        self.recovery = Recovery(alarms.settings)
        self.first_alarm: Alarm | None = None

    def check_samples(self, views: Iterable[SampleView], step: int, log: MetricsLog) -> None:
        """Log the health metrics of the samples after ``step`` steps, and report alarms."""
        for view in views:
            metrics = compute_health_metrics(view)
            log.log(step, {f"{view.direction}/{name}": value for name, value in metrics.items()})
            self._report(self.alarms.check_samples(step, view.direction, metrics), log)

    def check_generators(self, spot_shares: Mapping[str, float | None], step: int, log: MetricsLog) -> None:
        """Log the highest share of the spots in each direction's generator after ``step`` steps, and report alarms."""
        for direction, share in spot_shares.items():
            if share is not None:
                label = describe_direction(direction)
                log.log(step, {f"{label}/spot_share": round(share, 4)})
                self._report(self.alarms.check_generator(step, label, {"spot_share": share}), log)

    def check_losses(self, losses: Mapping[str, float], step: int, log: MetricsLog) -> None:
        """Report alarms for the mean losses, "player/term" → value, of a row of the log."""
        self._report(self.alarms.check_losses(step, losses), log)

    def _report(self, alarms: Iterable[Alarm], log: MetricsLog) -> None:
        for alarm in alarms:
            log.log(alarm.step, alarm.log_row())
            logger.warning("step %d: %s", alarm.step, alarm.message)
            self.first_alarm = self.first_alarm or alarm

    def raise_if_stopped(self) -> None:
        """Raise TrainingError if an alarm was reported and alarms stop the training."""
        if self.stop_on_alarm and self.first_alarm is not None:
            raise TrainingError(f"Stopped at an alarm because of --stop-on-alarm. {self.first_alarm.message}")

    def state_dict(self) -> dict[str, Any]:
        return {"alarms": self.alarms.state_dict(), "recovery": self.recovery.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.alarms.load_state_dict(state["alarms"])
        self.recovery.load_state_dict(state["recovery"])
