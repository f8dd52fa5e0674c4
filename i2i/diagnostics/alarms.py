"""Alarms: failures that several checks in a row have confirmed, each reported once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from i2i.diagnostics.health_metrics import HealthMetrics
from i2i.diagnostics.rules import (
    CHANCE_LOSS,
    DISCRIMINATOR_LOSS,
    DISCRIMINATOR_RULES,
    GENERATOR_RULES,
    SAMPLE_RULES,
    Rule,
)
from i2i.diagnostics.suggestions import Settings, suggest_flags

MIN_WARMUP_STEPS = 200
WARMUP_FRACTION = 0.02  # of the training; before the larger of the two, nothing counts as a failure
SAMPLES_TO_CONFIRM = 3  # checks in a row that must agree on a failure, and on its end
ROWS_TO_CONFIRM = 10  # rows of the log that must agree; they must also span as many steps as the warm-up


@dataclass(frozen=True)
class Alarm:
    """A confirmed failure of a training."""

    name: str  # of the rule
    direction: str  # of translation, or the discriminator
    step: int  # at which the failure was confirmed
    value: float  # of the rule's metric
    message: str  # what is wrong and which flags may help

    def log_row(self) -> dict[str, Any]:
        """Return the row for ``log.jsonl``, without the step."""
        return {"alarm": self.name, "direction": self.direction, "value": self.value, "message": self.message}


@dataclass
class _Streak:
    """Consecutive results of one rule for one direction."""

    first_step: int = -1  # step of the first check of the present failures; -1: the last check did not fail
    failed: int = 0  # checks in a row that failed
    passed: int = 0  # checks in a row that passed
    reported: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the streak with the keys of training states."""
        return {
            "first_step": self.first_step,
            "failed": self.failed,
            "passed": self.passed,
            "reported": self.reported,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "_Streak":
        return cls(data["first_step"], data["failed"], data["passed"], data["reported"])

    def update(self, failing: bool | None, step: int, times: int, span: int) -> bool:
        """Add the result of a check. Return whether the failure must be reported now.

        Args:
            failing: result of the check; None is neither a failure nor a recovery.
            step: of the check.
            times: checks in a row that confirm a failure or a recovery.
            span: steps that the failing checks must span.
        """
        if failing:
            if self.failed == 0:
                self.first_step = step
            self.failed += 1
            self.passed = 0
        else:
            self.failed = 0
            self.first_step = -1
            self.passed = self.passed + 1 if failing is False else 0
        if self.passed >= times:
            self.reported = False
        confirmed = self.failed >= times and step - self.first_step >= span
        must_report = confirmed and not self.reported
        self.reported = self.reported or must_report
        return must_report


class AlarmMonitor:
    """Applies the rules to the health metrics of one training. Reports a failure once, until it recovers.

    Args:
        settings: the training's flags and their values, from ``flag_values``.
        total_steps: length of the training.
        discriminator_weight: factor on D's adversarial losses.
        discriminator_outputs: logit maps of D, such as one for each scale; its loss is their sum.
    """

    def __init__(
        self, settings: Settings, total_steps: int, discriminator_weight: float, discriminator_outputs: int = 1
    ) -> None:
        self.settings = settings
        self.set_total_steps(total_steps)
        # D's loss if it guesses; None for WGAN, whose critic has no such value, and for methods without D.
        chance_loss = CHANCE_LOSS.get(settings.get("adversarial", ""))
        weight = discriminator_weight * discriminator_outputs
        self.chance_loss = None if chance_loss is None else chance_loss * weight
        self._streaks: dict[str, _Streak] = {}

    def set_total_steps(self, total_steps: int) -> None:
        """Set the length of the training, from which the warm-up follows."""
        self.warmup_steps = max(MIN_WARMUP_STEPS, round(WARMUP_FRACTION * total_steps))

    def check_samples(self, step: int, direction: str, metrics: HealthMetrics) -> list[Alarm]:
        """Return the alarms for the health metrics of one direction after ``step`` steps."""
        if self.chance_loss is None:  # logits of a WGAN critic may be arbitrarily close
            metrics = {name: value for name, value in metrics.items() if name != "judgement"}
        return list(self._alarms(SAMPLE_RULES, step, direction, metrics, times=SAMPLES_TO_CONFIRM, span=0))

    def check_generator(self, step: int, direction: str, metrics: HealthMetrics) -> list[Alarm]:
        """Return the alarms for what was measured inside the generator of one direction after ``step`` steps."""
        return list(self._alarms(GENERATOR_RULES, step, direction, metrics, times=SAMPLES_TO_CONFIRM, span=0))

    def check_losses(self, step: int, losses: Mapping[str, float]) -> list[Alarm]:
        """Return the alarms for the mean losses, "player/term" → value, of a row of the log."""
        if not self.chance_loss:
            return []
        alarms: list[Alarm] = []
        for name, value in losses.items():
            if name.startswith(DISCRIMINATOR_LOSS):
                player = "D" + name.removeprefix(DISCRIMINATOR_LOSS).upper()
                metrics = {"loss": value / self.chance_loss}
                alarms += self._alarms(
                    DISCRIMINATOR_RULES, step, player, metrics, times=ROWS_TO_CONFIRM, span=self.warmup_steps
                )
        return alarms

    def _alarms(
        self, rules: Iterable[Rule], step: int, direction: str, metrics: HealthMetrics, *, times: int, span: int
    ) -> Iterator[Alarm]:
        suppressed: set[str] = set()
        for rule in rules:
            if step < rule.warmup_factor * self.warmup_steps:
                continue
            failing = rule.is_failing(metrics)
            if failing:
                suppressed.update(rule.suppresses)
            streak = self._streaks.setdefault(f"{direction}: {rule.name}", _Streak())
            if rule.name not in suppressed and streak.update(failing, step, times, span):
                value = metrics[rule.metric]
                failure = rule.message.format(where=direction[:1].upper() + direction[1:], value=value)
                message = f"{failure}; {suggest_flags(rule.suggestions, self.settings)}."
                yield Alarm(rule.name, direction, step, value, message)

    def state_dict(self) -> dict[str, Any]:
        """Return the streaks as plain numbers."""
        return {name: streak.as_dict() for name, streak in self._streaks.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the streaks. Raises KeyError if the state has another format."""
        self._streaks = {name: _Streak.from_dict(streak) for name, streak in state.items()}
