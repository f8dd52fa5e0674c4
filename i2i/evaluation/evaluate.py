"""Evaluate models on a dataset."""

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from i2i.data.ensure import is_known_dataset
from i2i.data.layout import Kind, Layout
from i2i.data.saved_source import saved_stack
from i2i.data.source import DataSource
from i2i.data.value_ranges import NO_RANGES, DomainRanges, dataset_ranges
from i2i.device import resolve_device
from i2i.directions import describe_direction
from i2i.errors import DatasetError, ModelFileError, UsageError
from i2i.evaluation.channel_pictures import describe_pictures
from i2i.evaluation.direction import DirectionEvaluator, DirectionResult
from i2i.evaluation.eval_set import build_eval_set
from i2i.evaluation.feature_cache import FeatureCache
from i2i.evaluation.metric_specs import METRICS, Threshold
from i2i.evaluation.metric_suite import MetricSuite, Progress
from i2i.evaluation.models import (
    IDENTITY,
    EvaluatedModel,
    common_formats,
    common_task,
    resolve_directions,
    resolve_models,
)
from i2i.evaluation.options import EvaluationOptions
from i2i.evaluation.training_data import needed_kind, training_source
from i2i.evaluation.transforms import Degradation, ResizePolicy
from i2i.evaluation.votes import Tally, read_votes
from i2i.metrics import Inception
from i2i.metrics.paired import Lpips
from i2i.restoration.degrader import Degrader

IDENTITY_THRESHOLD = 2.0  # grey levels of 255; a smaller mean difference of output and input is invisible


@dataclass(repr=False)
class Evaluation:
    """The result of an evaluation.

    Args:
        models: that were evaluated.
        directions: results by direction; the "metrics" of the JSON are those of the first model in the first one.
        notes: warnings for the reader, one sentence each.
        seconds: how long the evaluation took.
        votes: of the demo's blind test.
    """

    models: list[EvaluatedModel]
    directions: list[DirectionResult]
    notes: list[str]
    seconds: float
    votes: list[Tally] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dict for each row of the tables: direction, kind, name, title, and the value of each metric."""
        return [
            {"direction": str(result.direction), "kind": row.kind, "name": row.name, "title": row.title}
            | {metric: estimate.value for metric, estimate in row.values.items()}
            for result in self.directions
            for row in result.rows
        ]

    def __repr__(self) -> str:
        from i2i.evaluation.text_report import format_report

        return format_report(self)

    def to_json(self) -> dict[str, Any]:
        first = next(row for row in self.directions[0].rows if row.kind == "model")
        return {
            "metrics": {name: estimate.value for name, estimate in first.values.items()},
            "protocol": self.directions[0].protocol.to_json(),
            "model": {"name": first.name, "checkpoint": first.checkpoint},
            "directions": [result.to_json() for result in self.directions],
            "votes": [tally.to_json() for tally in self.votes],
            "notes": self.notes,
            "seconds": round(self.seconds, 1),
        }

    def threshold_violations(self, thresholds: Sequence[Threshold]) -> list[str]:
        """Return a sentence for each threshold and model that fails it.

        Raises:
            UsageError: a metric is not measured on these data.
        """
        violations = []
        for threshold in thresholds:
            spec = METRICS[threshold.metric]
            for result in self.directions:
                for row in (row for row in result.rows if row.kind == "model"):
                    if threshold.metric not in row.values:
                        measured = ", ".join(row.values)
                        raise UsageError(f"{spec.title} is not measured on these data; choose from {measured}.")
                    value = row.values[threshold.metric].value
                    if threshold.fails(value):
                        violations.append(
                            f"{row.title}, {result.direction}: {spec.title} is {value:.4g}, {threshold.side} "
                            f"{threshold.bound:g}."
                        )
        return violations


def evaluate(options: EvaluationOptions, progress: Progress = lambda text, done, total: None) -> Evaluation:
    """Evaluate models.

    Args:
        options: what to evaluate, on which images, and how.
        progress: called with a text, the number of images done, and of all images.

    Raises:
        UsageError: the models, the dataset or the options are not usable.
    """
    start = time.monotonic()
    notes: list[str] = []
    models = resolve_models(options.models, options.checkpoint)
    directions = resolve_directions(models, options.direction)
    votes = read_votes(options.votes_file, [model.name for model in models])
    layout = _find_layout(options, models)
    resize = _resize_policy(options, models)
    degradation = _degradation(options, models, layout)
    if degradation is not None:
        options = replace(options, inference=replace(options.inference, strength=degradation.strength))
    fingerprints = {model.info.data.fingerprint for model in models if model.info is not None}
    is_training_data = layout.fingerprint() in fingerprints
    ranges = _value_ranges(options, models, layout)
    formats = common_formats(models)
    notes += [
        f"FID, KID and LPIPS see the images {name} ({format}) as pictures: {describe_pictures(format)}."
        for name, format in zip("AB", formats, strict=True)
        if not format.is_rgb8
    ]
    eval_sets = [
        build_eval_set(
            layout,
            direction,
            split=options.split,
            max_images=options.max_images,
            resize=resize,
            degradation=degradation,
            is_training_data=is_training_data,
            ranges=ranges,
            formats=formats,
        )
        for direction in directions
    ]
    metrics = _metric_suite(options, notes, progress)
    data = layout.data_name
    results = [DirectionEvaluator(options, models, eval_set, metrics, data).evaluate() for eval_set in eval_sets]
    for result in results:
        notes += _notes(result, models)
    return Evaluation(models, results, notes, time.monotonic() - start, votes)


def _notes(result: DirectionResult, models: Sequence[EvaluatedModel]) -> Iterator[str]:
    """Yield what a reader of the table might overlook."""
    direction = result.direction
    for model in models:
        if direction not in model.directions:
            yield f"{model.title} has no direction {direction} and is missing in its table."
    rows = [row for row in result.rows if row.kind == "model"]
    reasons = dict.fromkeys(estimate.reason for row in rows for estimate in row.values.values())
    yield from (f"{describe_direction(direction)}: {reason}." for reason in reasons if reason)
    for row in rows:
        change = row.values.get("change")
        if row.name != IDENTITY and change is not None and change.value < IDENTITY_THRESHOLD:
            yield (
                f"{row.title}, {direction}: outputs are nearly equal to the inputs (mean difference {change.value:.1f} "
                "of 255 grey levels)."
            )


def _find_layout(options: EvaluationOptions, models: Sequence[EvaluatedModel]) -> Layout:
    """Return the layout of the dataset to evaluate on: that of the options, else the first model's training data."""
    trained = [model for model in models if model.info is not None]
    needed = next((needed_kind(model.info) for model in trained if model.info), None)
    if options.data:
        source = options.data if isinstance(options.data, DataSource) else DataSource(data=options.data)
        if source.is_named:
            stacks = (saved_stack(model.info.settings.get("data")) for model in trained if model.info)
            return source.with_default_stack(next(filter(None, stacks), "")).load(needed)
    for model in trained:
        assert model.info is not None
        source = training_source(model.info, model.path)
        if source.is_named:
            return _load_training_data(model, source, needed, options.data)
    raise UsageError("No dataset was named. Give --data NAME or --data PATH.")


