"""Training diagnostics ("the training doctor"): health metrics, alarms with suggested flags, and recovery from NaN."""

from i2i.diagnostics.alarms import Alarm, AlarmMonitor
from i2i.diagnostics.health_metrics import HealthMetrics, SampleView, compute_health_metrics
from i2i.diagnostics.recovery import Recovery, nonfinite_names
from i2i.diagnostics.suggestions import flag_values

__all__ = [
    "Alarm",
    "AlarmMonitor",
    "HealthMetrics",
    "Recovery",
    "SampleView",
    "compute_health_metrics",
    "flag_values",
    "nonfinite_names",
]
