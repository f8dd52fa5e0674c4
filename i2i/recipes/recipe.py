"""What a training is: its objective, and the settings of its data, its networks and losses, its course."""

from dataclasses import dataclass, replace
from typing import Any

from i2i.config import merge, to_json
from i2i.data.dataset import DataConfig, PairedConfig, PhotosConfig
from i2i.data.layout import Kind
from i2i.errors import ConfigError
from i2i.methods.base import Objective
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.methods.regression import RegressionConfig
from i2i.networks import RestorerConfig
from i2i.restoration import Task
from i2i.training.config import TrainingConfig

ModelConfig = CycleGANConfig | CUTConfig | Pix2PixConfig | GANConfig | RegressionConfig
SECTIONS = ("data", "model", "training")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training in full: the objective and the settings of its data, its networks and losses, its course."""

    objective: str
    name: str
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def build(self) -> Objective:
        """The objective with freshly drawn networks. Raises ConfigError where they cannot take the size."""
        return self.model.build(self.data.size)

    def needs(self) -> Kind:
        """The kind of data it learns from."""
        if isinstance(self.data, PhotosConfig) or self.data.restores():
            return "clean"
        return "paired" if isinstance(self.data, PairedConfig) else "unpaired"

    def shapes(self) -> list[tuple[int, int]]:
        """Channels and pixels a side of each picture that makes a sample."""
        size, task = self.data.size, self.data.restores()
        if task is not None:
            return [(3 if task.shows == "picture" else 4, size // task.scale), (3, size)]
        return [(3, size)] * (1 if isinstance(self.data, PhotosConfig) else 2)

    def to_json(self) -> dict[str, Any]:
        sections = {section: to_json(getattr(self, section)) for section in SECTIONS}
        return {"objective": self.objective, "recipe": self.name, **sections}

    def merged(self, changes: dict[str, Any]) -> "Recipe":
        """With the settings that ``changes`` names: {"data": {…}, "model": {…}, "training": {…}}.

        A restoration task that comes new brings the network that suits it, but for what ``changes`` says of that.
        """
        data = merge(self.data, changes.get("data", {}))
        task, model = data.restores(), changes.get("model", {})
        new = task is not None and type(task) is not type(self.data.restores())
        if new:
            model = {**model, "generator": {"network": "restorer", **model.get("generator", {})}}
        training = merge(self.training, changes.get("training", {}))
        merged = replace(self, data=data, model=merge(self.model, model), training=training)
        return merged if task is None else merged._suited(task, model.get("generator", {}), new=new)

    def _suited(self, task: Task, asked: dict[str, Any], *, new: bool) -> "Recipe":
        """With a network that takes what a restoration task shows, and gives what it asks for.

        asked: settings of the generator to be left alone, as are all of them where the task is not new. Raises
        ConfigError where the network cannot do it.
        """
        generator = self.model.generator
        if isinstance(generator, RestorerConfig):
            better = {name: value for name, value in task.suits.items() if new and name not in asked}
            suit = {"shows": task.shows, "answers": task.answers, "scale": task.scale, **better}
            return replace(self, model=merge(self.model, {"generator": suit}))
        if task.shows != "picture" or task.scale != 1:
            raise ConfigError(f"This task needs --generator restorer; found {generator.network}.")
        return self
