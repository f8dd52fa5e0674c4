"""The evaluated models: their checkpoints, metadata, directions and tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from PIL import Image

from i2i.checkpoints.hub import address_of_cached_file
from i2i.checkpoints.model_file import find_model_file, load_model_info, model_name
from i2i.checkpoints.model_info import ModelInfo
from i2i.config import to_json
from i2i.directions import SAMPLE, Direction
from i2i.errors import ModelFileError, UsageError
from i2i.evaluation.channel_pictures import translate_pictures
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.inference import loading, sampler
from i2i.inference.options import InferenceOptions
from i2i.inference.restoration import superres_scale, task_of
from i2i.restoration import Task
from i2i.restoration.superres import Superres

CheckpointChoice = Literal["last", "best", "both"]
IDENTITY = "identity"
IDENTITY_BASELINE = "unchanged input"
TranslateFn = Callable[[Sequence[Image.Image]], list[Image.Image]]


@dataclass(frozen=True)
class EvaluatedModel:
    """A model file, or the identity.

    Args:
        name: of the run or the file, or "identity".
        path: of the model file; None for the identity.
        checkpoint: "last", "best", "last and best", or "" if unknown.
        info: metadata of the model file; None for the identity.
    """

    name: str
    path: Path | None
    checkpoint: str
    info: ModelInfo | None = None

    @property
    def directions(self) -> tuple[str, ...]:
        return self.info.directions if self.info is not None else tuple(Direction)

    @property
    def title(self) -> str:
        """Name and checkpoint, such as "horse2zebra-cyclegan (best by KID, 4000 steps)"."""
        if self.info is None:
            return IDENTITY_BASELINE
        details = []
        if self.info.best is not None and "best" in self.checkpoint:
            details.append(f"{self.checkpoint} by {self.info.best.metric.upper()}")
        elif self.checkpoint:
            details.append(self.checkpoint)
        steps = self.info.steps
        if steps is not None:
            details.append("1 step" if steps == 1 else f"{steps} steps")
        return f"{self.name} ({', '.join(details)})" if details else self.name

    @property
    def task(self) -> Task | None:
        """The restoration task; None for a translator. A model of super-resolution pairs has the task superres.

        Raises:
            ModelFileError: the metadata describe it incorrectly.
        """
        if self.info is None:
            return None
        if self.info.task is not None:
            return task_of(str(self.path), self.info)
        scale = superres_scale(self.info)
        return Superres(scale=scale) if scale > 1 else None

    @property
    def has_unknown_task(self) -> bool:
        """Whether it is a restoration model of another program that does not say what it undoes."""
        return self.info is not None and self.info.restores and not self.info.task_title

    @property
    def run(self) -> Path | None:
        """The run's folder, if the model file is in one."""
        folder = self.path.parent if self.path else None
        return folder if folder and (folder / "config.json").is_file() else None


def resolve_models(names: Sequence[str], checkpoint: CheckpointChoice) -> list[EvaluatedModel]:
    """Return the models with the given names.

    Args:
        names: runs' names, runs' folders, paths of model files, or "identity".
        checkpoint: which checkpoints of a run to return.

    Raises:
        ModelFileError: no such model, or a run without a best checkpoint for "best".
        UsageError: one model is named twice.
    """
    models: list[EvaluatedModel] = []
    for name in names:
        models += [EvaluatedModel(IDENTITY, None, "")] if name == IDENTITY else _checkpoints(name, checkpoint)
    titles = [(model.name, model.checkpoint) for model in models]
    if duplicate := next((title for title in titles if titles.count(title) > 1), None):
        raise UsageError(f"{' '.join(duplicate).strip()} is named twice.")
    return models


def _checkpoints(name: str, checkpoint: CheckpointChoice) -> list[EvaluatedModel]:
    path = find_model_file(name)
    last = loading.any_model_info(path)
    is_run = (path.parent / "config.json").is_file() and address_of_cached_file(path) is None
    if path.name != "weights.safetensors" or not is_run:
        return [EvaluatedModel(_short_name(path, name), path, "best" if last.best else "", last)]
    best_path = path.with_name("best.safetensors")
    if checkpoint == "best" and not best_path.is_file():
        raise ModelFileError(f"{name} has no best checkpoint: `i2i train` keeps one with --best-metric.")
    run = path.resolve().parent.name
    if checkpoint == "last" or not best_path.is_file():
        return [EvaluatedModel(run, path, "last", last)]
    best = load_model_info(best_path)
    if checkpoint == "best":
        return [EvaluatedModel(run, best_path, "best", best)]
    if best.steps == last.steps:  # the same weights
        return [EvaluatedModel(run, best_path, "last and best", best)]
    return [EvaluatedModel(run, path, "last", last), EvaluatedModel(run, best_path, "best", best)]


