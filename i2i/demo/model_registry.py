"""The models that the demo offers, listed by name and loaded on first use."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from i2i.checkpoints.model_file import model_files
from i2i.checkpoints.model_info import ModelInfo
from i2i.checkpoints.shipped import SHIPPED_MODELS, is_shipped
from i2i.demo.fair_lock import FairLock
from i2i.demo.usable_models import is_text, load_usable_info
from i2i.errors import ModelFileError, UsageError
from i2i.inference.chain_names import split_chain, split_member
from i2i.inference.finishing import AS_IT_IS, Finishing

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

MAX_REASON = 400  # characters of the reason why a model is not usable


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

    @property
    def is_shipped(self) -> bool:
        return is_shipped(self.run_folder)

    @property
    def trained(self) -> datetime | None:
        """When the weights were written; None for a shipped model, whose file has the time of the installation."""
        return None if self.is_shipped else datetime.fromtimestamp(_modified(self.path))

    @property
    def takes(self) -> str:
        """The images that the model takes, such as "2 channels of uint16, 0 to 4095"; "photos" for RGB of 8 bits."""
        if self.info.takes_pictures:
            return "photos"
        formats = dict.fromkeys(str(self.info.input_format(direction)) for direction in self.info.directions)
        return " or ".join(formats)

    def rank(self) -> tuple[Any, ...]:
        """Return the sort key of ``ModelRegistry.models``."""
        if self.is_shipped:
            return (0, SHIPPED_MODELS.index(self.name) if self.name in SHIPPED_MODELS else 0, self.name)
        return (1, -_modified(self.run_folder / "weights.safetensors"), self.name)


@dataclass(frozen=True)
class ModelChoice:
    """The model that a user selected.

    Attributes:
        name: a name of the registry.
        direction: "AtoB" or "BtoA".
        strength: the degradation strength, for a model that takes one.
        finishing: how results are mixed with their photos.
    """

    name: str
    direction: str
    strength: float | None = None
    finishing: Finishing = AS_IT_IS


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
        self._info_cache: dict[Path, tuple[tuple[int, int], ModelInfo | ModelFileError]] = {}
        self._loaded: OrderedDict[tuple[Any, ...], Translator] = OrderedDict()

    def names(self) -> list[str]:
        """Return the names of ``models``."""
        return list(self.models())

    def models(self) -> dict[str, RegisteredModel]:
        """Return the models by name, as they are on disk now.

        The shipped models come first, then the runs, the last trained one first, each followed by NAME/best if it
        exists.
        """
        models = self._checked(self._paths())[0]
        return {model.name: model for model in sorted(models, key=RegisteredModel.rank)}

    def chainable_names(self) -> list[str]:
        """Return the names of the models that can take the results of another one without further inputs."""
        models = self.models().items()
        return [
            name
            for name, model in models
            if model.info.takes_pictures and not (model.info.takes_mask or model.info.takes_strength)
        ]

    def unusable(self) -> dict[str, str]:
        """Return the reason for each model file that cannot be used, by the name that the model would have."""
        return self._checked(self._paths())[1]

    def default_name(self, last_used: str | None = None) -> str | None:
        """Return the name of the model to start with: the last used one if it is there, else the first one."""
        names = self.names()
        return last_used if last_used in names else next(iter(names), None)

    def _paths(self) -> dict[str, Path]:
        paths = {}
        for name, path in model_files().items():
            paths[name] = path
            if (best := path.with_name("best.safetensors")).is_file():
                paths[f"{name}/best"] = best
        return paths

    def model(self, name: str) -> RegisteredModel:
        """Return the model with a name: one of ``models`` or a snapshot, RUN/snapshots/STEP; of a chain the first one.

        Raises:
            UsageError: no model has this name; the message lists the existing ones.
        """
        models = self.models() | self._snapshots(name)
        if name in models:
            return models[name]
        if "+" in str(name):
            return replace(self.chain(name)[0][0], name=name)
        if reason := self.unusable().get(name):
            raise UsageError(f"The model {name} cannot be used: {reason}")
        known = ", ".join(models) or "none yet"
        raise UsageError(f"No model is named {str(name)[:100]!r}. Existing models: {known}.")

    def chain(self, name: str) -> list[tuple[RegisteredModel, str]]:
        """Return the members of a chain such as "denoise+superres2", each with its own direction or strength, if any.

        A model alone is a chain of one.

        Raises:
            UsageError: as ``model`` does, or if a member is empty.
        """
        if "+" not in str(name) or name in self.models() | self._snapshots(name):
            return [(self.model(name), "")]
        members = []
        for text in split_chain(name):
            member = text if text in self.models() else split_member(text)[0]
            members.append((self.model(member), text.removeprefix(member)))
        return members

    def _snapshots(self, name: str) -> dict[str, RegisteredModel]:
        """Return all snapshots of the run that a snapshot's name refers to."""
        run_name, _, step = str(name).partition("/snapshots/")
        run = self.models().get(run_name) if step else None
        paths = run.run_folder.glob("snapshots/*.safetensors") if run is not None else ()
        snapshots = self._checked({f"{run_name}/snapshots/{path.stem}": path for path in paths})[0]
        return {snapshot.name: snapshot for snapshot in snapshots}

    def _checked(self, paths: Mapping[str, Path]) -> tuple[list[RegisteredModel], dict[str, str]]:
        """Return the models that translate images, and the reason for each file that is not usable."""
        models = list[RegisteredModel]()
        unusable = dict[str, str]()
        for name, path in paths.items():
            info = self._info(path) if is_text(name) else ModelFileError("Its name is not valid Unicode. Rename it.")
            if isinstance(info, ModelFileError):
                reason = str(info).replace(str(path), path.name)
                unusable[name.encode(errors="replace").decode()] = reason[:MAX_REASON]
            elif not info.samples_from_noise:
                models.append(RegisteredModel(name, path, info))
        return models, unusable

    def strength_range(self, name: str) -> tuple[float, float] | None:
        """Return the weakest and strongest degradation that a model accepts, or None if it takes no strength."""
        from i2i.inference.restoration import task_of

        for model, own in self.chain(name):
            if model.info.takes_strength and not own:
                return task_of(model.name, model.info).strength_range()
        return None

    def translate(self, name: str, direction: str, image: Image.Image, strength: float | None = None) -> Image.Image:
        """Translate an image after waiting for the lock.

        Args:
            name: of the model.
            direction: "AtoB" or "BtoA".
            image: a picture; of other images than RGB of 8 bits a ``ChannelPicture``, as is the result.
            strength: the degradation strength.

        Raises:
            UsageError: there is no such model, direction or strength. See also ``Translator``.
        """
        from i2i.evaluation.channel_pictures import translate_pictures

        with self.lock.hold():
            translator: Any = self.translator(ModelChoice(name, direction, strength))
            if translator.takes_channels:
                [result] = translate_pictures(translator.translate)([image])
                return result
            return translator(image)

    def translator(self, choice: ModelChoice) -> "Translator":
        """Return the translator of a model and load it if necessary. The caller must hold ``lock``, also to use it."""
        from i2i.inference.loading import load, load_chain
        from i2i.inference.options import InferenceOptions

        members = [(model.path.resolve(), own) for model, own in self.chain(choice.name)]
        versions = [(path, own, *_file_version(path)) for path, own in members]
        key = (*versions, choice.direction, choice.strength)
        if key not in self._loaded:
            while len(self._loaded) >= self.max_loaded:
                self._loaded.popitem(last=False)
            names = [f"{path}{own}" for path, own in members]
            options = InferenceOptions(self.device, strength=choice.strength)
            self._loaded[key] = (
                load(names[0], choice.direction, device=self.device, strength=choice.strength)
                if len(names) == 1
                else load_chain(names, choice.direction, options)
            )
        self._loaded.move_to_end(key)
        translator = self._loaded[key]
        return translator.with_finishing(choice.finishing) if choice.finishing.changes_results else translator

    def _info(self, path: Path) -> ModelInfo | ModelFileError:
        """Return a model file's metadata, or why they are not usable. They are cached until the file changes."""
        try:
            version = _file_version(path)
            if path not in self._info_cache or self._info_cache[path][0] != version:
                self._info_cache[path] = version, load_usable_info(path)
        except OSError as error:
            return ModelFileError(f"{path.name} cannot be read: {error.strerror}.")
        return self._info_cache[path][1]


def _modified(path: Path) -> float:
    """Return the modification time of a file; 0 if it is missing."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _file_version(path: Path) -> tuple[int, int]:
    """Return modification time and size, which change when the file is rewritten."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
