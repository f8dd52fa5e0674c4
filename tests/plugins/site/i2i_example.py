"""An example of a package that adds a method, a recipe, a network, a task and two datasets to i2i."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import Config, option
from i2i.data.catalogue import CatalogueEntry
from i2i.data.config import DirectedConfig, UnpairedConfig
from i2i.data.synthetic import SyntheticDataset
from i2i.methods.base import Batch, ImageDict, Method, Turn
from i2i.methods.cyclegan import CycleGANConfig
from i2i.networks import GeneratorConfig, IdentityConfig, ResnetConfig
from i2i.recipes import Recipe
from i2i.restoration.task import Task
from i2i.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class PointwiseConfig(Config):
    """Config of ``Pointwise``."""

    network: Literal["pointwise"] = option("pointwise", "architecture")
    hidden: int = option(8, "hidden channels of the pointwise network", ge=1, le=1024)
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        return 1

    def build(self, size: int) -> "Pointwise":
        return Pointwise(self.hidden)


class Pointwise(nn.Module):
    """A curve of the colours, the same for each pixel."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, hidden, 1), nn.Tanh(), nn.Conv2d(hidden, 3, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.layers(image)
        return result


@dataclass(frozen=True, kw_only=True)
class MeanColourConfig(Config):
    generator: ResnetConfig | IdentityConfig = option(ResnetConfig(), "architecture of the generator")
    weight_mean: float = option(1.0, "weight of the distance of the mean colours", ge=0)

    def build(self, size: int) -> "MeanColour":
        return MeanColour(self, size)


class MeanColour(Method):
    """G gives images of A the mean colour of images of B."""

    def __init__(self, config: MeanColourConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.G = config.generator.build(size)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        distance = F.l1_loss(self.G(real_a).mean((2, 3)), real_b.mean((2, 3)))
        yield "G", {"G/mean": self.config.weight_mean * distance}

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        return {"A": batch[0], "A to B": translators["AtoB"](batch[0])}


METHOD = {
    "plain": Recipe(
        method="meancolour",
        name="plain",
        data=DirectedConfig(size=64),
        model=MeanColourConfig(),  # type: ignore[arg-type]
        training=TrainingConfig(steps=100),
    )
}
RECIPE = Recipe(
    method="cyclegan",
    name="curves",
    data=UnpairedConfig(size=64),
    model=CycleGANConfig(generator=PointwiseConfig()),  # type: ignore[arg-type]
    training=TrainingConfig(steps=100),
)


@dataclass(frozen=True, kw_only=True)
class Posterize(Task):
    """Few grey levels of each channel."""

    task: Literal["posterize"] = option("posterize", "restoration task")
    levels: int = option(4, "grey levels of each channel", ge=2, le=64)

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        step = 255 / (self.levels - 1)
        return (np.round(clean / step) * step).astype(np.uint8)


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, np.ndarray]:
    colour = np.random.default_rng(seed).integers(0, 256, 3, dtype=np.uint8)
    return {f"{split}{domain}": np.broadcast_to(colour, (size, size, 3)).copy()}


PLAIN = SyntheticDataset(
    name="plain", kind="unpaired", summary="Images of one colour.", draw=draw, size=32, train=3, test=2
)
REMOTE = CatalogueEntry(
    name="remote", kind="unpaired", url="https://example.org/remote.zip", folder="remote", summary="nothing", note=""
)
