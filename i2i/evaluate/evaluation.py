"""Models judged on a dataset: every number with its interval, its anchors and how it came about."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.data.folders import Layout, layout, locate
from i2i.data.geometry import Fit
from i2i.data.prepare import prepare
from i2i.device import pick_device
from i2i.errors import BundleError, ConfigError, UsageError
from i2i.evaluate import gallery as pictures_of
from i2i.evaluate.cache import FeatureCache, Features
from i2i.evaluate.columns import COLUMNS, Limit
from i2i.evaluate.gallery import Gallery
from i2i.evaluate.measure import Judge, Measured, Tell
from i2i.evaluate.models import IDENTITY, LEFT_ALONE, Model, Setting, Which, directions_of, maker, models_of, sampler
from i2i.evaluate.protocol import Protocol, protocol_of
from i2i.evaluate.table import Comparison, Row, comparisons, fill
from i2i.evaluate.trial import Shape, Trial, trial
from i2i.evaluate.votes import Tally, read_votes
from i2i.metrics import Inception
from i2i.metrics.paired import Lpips

UNCHANGED = 2.0  # grey levels between output and input that nobody sees
NETWORK = "Inception v3 of 2015-12-05"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is judged on what, and how.

    votes: a file with votes of the demo's Judge tab, by default the one beside the runs.
    data: a dataset, by default the one that the first model was trained on. size: pixels a side to which all pictures
    are brought; 0: as they are; None: the largest training size among the models. by: the measure that ranks.
    """

    models: Sequence[str]
    data: str | None = None
    direction: str | None = None
    split: str | None = None
    count: int | None = None
    size: int | None = None
    fit: Fit | None = None
    by: str | None = None
    which: Which = "both"
    cycle: bool = True
    seed: int = 0
    gallery: bool = False
    votes: Path | None = None
    setting: Setting = field(default_factory=Setting)

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("Which model? Name at least one, or identity.")
        if self.by is not None and (self.by not in COLUMNS or COLUMNS[self.by].better == "neither"):
            raise ConfigError(f"by is {self.by!r}; it must be one of {', '.join(_rankable())}.")
        if self.count is not None and self.count < 2:
            raise ConfigError(f"count is {self.count}; it must be 2 or above.")
        if self.size is not None and not (self.size == 0 or 8 <= self.size <= 8192):
            raise ConfigError(f"size is {self.size}; it must be 0 (as they are) or from 8 to 8192.")


def _rankable() -> list[str]:
    return [column.name for column in COLUMNS.values() if column.better != "neither"]


@dataclass
class Section:
    """One direction: the table, what follows from it, and pictures to look at."""

    protocol: Protocol
    rows: list[Row]
    by: str
    comparisons: list[Comparison]
    names: list[str]
    gallery: Gallery | None

    @property
    def direction(self) -> str:
        return self.protocol.direction

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": self.direction,
            "protocol": self.protocol.to_json(),
            "rows": [row.to_json(self.names if row.kind == "model" else None) for row in self.rows],
            "ranked_by": self.by,
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
        }


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
    shape = _shape(options, models)
    sets = [trial(found, direction, split=options.split, count=options.count, shape=shape) for direction in directions]
    judge = _judge(options, notes, tell)
    name = found.root.resolve().name
    sections = [_Course(options, models, pictures, judge, name).section() for pictures in sets]
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
    size = options.size if options.size is not None else max(sizes, default=0)
    return Shape(size, options.fit or ("cover" if fits == {"cover"} else "stretch"))


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


class _Course:
    """The judging of one direction."""

    def __init__(self, options: Options, models: Sequence[Model], pictures: Trial, judge: Judge, data: str) -> None:
        self.options, self.pictures, self.judge = options, pictures, judge
        self.models = [model for model in models if pictures.direction in model.directions]
        lpips_hash = judge.lpips.hash if judge.lpips is not None else ""
        self.protocol = protocol_of(pictures, data, NETWORK, judge.inception.hash, lpips_hash)
        self.gallery = pictures_of.begin(pictures, options.seed) if options.gallery else None

    def section(self) -> Section:
        pictures = self.pictures
        self.real = self.judge.real(pictures.real, "real pictures")
        self.inputs = self.judge.real(pictures.inputs, "inputs") if pictures.inputs is not None else None
        rows = [self._model(model) for model in self.models]
        if all(model.name != IDENTITY for model in self.models):
            rows.insert(0, self._floor())
        if pictures.others is not None:
            rows.append(self._ceiling(pictures.others))
        by = self.options.by or next(name for name in ("lpips", "psnr", "kid") if name in rows[0].values)
        if any(by not in row.values for row in rows if row.kind == "model"):
            raise UsageError(f"{COLUMNS[by].title} is not measured here; there is {', '.join(rows[0].values)}.")
        names = [pictures.inputs.name(i) if pictures.inputs else f"seed {i}" for i in range(pictures.outputs)]
        return Section(self.protocol, rows, by, comparisons(rows, by), names, self.gallery)

    def _fill(self, row: Row, found: Measured, real: Features | None = None) -> Row:
        return fill(row, found, self.real if real is None else real, self.options.seed)

    def _model(self, model: Model) -> Row:
        row = Row(model.title, "model", model.name, model.checkpoint)
        direction, setting, inputs = self.pictures.direction, self.options.setting, self.pictures.inputs
        if inputs is None:
            make: Any = sampler(model, setting)(self.pictures.outputs)
            found = self.judge.heap(make, model.title)
        else:
            make = maker(model, direction, setting)
            known = self._known() if model.path is None else None
            found = self.judge.outputs(make, inputs, self._truth(), model.title, back=self._back(model), known=known)
        if self.gallery is not None:
            scored = pictures_of.score(found, self.real, self.inputs)
            pictures_of.add(self.gallery, model.title, make, self.pictures, scored)
        return self._fill(row, found)

    def _known(self) -> Features | None:
        """The features of the inputs, which are those of the input left alone; they come without labels."""
        return None if self.judge.inception.has_logits else self.inputs

    def _truth(self) -> Any:
        return self.pictures.real if self.pictures.paired else None

    def _back(self, model: Model) -> Any:
        other = {"AtoB": "BtoA", "BtoA": "AtoB"}[self.pictures.direction]
        wanted = self.options.cycle and model.path is not None and other in model.directions
        return maker(model, other, self.options.setting) if wanted else None

    def _floor(self) -> Row:
        """The input left alone; of pictures from noise, noise itself."""
        if self.pictures.inputs is None:
            rng, (width, height) = np.random.default_rng(self.options.seed), self.pictures.real[0].size
            noise = [
                Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
                for _ in range(self.pictures.outputs)
            ]
            return self._fill(Row("noise", "floor"), self.judge.heap(noise, "noise"))
        inputs = self.pictures.inputs
        found = self.judge.outputs(list, inputs, self._truth(), LEFT_ALONE, known=self._known())
        return self._fill(Row(LEFT_ALONE, "floor"), found)

    def _ceiling(self, others: Any) -> Row:
        title = f"real pictures of the {self.pictures.others_split} split"
        return self._fill(Row(title, "ceiling"), Measured(self.judge.real(others, title)))
