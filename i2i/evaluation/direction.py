"""One direction judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import UsageError
from i2i.evaluation import gallery as pictures_of
from i2i.evaluation.eval_set import Trial
from i2i.evaluation.feature_cache import Features
from i2i.evaluation.gallery import Gallery
from i2i.evaluation.metric_specs import COLUMNS
from i2i.evaluation.metric_suite import Judge, Measured, comparable
from i2i.evaluation.models import IDENTITY, LEFT_ALONE, Model, maker, sampler
from i2i.evaluation.options import Options
from i2i.evaluation.protocol import Protocol, protocol_of
from i2i.evaluation.table import Comparison, Row, comparisons, fill

NETWORK = "Inception v3 of 2015-12-05"


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


class Course:
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
            make = self._alone if model.path is None else maker(model, direction, setting)
            known = self._known() if model.path is None else None
            found = self.judge.outputs(make, inputs, self._truth(), model.title, back=self._back(model), known=known)
        if self.gallery is not None:
            scored = pictures_of.score(found, self.real, self.inputs)
            pictures_of.add(self.gallery, model.title, make, self.pictures, scored)
        return self._fill(row, found)

    def _alone(self, inputs: Sequence[Image.Image]) -> list[Image.Image]:
        """The inputs themselves; enlarged where outputs are larger."""
        scale = self.pictures.damage.task.scale if self.pictures.damage is not None else 1
        return [comparable(image, (image.width * scale, image.height * scale)) for image in inputs]

    def _known(self) -> Features | None:
        """The features of the inputs, which are those of the input left alone; they come without labels."""
        return None if self.judge.inception.has_logits or self.pictures.damage is not None else self.inputs

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
        found = self.judge.outputs(self._alone, inputs, self._truth(), LEFT_ALONE, known=self._known())
        return self._fill(Row(LEFT_ALONE, "floor"), found)

    def _ceiling(self, others: Any) -> Row:
        title = f"real pictures of the {self.pictures.others_split} split"
        return self._fill(Row(title, "ceiling"), Measured(self.judge.real(others, title)))
