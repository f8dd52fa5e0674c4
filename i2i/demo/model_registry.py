"""The models that the demo offers, listed by name and loaded on first use."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from i2i.checkpoints.model_file import load_model_info, model_files
from i2i.checkpoints.model_info import ModelInfo
from i2i.demo.fair_lock import FairLock
from i2i.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from i2i.inference.translator import Translator


@dataclass(frozen=True)
class RegisteredModel:
    """A model file that translates images.

    Attributes:
        name: how users refer to the model, such as "RUN", "RUN/best" or "RUN/snapshots/STEP".
        path: the model file.
        info: the metadata of the model file.
    """

    name: str
    path: Path
    info: ModelInfo

    @property
    def run_folder(self) -> Path:
        """The folder that contains the model file."""
        return self.path.parent


@dataclass(frozen=True)
class ModelChoice:
    """The model that a user selected.

    Attributes:
        name: a name of the registry.
        direction: "AtoB" or "BtoA".
        strength: the degradation strength, for a model that takes one.
    """

    name: str
    direction: str
    strength: float | None = None


class ModelRegistry:
    """The models under the checkpoints folder and the shipped ones.

    Models are looked up by name only, so no user input is ever used as a path.

    Args:
        device: see ``i2i.inference.loading.load``.
        max_loaded: the number of translators to keep in memory (least recently used first out).
    """

    def __init__(self, device: str = "auto", max_loaded: int = 3) -> None:
        self.device = device
        self.max_loaded = max_loaded
        self.lock = FairLock()
        self._info_cache: dict[Path, tuple[tuple[int, int], ModelInfo | None]] = {}
        self._loaded: OrderedDict[tuple[Any, ...], Translator] = OrderedDict()

    def names(self) -> list[str]:
        """Return the names of ``models``."""
        return list(self.models())

    def models(self) -> dict[str, RegisteredModel]:
        """Return the models by name, as they are on disk now.

        Runs come first, sorted by name, each followed by NAME/best if it exists. The shipped models come last.
        """
        paths = {}
        for name, path in model_files().items():
            paths[name] = path
            if (best := path.with_name("best.safetensors")).is_file():
                paths[f"{name}/best"] = best
        return self._readable(paths)

    def model(self, name: str) -> RegisteredModel:
        """Return the model with a name: one of ``models`` or a snapshot, RUN/snapshots/STEP.

        Raises:
            UsageError: no model has this name; the message lists the existing ones.
        """
        models = self.models() | self._snapshots(name)
        if name not in models:
            known = ", ".join(models) or "none yet"
            raise UsageError(f"No model is named {str(name)[:100]!r}. Existing models: {known}.")
        return models[name]

    def _snapshots(self, name: str) -> dict[str, RegisteredModel]:
        """Return all snapshots of the run that a snapshot's name refers to."""
        run_name, _, step = str(name).partition("/snapshots/")
        run = self.models().get(run_name) if step else None
        paths = run.run_folder.glob("snapshots/*.safetensors") if run is not None else ()
        return self._readable({f"{run_name}/snapshots/{path.stem}": path for path in paths})

    def _readable(self, paths: Mapping[str, Path]) -> dict[str, RegisteredModel]:
        """Return the models whose file is readable and translates images."""
        models = {}
        for name, path in paths.items():
            info = self._info(path)
            if info is not None:
                models[name] = RegisteredModel(name, path, info)
        return models

    def strength_range(self, name: str) -> tuple[float, float] | None:
        """Return the weakest and strongest degradation that a model accepts, or None if it takes no strength."""
        from i2i.inference.restoration import task_of

        info = self.model(name).info
        return task_of(name, info).strength_range() if info.takes_strength else None

    def translate(self, name: str, direction: str, image: Image.Image, strength: float | None = None) -> Image.Image:
        """Translate an image after waiting for the lock.

        Raises:
            UsageError: there is no such model, direction or strength. See also ``Translator``.
        """
        with self.lock.hold():
            return self.translator(ModelChoice(name, direction, strength))(image)

    def translator(self, choice: ModelChoice) -> "Translator":
        """Return the translator of a model and load it if necessary. The caller must hold ``lock``, also to use it."""
        from i2i.inference.loading import load

        path = self.model(choice.name).path
        key = (path, *_file_version(path), choice.direction, choice.strength)
        if key not in self._loaded:
            while len(self._loaded) >= self.max_loaded:
                self._loaded.popitem(last=False)
            self._loaded[key] = load(
                str(path.resolve()), choice.direction, device=self.device, strength=choice.strength
            )
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _info(self, path: Path) -> ModelInfo | None:
        """Return a model file's metadata, or None if it cannot be read or translates no images.

        The metadata is cached until the file changes.
        """
        try:
            version = _file_version(path)
            if path not in self._info_cache or self._info_cache[path][0] != version:
                info = load_model_info(path)
                self._info_cache[path] = version, None if info.samples_from_noise else info
        except (OSError, ModelFileError):
            return None
        return self._info_cache[path][1]


def _file_version(path: Path) -> tuple[int, int]:
    """Return modification time and size, which change when the file is rewritten."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