def _short_name(path: Path, name: str) -> str:
    if address_of_cached_file(path) is not None:
        return name
    if path.parent.name == "snapshots":
        return model_name(path.resolve())
    return path.resolve().parent.name if path.stem in ("best", "weights") else Path(name).stem


def load_translate_fn(model: EvaluatedModel, direction: str, options: InferenceOptions) -> TranslateFn:
    """Return a function that translates a batch of images.

    Raises:
        ModelFileError: the model file cannot be used.
        UsageError: the model has no such direction.
    """
    if model.info is None:
        return list
    strength = options.strength if model.info.takes_strength else None
    translator = loading.load(
        str(model.path), direction, device=options.device, precision=options.precision, strength=strength
    )
    return translate_pictures(translator.translate) if translator.takes_channels else translator.translate


def load_sample_fn(model: EvaluatedModel, options: InferenceOptions) -> Callable[[int], list[Image.Image]]:
    """Return a function that generates a number of images, with seeds from 0."""
    generate = sampler.load(str(model.path), device=options.device, precision=options.precision)
    return lambda count: list(generate(range(count)))


def common_formats(models: Sequence[EvaluatedModel]) -> DomainFormats:
    """Return the formats of the images A and B that all models were trained on; RGB without a trained model.

    Raises:
        UsageError: the models take images of different formats.
    """
    formats = {model.title: model.info.formats for model in models if model.info is not None}
    for (title_a, formats_a), (title_b, formats_b) in pairwise(formats.items()):
        if formats_a != formats_b:
            found = [f"{title}: {a}; {b}" for title, (a, b) in ((title_a, formats_a), (title_b, formats_b))]
            raise UsageError(
                f"{title_a} and {title_b} take different images ({'. '.join(found)}). Evaluate them apart."
            )
    return next(iter(formats.values()), RGB_FORMATS)


def resolve_directions(models: Sequence[EvaluatedModel], direction: str | None) -> list[str]:
    """Return the directions to evaluate.

    Args:
        models: at least one.
        direction: None for all that any model has.

    Raises:
        UsageError: no model has ``direction``, or generators from noise are mixed with translators.
    """
    trained = [model for model in models if model.path is not None]
    generators = [model.name for model in trained if SAMPLE in model.directions]
    if generators and len(generators) < len(models):
        raise UsageError(f"{generators[0]} generates images from noise and cannot be compared with a translator.")
    order = (*Direction, SAMPLE)
    available = [name for name in order if any(name in model.directions for model in trained)] or [Direction.A_TO_B]
    if direction is None:
        return available
    if direction not in available and trained:
        raise UsageError(f"None of the models has the direction {direction!r}; choose from {', '.join(available)}.")
    return [direction]


def common_task(models: Sequence[EvaluatedModel]) -> Task | None:
    """Return the restoration task of all models; None for translators.

    The models may have been trained with other settings of one task; the first model's are returned. A restoration
    model of another program whose task is unknown takes that of the others.

    Raises:
        UsageError: the models have different tasks or scales.
    """
    known = [model for model in models if model.path is not None and not model.has_unknown_task]
    tasks = {model.title: model.task for model in known}
    kinds = [(title, (to_json(task)["task"], task.scale) if task else None) for title, task in tasks.items()]
    for (title_a, kind_a), (title_b, kind_b) in pairwise(kinds):
        if kind_a != kind_b:
            raise UsageError(
                f"{title_a} and {title_b} cannot be compared: {_describe_task(kind_a)}, and {_describe_task(kind_b)}."
            )
    return next(iter(tasks.values()), None)


def _describe_task(kind: tuple[str, int] | None) -> str:
    if kind is None:
        return "one translates"
    name, scale = kind
    return f"one restores ({name} ×{scale})" if scale > 1 else f"one restores ({name})"
