"""The evaluation of all models in one direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from i2i.directions import Direction
from i2i.errors import UsageError
from i2i.evaluation import gallery as galleries
from i2i.evaluation.eval_set import EvalSet, ImageSet
from i2i.evaluation.feature_cache import Features
from i2i.evaluation.gallery import Gallery
from i2i.evaluation.metric_specs import METRICS
from i2i.evaluation.metric_suite import Measurements, MetricSuite, resized_like
from i2i.evaluation.models import (
    IDENTITY,
    IDENTITY_BASELINE,
    EvaluatedModel,
    TranslateFn,
    load_sample_fn,
    load_translate_fn,
)
from i2i.evaluation.options import EvaluationOptions
from i2i.evaluation.protocol import Protocol, build_protocol
from i2i.evaluation.table import Comparison, Row, comparisons, compute_row

INCEPTION_NAME = "Inception v3 of 2015-12-05"


@dataclass
class DirectionResult:
    """The result in one direction.

    Args:
        protocol: of the evaluation.
        rows: the baseline, the models and the real reference.
        ranked_by: name of the metric that ranks the models.
        comparisons: of the models by that metric.
        image_names: of the inputs, or the seeds.
        gallery: None if the options exclude it.
    """

    protocol: Protocol
    rows: list[Row]
    ranked_by: str
    comparisons: list[Comparison]
    image_names: list[str]
    gallery: Gallery | None

    @property
    def direction(self) -> str:
        return self.protocol.direction

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": self.direction,
            "protocol": self.protocol.to_json(),
            "rows": [row.to_json(self.image_names if row.kind == "model" else None) for row in self.rows],
            "ranked_by": self.ranked_by,
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
        }


class DirectionEvaluator:
    """Evaluates models in one direction.

    Args:
        options: of the evaluation.
        models: those without this direction are left out.
        eval_set: images of the evaluation.
        metrics: the networks of the metrics.
        data: the dataset's name.
    """

    def __init__(
        self,
        options: EvaluationOptions,
        models: Sequence[EvaluatedModel],
        eval_set: EvalSet,
        metrics: MetricSuite,
        data: str,
    ) -> None:
        self.options = options
        self.models = [model for model in models if eval_set.direction in model.directions]
        self.eval_set = eval_set
        self.metrics = metrics
        lpips_hash = metrics.lpips.hash if metrics.lpips is not None else ""
        self.protocol = build_protocol(eval_set, data, INCEPTION_NAME, metrics.inception.hash, lpips_hash)
        self.gallery = galleries.new_gallery(eval_set, options.seed) if options.gallery else None

    def evaluate(self) -> DirectionResult:
        """Measure the models, the baseline and the real reference.

        Raises:
            UsageError: the metric to rank by is not measured on these data.
        """
        eval_set = self.eval_set
        self.real = self.metrics.reference_features(eval_set.real, "real images")
        self.inputs = None
        if eval_set.inputs is not None:
            self.inputs = self.metrics.reference_features(eval_set.inputs, "inputs")
        rows = [self._measure_model(model) for model in self.models]
        if all(model.name != IDENTITY for model in self.models):
            rows.insert(0, self._baseline())
        if eval_set.held_out is not None:
            rows.append(self._real_reference(eval_set.held_out))
        ranked_by = self._rank_by(rows)
        if eval_set.inputs is not None:
            image_names = [eval_set.inputs.name(index) for index in range(eval_set.num_outputs)]
        else:
            image_names = [f"seed {index}" for index in range(eval_set.num_outputs)]
        return DirectionResult(self.protocol, rows, ranked_by, comparisons(rows, ranked_by), image_names, self.gallery)

    def _rank_by(self, rows: Sequence[Row]) -> str:
        metric = self.options.rank_by
        if metric is None:
            metric = next(name for name in ("lpips", "psnr", "kid") if name in rows[0].values)
        if any(metric not in row.values for row in rows if row.kind == "model"):
            measured = ", ".join(rows[0].values)
            raise UsageError(f"{METRICS[metric].title} is not measured on these data; choose from {measured}.")
        return metric

    def _compute_row(self, row: Row, measurements: Measurements, sources: ImageSet | None) -> Row:
        """Compute a row. ``sources``: the images that its outputs were made from; None for images from noise."""
        return compute_row(
            row,
            measurements,
            self.real,
            self.options.seed,
            distinct_outputs=None if sources is None else sources.num_distinct(),
            distinct_real=self.eval_set.real.num_distinct(),
        )

    def _measure_model(self, model: EvaluatedModel) -> Row:
        inference = self.options.inference
        inputs = self.eval_set.inputs
        outputs: Any  # all images from noise, or a function of the inputs
        if inputs is None:
            outputs = load_sample_fn(model, inference)(self.eval_set.num_outputs)
            measurements = self.metrics.measure_generated(outputs, model.title)
        elif model.path is None:
            outputs = self._identity
            measurements = self._measure_identity(inputs, model.title)
        else:
            outputs = load_translate_fn(model, self.eval_set.direction, inference)
            measurements = self.metrics.measure_translated(
                outputs, inputs, self._targets(), model.title, translate_back=self._backward_fn(model)
            )
        if self.gallery is not None:
            score = galleries.score_outputs(measurements, self.real, self.inputs)
            galleries.add_model(self.gallery, model.title, outputs, self.eval_set, score)
        return self._compute_row(Row(model.title, "model", model.name, model.checkpoint), measurements, inputs)

    def _measure_identity(self, inputs: ImageSet, title: str) -> Measurements:
        return self.metrics.measure_translated(
            self._identity, inputs, self._targets(), title, features=self._input_features()
        )

    def _identity(self, inputs: Sequence[Image.Image]) -> list[Image.Image]:
        """Return the inputs, enlarged by the scale of a super-resolution task."""
        scale = self.eval_set.scale
        return [resized_like(image, (image.width * scale, image.height * scale)) for image in inputs]

    def _input_features(self) -> Features | None:
        """Return the features of the identity's outputs if they are those of the inputs.

        None if the outputs are resized, or if the network has logits, which the cache does not hold.
        """
        if self.metrics.inception.has_logits or self.eval_set.degradation is not None or self.eval_set.scale > 1:
            return None
        return self.inputs

    def _targets(self) -> ImageSet | None:
        return self.eval_set.real if self.eval_set.paired else None

    def _backward_fn(self, model: EvaluatedModel) -> TranslateFn | None:
        """Return the model's opposite direction, if it has one and the cycle error is to be measured."""
        opposite = Direction(self.eval_set.direction).reverse
        if not self.options.cycle or model.path is None or opposite not in model.directions:
            return None
        return load_translate_fn(model, opposite, self.options.inference)

    def _baseline(self) -> Row:
        """Return the row of the identity; for images from noise, that of uniform noise."""
        inputs = self.eval_set.inputs
        if inputs is not None:
            measurements = self._measure_identity(inputs, IDENTITY_BASELINE)
            return self._compute_row(Row(IDENTITY_BASELINE, "floor"), measurements, inputs)
        rng = np.random.default_rng(self.options.seed)
        width, height = self.eval_set.real[0].size
        noise = [
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            for _ in range(self.eval_set.num_outputs)
        ]
        return self._compute_row(Row("noise", "floor"), self.metrics.measure_generated(noise, "noise"), None)

    def _real_reference(self, held_out: ImageSet) -> Row:
        """Return the row of real images of another split."""
        title = f"real images of the {self.eval_set.held_out_split} split"
        measurements = Measurements(self.metrics.reference_features(held_out, title))
        return self._compute_row(Row(title, "ceiling"), measurements, held_out)
