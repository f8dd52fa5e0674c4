"""The training doctor: notices cheaply when a training goes wrong, says so in one sentence, and names what helps."""

from i2i.doctor.diagnosis import Alarm, Doctor
from i2i.doctor.remedies import settings_of
from i2i.doctor.setbacks import Setbacks, broken
from i2i.doctor.signs import Signs, View, examine

__all__ = ["Alarm", "Doctor", "Setbacks", "Signs", "View", "broken", "examine", "settings_of"]
