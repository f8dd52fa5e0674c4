"""Networks: plain modules, each built from a small frozen config beside it."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from i2i.config import option
from i2i.errors import ConfigError
from i2i.networks.patchgan import PatchGAN, PatchGANConfig, check_size
from i2i.networks.resnet import Resnet, ResnetConfig
from i2i.networks.unet import Unet, UnetConfig

__all__ = [
    "GENERATORS", "GeneratorConfig", "Identity", "IdentityConfig", "PatchGAN", "PatchGANConfig", "Resnet",
    "ResnetConfig", "Unet", "UnetConfig", "build_generator", "check_size", "size_multiple",
    "use_mode",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    network: Literal["identity"] = option("identity", "architecture")


class Identity(nn.Module):
    """Returns its input: stands wherever a generator can, to try a pipeline without one."""

    def forward(self, picture: Tensor) -> Tensor:
        return picture


GeneratorConfig = ResnetConfig | UnetConfig | IdentityConfig
GENERATORS: dict[str, type[GeneratorConfig]] = {
    "resnet": ResnetConfig,
    "unet": UnetConfig,
    "identity": IdentityConfig,
}


def build_generator(config: GeneratorConfig, size: int) -> nn.Module:
    """The generator of ``config`` for pictures trained at ``size`` pixels a side.

    Raises ConfigError where the network cannot take that size.
    """
    if isinstance(config, UnetConfig):
        return Unet(config, size)
    if size % size_multiple(config, size) or size < size_multiple(config, size) * 2:
        raise ConfigError(f"A {config.network} generator needs a size that is a multiple of 4, from 8; found {size}.")
    return Resnet(config) if isinstance(config, ResnetConfig) else Identity()


def size_multiple(config: GeneratorConfig, size: int) -> int:
    """Pixels of which height and width of an input must be multiples."""
    if isinstance(config, UnetConfig):
        return size
    return 4 if isinstance(config, ResnetConfig) else 1


def use_mode(network: nn.Module, config: GeneratorConfig) -> nn.Module:
    """The network made ready for use, by the inference policy of its config: "eval" or "train".

    "train" keeps dropout on and takes batch norm's statistics from the picture at hand (Isola et al. 2017,
    section 3.4): running statistics gathered at batch 1 blur or blacken.
    """
    keep = isinstance(config, ResnetConfig | UnetConfig) and config.inference == "train"
    return network.train(keep).requires_grad_(False)
