"""Models judged on a dataset: every number with its interval, its anchors and how it came about."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from i2i.data.ensure import prepare
from i2i.data.layout import Layout, layout, locate
from i2i.device import pick_device
from i2i.errors import BundleError, UsageError
from i2i.evaluation.direction import Course, Section
from i2i.evaluation.eval_set import Damage, Shape, trial
from i2i.evaluation.feature_cache import FeatureCache
from i2i.evaluation.metric_specs import COLUMNS, Limit
from i2i.evaluation.metric_suite import Judge, Tell
from i2i.evaluation.models import IDENTITY, Model, directions_of, models_of, task_of
from i2i.evaluation.options import Options
from i2i.evaluation.votes import Tally, read_votes
from i2i.metrics import Inception
from i2i.metrics.paired import Lpips
from i2i.restoration.degrader import Degrader

UNCHANGED = 2.0  # grey levels between output and input that nobody sees


@dataclass
class Evaluation:
    """All that was found. The first model in its first direction is what ``metrics`` tells."""

    models: list[Model]
    sections: list[Section]
    notes: list[str]
    seconds: float
    votes: list[Tally] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        first = next(row for row in self.sections[0].rows if row.kind == "model")
        return {
            "metrics": {name: found.value for name, found in first.values.items()},
            "protocol": self.sections[0].protocol.to_json(),
            "model": {"name": first.name, "checkpoint": first.checkpoint},
            "directions": [section.to_json() for section in self.sections],
            "votes": [vote.to_json() for vote in self.votes],
            "notes": self.notes,
            "seconds": round(self.seconds, 1),
        }

    def broken(self, limits: Sequence[Limit]) -> list[str]:
        """A sentence for every limit that a model does not keep. Raises UsageError where it is not measured here."""
        found = []
        for limit in limits:
            column = COLUMNS[limit.metric]
            for section in self.sections:
                for row in (row for row in section.rows if row.kind == "model"):
                    if limit.metric not in row.values:
                        raise UsageError(f"{column.title} is not measured here; there is {', '.join(row.values)}.")
                    value = row.values[limit.metric].value
                    if limit.broken_by(value):
                        found.append(
                            f"{row.title}, {section.direction}: {column.title} is {value:.4g}, {limit.side} "
                            f"{limit.bound:g}."
                        )
        return found


def evaluate(options: Options, tell: Tell = lambda what, done, total: None) -> Evaluation:
    """Judge models. Raises UsageError where they, the data or the options will not do.

    tell: is told what is being done, and how many pictures of how many.
    """
    began, notes = time.monotonic(), list[str]()
    models = models_of(options.models, options.which)
    directions = directions_of(models, options.direction)
    votes = read_votes(options.votes, [model.name for model in models])
    found = _data(options, models, lambda text: tell(text, 0, 0))
    shape, damage = _shape(options, models), _damage(options, models)
    if damage is not None:
        options = replace(options, setting=replace(options.setting, strength=damage.strength))
    seen = found.fingerprint() in {model.says("data", "fingerprint") for model in models}
    sets = [
        trial(found, direction, split=options.split, count=options.count, shape=shape, damage=damage, seen=seen)
        for direction in directions
    ]
    judge = _judge(options, notes, tell)
    name = found.root.resolve().name
    sections = [Course(options, models, pictures, judge, name).section() for pictures in sets]
    notes += [note for section in sections for note in _remarks(section, models)]
    return Evaluation(models, sections, notes, time.monotonic() - began, votes)


def _remarks(section: Section, models: Sequence[Model]) -> Iterator[str]:
    """What a reader of a table might overlook."""
    where = section.direction
    for model in models:
        if where not in model.directions:
            yield f"{model.title} has no direction {where}, and no line in its table."
    for row in section.rows:
        change = row.values.get("change")
        if row.kind == "model" and row.name != IDENTITY and change is not None and change.value < UNCHANGED:
            yield f"{row.title}, {where}: outputs are nearly the inputs ({change.value:.1f} grey levels of 255 apart)."


def _data(options: Options, models: Sequence[Model], tell: Any) -> Layout:
    name = options.data or next((str(name) for model in models if (name := model.says("data", "name"))), None)
    if name is None:
        raise UsageError("On which pictures? --data NAME or --data PATH.")
    return layout(locate(name) or prepare(name, tell))


def _shape(options: Options, models: Sequence[Model]) -> Shape:
    sizes = [size for model in models if isinstance(size := model.says("size"), int)]
    fits = {model.says("settings", "data", "fit") for model in models if model.path is not None}
    usual = 0 if any(model.task for model in models) else max(sizes, default=0)  # photos are restored as they are
    size = options.size if options.size is not None else usual
    return Shape(size, options.fit or ("cover" if fits == {"cover"} else "stretch"))


def _damage(options: Options, models: Sequence[Model]) -> Damage | None:
    task = task_of(models)
    if task is None:
        if options.strength is not None:
            raise UsageError("--task-strength is for restoration models, and none of these is one.")
        return None
    strength = task.middle() if options.strength is None else options.strength
    Degrader(task, strength)  # raises where the task has no strength, or not this one
    return Damage(task, strength)


def _judge(options: Options, notes: list[str], tell: Tell) -> Judge:
    device = str(pick_device(options.setting.device))
    try:
        lpips = Lpips(device)
    except BundleError as error:
        lpips = None
        notes.append(f"LPIPS is left out. {error}")
    inception = Inception(device)
    if not inception.has_logits:
        notes.append("The Inception Score is left out: the weights at hand lack the layer that gives labels.")
    return Judge(inception, lpips, FeatureCache.usual(), tell)
