"""The training doctor: notices cheaply when a training goes wrong, says so in one sentence, and names what helps."""

from i2i.diagnostics.alarms import Alarm, Doctor
from i2i.diagnostics.health_metrics import Signs, View, examine
from i2i.diagnostics.recovery import Setbacks, broken
from i2i.diagnostics.suggestions import settings_of

__all__ = ["Alarm", "Doctor", "Setbacks", "Signs", "View", "broken", "examine", "settings_of"]
