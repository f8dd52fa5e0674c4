"""From signs to alarms: what lasts is said once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from i2i.diagnostics.health_metrics import Signs
from i2i.diagnostics.rules import CRITIC, DISCRIMINATOR, PICTURES, UNDECIDED, Rule
from i2i.diagnostics.suggestions import Settings, prescribe

YOUNG = 200, 0.02  # steps, and share of the training, before which nothing is wrong yet; the larger counts
EXAMS = 3  # in a row that must agree, on an illness as on its end
ROWS = 10  # of the log, that must agree and span as many steps as the youth


@dataclass(frozen=True)
class Alarm:
    """Something that goes wrong in a training: where, since when it is sure, how badly, and what to do."""

    name: str
    direction: str  # of translation, or the discriminator
    step: int
    value: float
    sentence: str

    def row(self) -> dict[str, Any]:
        """For ``log.jsonl``, without the step."""
        told = asdict(self)
        return {"alarm": told.pop("name"), **{key: told[key] for key in ("direction", "value", "sentence")}}


@dataclass
class _Case:
    """What is remembered of one illness in one place."""

    since: int = -1  # the step of the first exam in a row that found it; -1: the last one did not
    found: int = 0  # exams in a row that found it
    free: int = 0  # exams in a row that found it gone
    told: bool = False


class Doctor:
    """Watches the signs of one training of ``total_steps`` steps and says each illness once, until it comes back.

    settings: the training's flags with their values, as ``settings_of`` gives them. critic_weight: what D's adversarial
    terms are multiplied by.
    """

    def __init__(self, settings: Settings, total_steps: int, critic_weight: float) -> None:
        self.settings = settings
        self.expect(total_steps)
        guess = UNDECIDED.get(settings.get("adversarial", ""))  # None: a critic without a middle, or no critic at all
        self.guess = None if guess is None else guess * critic_weight * settings.get("d-scales", 1)
        self._cases: dict[str, _Case] = {}

    def expect(self, total_steps: int) -> None:
        """Take the training for one of so many steps, as is known better while one of some hours goes on."""
        self.youth = max(YOUNG[0], round(YOUNG[1] * total_steps))

    def look(self, step: int, direction: str, signs: Signs) -> list[Alarm]:
        """The alarms of one direction's signs after ``step`` steps, as ``examine`` measured them."""
        if self.guess is None:  # judgements that are only compared may lie as close as they like
            signs = {name: value for name, value in signs.items() if name != "judgement"}
        return list(self._alarms(PICTURES, step, direction, signs, span=0, times=EXAMS))

    def listen(self, step: int, losses: Mapping[str, float]) -> list[Alarm]:
        """The alarms of the mean losses of the last steps, "player/term" → value, as a row of the log has them."""
        alarms: list[Alarm] = []
        for name, value in losses.items() if self.guess else ():
            if name.startswith(DISCRIMINATOR):
                where = "D" + name.removeprefix(DISCRIMINATOR).upper()
                signs = {"loss": value / self.guess}  # type: ignore[operator]
                alarms += self._alarms(CRITIC, step, where, signs, span=self.youth, times=ROWS)
        return alarms

    def _alarms(
        self, rules: Iterable[Rule], step: int, where: str, signs: Signs, *, span: int, times: int
    ) -> Iterator[Alarm]:
        hidden: set[str] = set()
        for rule in rules:
            if step < rule.youth * self.youth:
                continue
            ill = rule.ill(signs)
            hidden.update(rule.hides if ill else ())
            case = self._cases.setdefault(f"{where}: {rule.name}", _Case())
            if rule.name not in hidden and _lasts(case, ill, step, span, times):
                says = rule.says.format(where=where[:1].upper() + where[1:], value=signs[rule.sign])
                sentence = f"{says}; {prescribe(rule.remedies, self.settings)}."
                yield Alarm(rule.name, where, step, signs[rule.sign], sentence)

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, as plain numbers by name."""
        return {name: asdict(case) for name, case in self._cases.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave. Raises TypeError where it is of another make."""
        self._cases = {name: _Case(**case) for name, case in state.items()}


def _lasts(case: _Case, ill: bool | None, step: int, span: int, times: int) -> bool:
    """Enter one exam into the case. Returns whether the illness is to be told now."""
    if ill:
        case.since = step if case.found == 0 else case.since
        case.found, case.free = case.found + 1, 0
    else:
        case.found, case.since = 0, -1
        case.free = case.free + 1 if ill is False else 0
    if case.free >= times:
        case.told = False
    due = not case.told and case.found >= times and step - case.since >= span
    case.told = case.told or due
    return due
