"""The models that are judged: each with its checkpoints, and what it makes of a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from i2i.checkpoints.run import find_bundle, load_header, model_name
from i2i.config import to_json
from i2i.device import Precision
from i2i.errors import BundleError, UsageError
from i2i.inference import sampler as sample
from i2i.inference import translator
from i2i.inference.loading import SAMPLE
from i2i.inference.restoration import described_task, some_strength
from i2i.restoration import Task

Which = Literal["last", "best", "both"]
IDENTITY = "identity"
LEFT_ALONE = "input left alone"
Make = Callable[[Sequence[Image.Image]], list[Image.Image]]


@dataclass(frozen=True)
class Model:
    """A bundle, or "identity", which returns its input.

    checkpoint: "last", "best", "last and best", or "" where nobody knows.
    """

    name: str
    path: Path | None
    checkpoint: str
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def directions(self) -> list[str]:
        found = self.header.get("directions", ["AtoB", "BtoA"])
        return found if isinstance(found, list) else []

    @property
    def title(self) -> str:
        """Such as "horse2zebra-cyclegan (best by KID, 4000 steps)"."""
        if self.path is None:
            return LEFT_ALONE
        steps, metric = self.header.get("steps"), self.says("best", "metric")
        by = f" by {str(metric).upper()}" if metric and "best" in self.checkpoint else ""
        told = ", ".join(filter(None, (self.checkpoint + by, _counted(steps) if isinstance(steps, int) else "")))
        return f"{self.name} ({told})" if told else self.name

    @property
    def task(self) -> Task | None:
        """What a restoration model undoes. Raises BundleError where the header does not say it rightly."""
        return described_task(str(self.path), self.header) if "task" in self.header else None

    @property
    def run(self) -> Path | None:
        """The folder of the run it belongs to, where it lies in one."""
        folder = self.path.parent if self.path else None
        return folder if folder and (folder / "config.json").is_file() else None

    def says(self, *keys: str) -> Any:
        """A value out of the header's nested tables, or None."""
        found: Any = self.header
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found


def models_of(names: Sequence[str], which: Which) -> list[Model]:
    """The models of runs' names, runs' folders or bundles' paths; of a run its last and its best checkpoint.

    Raises BundleError naming what there is, and UsageError where the same is named twice.
    """
    found: list[Model] = []
    for name in names:
        found += [Model(IDENTITY, None, "")] if name == IDENTITY else _checkpoints(name, which)
    titles = [(model.name, model.checkpoint) for model in found]
    if twice := next((title for title in titles if titles.count(title) > 1), None):
        raise UsageError(f"{' '.join(twice).strip()} is named twice.")
    return found


def _checkpoints(name: str, which: Which) -> list[Model]:
    path = find_bundle(name)
    if path.name != "weights.safetensors" or not (path.parent / "config.json").is_file():
        header = load_header(path)
        return [Model(_short(path, name), path, "best" if header.get("best") else "", header)]
    best = path.with_name("best.safetensors")
    if which == "best" and not best.is_file():
        raise BundleError(f"{name} has no best checkpoint: --keep-best of `i2i train` keeps one.")
    label, last = path.resolve().parent.name, load_header(path)
    if which == "last" or not best.is_file():
        return [Model(label, path, "last", last)]
    kept = load_header(best)
    if which == "both" and kept.get("steps") == last.get("steps"):  # the same weights: judged once
        return [Model(label, best, "last and best", kept)]
    return ([Model(label, path, "last", last)] if which == "both" else []) + [Model(label, best, "best", kept)]


def _short(path: Path, name: str) -> str:
    if path.parent.name == "snapshots":
        return model_name(path.resolve())
    return path.resolve().parent.name if path.stem in ("best", "weights") else Path(name).stem


def _counted(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


@dataclass(frozen=True)
class Setting:
    """On what the models are run."""

    device: str = "auto"
    precision: Precision = "auto"
    strength: float | None = None  # of the damage, which some restoration models want to be told


def maker(model: Model, direction: str, setting: Setting) -> Make:
    """What takes inputs to outputs in a direction. Raises BundleError or UsageError where it cannot be loaded."""
    if model.path is None:
        return list
    told = setting.strength if some_strength(model.header) is not None else None
    return translator.load(
        str(model.path), direction, device=setting.device, precision=setting.precision, strength=told
    ).translate


def sampler(model: Model, setting: Setting) -> Callable[[int], list[Image.Image]]:
    """What paints that many pictures, of the seeds from 0 on."""
    loaded = sample.load(str(model.path), device=setting.device, precision=setting.precision)
    return lambda count: list(loaded(range(count)))


def directions_of(models: Sequence[Model], asked: str | None) -> list[str]:
    """The directions that are judged: all that a model has, in order. Raises UsageError for one that none has.

    Models that paint from noise and models that translate cannot stand in one table.
    """
    trained = [model for model in models if model.path is not None]
    painting = [model.name for model in trained if model.directions == SAMPLE]
    if painting and len(painting) < len(models):
        raise UsageError(f"{painting[0]} paints pictures from noise and cannot be compared with a translator.")
    known = [d for d in ("AtoB", "BtoA", *SAMPLE) if any(d in model.directions for model in trained)] or ["AtoB"]
    if asked is None:
        return known
    if asked not in known and trained:
        raise UsageError(f"No model here has the direction {asked!r}; there is {', '.join(known)}.")
    return [asked]


def task_of(models: Sequence[Model]) -> Task | None:
    """The restoration task of the models that are trained; None where they translate.

    Raises UsageError where they do not all undo the same: settings of one task may differ, for the first counts.
    """
    tasks = {model.title: model.task for model in models if model.path is not None}
    kinds = {title: (to_json(task)["task"], task.scale) if task else None for title, task in tasks.items()}
    if len(set(kinds.values())) > 1:
        (one, first), (other, second) = next(
            pair for pair in zip(kinds.items(), list(kinds.items())[1:], strict=False) if pair[0][1] != pair[1][1]
        )
        raise UsageError(f"{one} and {other} cannot stand in one table: {_undoes(first)}, and {_undoes(second)}.")
    return next(iter(tasks.values()), None)


def _undoes(kind: tuple[str, int] | None) -> str:
    if kind is None:
        return "one translates"
    return f"one restores ({kind[0]}{f' ×{kind[1]}' if kind[1] > 1 else ''})"