def _load_training_data(
    model: EvaluatedModel, source: DataSource, needed: Kind | None, stated: str | DataSource | None
) -> Layout:
    if isinstance(stated, DataSource):  # it has a layout and no folder
        source = replace(
            source,
            layout=stated.layout if stated.layout != "auto" else source.layout,
            pair_suffixes=stated.pair_suffixes or source.pair_suffixes,
            stack=stated.stack or source.stack,
        )
    if source.folder is None and not is_known_dataset(source.data):
        images = {"clean": "photos", "paired": "pairs"}.get(needed or "", "dataset")
        place = source.absolute.get(source.names[0], "") if source.absolute else ""
        where = f" (last in {place})" if place else ""
        raise DatasetError(
            f"{model.name} was trained on {source.title!r}{where}, which is not on this machine. Name the images to "
            f"evaluate on: `i2i evaluate {shlex.quote(model.name)} --data path/to/{images}`."
        )
    return source.load(needed)


def _value_ranges(options: EvaluationOptions, models: Sequence[EvaluatedModel], layout: Layout) -> DomainRanges:
    """Return black and white of the images: as stated, else as in training, else as the dataset's files share them."""
    trained = (model.info.value_ranges for model in models if model.info is not None and any(model.info.value_ranges))
    trained_ranges = next(trained, NO_RANGES)
    if options.value_range is not None:
        return dataset_ranges(layout, options.value_range)
    shared = dataset_ranges(layout, known=trained_ranges)
    return {**shared[0], **trained_ranges[0]}, {**shared[1], **trained_ranges[1]}


def _resize_policy(options: EvaluationOptions, models: Sequence[EvaluatedModel]) -> ResizePolicy:
    """Return how images are resized; by default as in training, and not at all for restoration models."""
    training_sizes = [model.info.size for model in models if model.info is not None]
    size = options.size
    if size is None:
        size = 0 if any(model.task for model in models) else max(training_sizes, default=0)
    if options.resize:
        return ResizePolicy(size, options.resize)
    modes = {model.info.resize for model in models if model.info is not None}
    return ResizePolicy(size, "cover" if modes == {"cover"} else "stretch")


def _degradation(options: EvaluationOptions, models: Sequence[EvaluatedModel], layout: Layout) -> Degradation | None:
    """Return what makes inputs from clean photos; None for translators, and for super-resolution pairs."""
    task = common_task(models)
    if task is not None and task.scale > 1 and layout.kind == "paired":
        if options.size:
            raise UsageError("--size is not for super-resolution pairs: their images keep their sizes. Leave it out.")
        if task.scale != max(layout.sizes.scales):
            raise DatasetError(
                f"The models enlarge images {task.scale} times, and the pairs of {layout.root} have no such sizes "
                f"({layout.source}). Give pairs of this scale, or photos."
            )
        return None
    if task is None:
        if options.strength is not None:
            raise UsageError("--degradation-level is for restoration models; none of these models is one.")
        return None
    strength = task.mid_strength() if options.strength is None else options.strength
    Degrader(task, strength)  # raises UsageError if the task has no strength, or not this one
    return Degradation(task, strength)


def _metric_suite(options: EvaluationOptions, notes: list[str], progress: Progress) -> MetricSuite:
    """Return the networks of the metrics, and add a note for each metric that is left out."""
    device = str(resolve_device(options.inference.device))
    lpips = None
    try:
        lpips = Lpips(device)
    except ModelFileError as error:
        notes.append(f"LPIPS is left out. {error}")
    inception = Inception(device)
    if not inception.has_logits:
        notes.append("The Inception Score is left out: the Inception weights have no classification layer.")
    return MetricSuite(inception, lpips, FeatureCache.default(), progress)
