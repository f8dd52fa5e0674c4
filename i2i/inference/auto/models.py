"""The installed models among which ``auto`` chooses: those that restore photos without further inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2i.checkpoints.model_file import load_model_info, model_files
from i2i.checkpoints.model_info import ModelInfo
from i2i.checkpoints.shipped import is_shipped
from i2i.errors import ModelFileError
from i2i.inference.restoration import task_of
from i2i.restoration import Task
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres


@dataclass(frozen=True)
class RestorationModel:
    """A model that restores photos.

    Attributes:
        name: under which every command accepts it.
        path: the model file.
        task: the task of its training, with the strengths of the degradation.
        takes_strength: whether it needs the strength of the degradation as input.
    """

    name: str
    path: Path
    task: Task
    takes_strength: bool = False


def installed_models() -> list[RestorationModel]:
    """Return the installed models of restoration tasks: the shipped ones first, then the last trained."""
    return restoration_models(model_files())


def restoration_models(paths: Mapping[str, Path]) -> list[RestorationModel]:
    """Return the models of restoration tasks among model files, by name. Files that are not usable are left out."""
    models = []
    for name, path in sorted(paths.items(), key=lambda item: _rank(*item)):
        try:
            info = load_model_info(path)
            models += [_restoration_model(name, path, info)] if restores_photos(info) else []
        except (ModelFileError, OSError):
            continue  # it is reported where it is named, and by `i2i models list`
    return models


def restores_photos(info: ModelInfo) -> bool:
    """Return whether a model restores photos without a mask."""
    return not info.samples_from_noise and not info.takes_mask and info.task_name not in ("", "none")


def _restoration_model(name: str, path: Path, info: ModelInfo) -> RestorationModel:
    return RestorationModel(name, path, task_of(name, info), info.takes_strength)


def _rank(name: str, path: Path) -> tuple[bool, float, str]:
    shipped = is_shipped(path.parent)
    return not shipped, 0.0 if shipped else -path.stat().st_mtime, name


def find_denoiser(models: Sequence[RestorationModel], sigma: float) -> RestorationModel | None:
    """Return the first model that was trained on noise of this σ or, if it is stronger, on the strongest noise."""
    tasks = [(model, model.task.sigma) for model in models if isinstance(model.task, Denoise)]
    fitting = [model for model, (low, high) in tasks if low <= sigma <= high]
    below = [(high, model) for model, (_, high) in tasks if high < sigma]
    return fitting[0] if fitting else max(below, key=lambda item: item[0])[1] if below else None


def find_dejpeg(models: Sequence[RestorationModel], quality: int) -> RestorationModel | None:
    """Return the first model that was trained on JPEG of this quality or, if it is lower, on the lowest quality."""
    tasks = [(model, model.task.quality) for model in models if isinstance(model.task, Dejpeg)]
    fitting = [model for model, (low, high) in tasks if low <= quality <= high]
    above = [(low, model) for model, (low, _) in tasks if low > quality]
    return fitting[0] if fitting else min(above, key=lambda item: item[0])[1] if above else None


def find_superres(models: Sequence[RestorationModel], scale: int) -> RestorationModel | None:
    """Return the first model with this scale, else with the nearest one."""
    tasks = [(abs(model.task.scale - scale), model) for model in models if isinstance(model.task, Superres)]
    return min(tasks, key=lambda item: item[0])[1] if tasks else None
