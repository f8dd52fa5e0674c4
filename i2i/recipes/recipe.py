"""``Recipe``: the method of a training and all of its settings."""

import inspect
from dataclasses import dataclass, replace
from typing import Any

from i2i.config import merge, to_json
from i2i.data.config import DataConfig, DirectedConfig, PairedConfig, SingleDomainConfig, UnpairedConfig
from i2i.data.layout import Kind
from i2i.errors import ConfigError, SettingError
from i2i.methods.base import Method
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.distill import DistillConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.methods.regression import RegressionConfig
from i2i.networks import CompactConfig, RestorationConfig, RestorerConfig
from i2i.restoration import Task
from i2i.restoration.superres import Superres
from i2i.training.config import TrainingConfig

ModelConfig = CycleGANConfig | CUTConfig | Pix2PixConfig | GANConfig | RegressionConfig | DistillConfig
SECTIONS = ("data", "model", "training")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a training.

    Args:
        method: such as "cyclegan".
        name: of the recipe, such as "paper".
        data: dataset, resolution and geometry.
        model: networks and losses.
        training: length, optimizer, and when to log, validate and save.
    """

    method: str
    name: str
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def build(self) -> Method:
        """Return the method with newly initialised networks.

        Raises:
            ConfigError: the networks cannot take images of ``data.size``.
        """
        channels = self.channels
        further: dict[str, Any] = {}
        if channels != (3, 3):
            further = {"in_channels": channels[0], "out_channels": channels[1]}
            if "in_channels" not in inspect.signature(self.model.build).parameters:
                raise ConfigError(
                    f"{self.method} takes images of three channels only; these have {channels[0]} and {channels[1]}."
                )
        if isinstance(self.model, DistillConfig) and isinstance(self.data, DirectedConfig):
            return self.model.build(self.data.size, self.data.direction, **further)
        return self.model.build(self.data.size, **further)

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of the images to translate and of those to return."""
        return self.data.channels if isinstance(self.data, UnpairedConfig) else (3, 3)

    def data_kind(self) -> Kind:
        """Return the kind of dataset that the training needs."""
        if isinstance(self.data, SingleDomainConfig) or self.data.restoration_task:
            return "clean"
        return "paired" if isinstance(self.data, PairedConfig) else "unpaired"

    def input_shapes(self) -> list[tuple[int, int]]:
        """Return the channels and the side in pixels of each image of a sample."""
        size, task = self.data.size, self.data.restoration_task
        if task is not None:
            channels = 3 if task.conditioning == "image" else 4
            return [(channels, size // task.scale), (3, size)]
        if isinstance(self.data, SingleDomainConfig):
            return [(3, size)]
        in_channels, out_channels = self.channels
        return [(in_channels, size // self.superres_scale), (out_channels, size)]

    @property
    def superres_scale(self) -> int:
        """Size of a result relative to its input, without a restoration task; 1 for most networks."""
        generator = getattr(self.model, "generator", None)
        return generator.scale if isinstance(generator, RestorationConfig) else 1

    def for_superres_pairs(self, scale: int, overrides: dict[str, Any]) -> "Recipe":
        """Return the recipe for pairs whose targets are ``scale`` times as wide and high as their inputs.

        The generator becomes a restorer, as for the task superres, or the compact network if the overrides name it.
        They take precedence over its settings.

        Args:
            scale: 2, 3 or 4.
            overrides: those that made this recipe, see ``with_overrides``.

        Raises:
            ConfigError: the overrides name another generator, or the method has no restorer.
        """
        chosen = overrides.get("model", {}).get("generator", {})
        network = chosen.get("network", "restorer")
        if network not in ("restorer", "compact"):
            raise ConfigError(
                f"The targets are {scale} times as wide and high as their inputs, and only --generator restorer "
                f"and compact enlarge images; found {network}. `--layout pairs` resizes both images of a pair to "
                "--size instead."
            )
        defaults = Superres(scale=scale).network_defaults if network == "restorer" else {}
        settings = {"network": network, **defaults, **chosen, "scale": scale}
        return replace(self, model=self._merged("model", {"generator": settings}))

    def to_json(self) -> dict[str, Any]:
        sections = {section: to_json(getattr(self, section)) for section in SECTIONS}
        return {"method": self.method, "recipe": self.name, **sections}

    def with_overrides(self, overrides: dict[str, Any]) -> "Recipe":
        """Return the recipe with some settings replaced.

        If the overrides introduce a restoration task, the generator becomes a restorer with the task's network
        defaults; the overrides take precedence over these.

        Args:
            overrides: {"data": {…}, "model": {…}, "training": {…}}; each may be missing.

        Raises:
            ConfigError: an unknown setting, a value out of range, or a generator that cannot learn the task.
        """
        data = self._merged("data", overrides.get("data", {}))
        model = overrides.get("model", {})
        task = data.restoration_task
        is_new_task = task is not None and type(task) is not type(self.data.restoration_task)
        if is_new_task:
            model = {**model, "generator": {"network": "restorer", **model.get("generator", {})}}
        training = self._merged("training", overrides.get("training", {}))
        recipe = replace(self, data=data, model=self._merged("model", model), training=training)
        if task is None:
            return recipe
        defaults = {}
        if is_new_task and isinstance(recipe.model.generator, RestorerConfig):
            generator = model["generator"]
            defaults = {name: value for name, value in task.network_defaults.items() if name not in generator}
        return recipe._fit_network_to_task(task, defaults)

    def _merged(self, section: str, changes: dict[str, Any]) -> Any:
        """Return the config of a section with some settings replaced. Errors name the section."""
        try:
            return merge(getattr(self, section), changes)
        except SettingError as error:
            raise error.within(section) from error

    def _fit_network_to_task(self, task: Task, defaults: dict[str, Any]) -> "Recipe":
        """Return the recipe with a generator whose input and output are those of a restoration task.

        Args:
            task: the restoration task.
            defaults: further settings of the generator.

        Raises:
            ConfigError: the generator is no restorer and the task needs one.
        """
        generator = self.model.generator
        if isinstance(generator, RestorerConfig):
            settings = {"conditioning": task.conditioning, "prediction": task.prediction, "scale": task.scale}
            return replace(self, model=merge(self.model, {"generator": {**settings, **defaults}}))
        if isinstance(generator, CompactConfig) and (task.conditioning, task.prediction) == ("image", "residual"):
            return replace(self, model=merge(self.model, {"generator": {"scale": task.scale}}))
        if task.conditioning != "image" or task.scale != 1 or isinstance(generator, CompactConfig):
            raise ConfigError(f"This task needs --generator restorer; found {generator.network}.")
        return self
