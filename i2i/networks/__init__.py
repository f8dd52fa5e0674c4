"""Networks: plain modules, each built from a small frozen config."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from i2i.config import Config, discriminator_values, extend_unions, option
from i2i.networks.channel_counts import build_generator, require_equal_channels
from i2i.networks.compact import Compact, CompactConfig
from i2i.networks.dcgan import DCGANConfig, DCGANDiscriminatorConfig, DCGANGeneratorConfig
from i2i.networks.mlp import MLPConfig, MLPDiscriminatorConfig, MLPGeneratorConfig
from i2i.networks.patchgan import PatchGAN, PatchGANConfig, check_input_size
from i2i.networks.projected import ProjectedConfig, ProjectedDiscriminator
from i2i.networks.resnet import Resnet, ResnetConfig
from i2i.networks.restorer import Restorer, RestorerConfig
from i2i.networks.spandrel import SpandrelConfig, SpandrelNetwork
from i2i.networks.unet import Unet, UnetConfig
from i2i.plugins import PluginGroup

__all__ = [
    "GENERATORS", "NETWORK_PLUGINS", "NOISE_GENERATORS", "Compact", "CompactConfig", "DCGANConfig",
    "DCGANDiscriminatorConfig", "DCGANGeneratorConfig",
    "GeneratorConfig", "Identity", "IdentityConfig", "MLPConfig", "MLPDiscriminatorConfig",
    "MLPGeneratorConfig", "NoiseGeneratorConfig", "PatchGAN", "PatchGANConfig", "ProjectedConfig",
    "ProjectedDiscriminator", "Resnet", "ResnetConfig", "RestorationConfig", "Restorer", "RestorerConfig",
    "SpandrelConfig", "SpandrelNetwork",
    "Unet", "UnetConfig", "build_generator", "check_input_size", "prepare_for_inference",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class IdentityConfig(Config):
    """Config of ``Identity``."""

    network: Literal["identity"] = option("identity", "architecture")
    inference_mode: ClassVar = "eval"

    def size_multiple(self, size: int) -> int:
        """Return 1: inputs of any size are valid."""
        return 1

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Identity":
        """Build the network, which takes images of any size. Raises ConfigError for unequal channels."""
        require_equal_channels("--generator identity", in_channels, out_channels)
        return Identity()


class Identity(nn.Module):
    """Return the input. Takes a generator's place to test a pipeline without one."""

    def forward(self, image: Tensor) -> Tensor:
        return image


RestorationConfig = RestorerConfig | CompactConfig  # networks that may enlarge, and whose receptive field is finite
GeneratorConfig = ResnetConfig | UnetConfig | RestorerConfig | CompactConfig | IdentityConfig
GENERATORS: dict[str, type[GeneratorConfig]] = {
    "resnet": ResnetConfig,
    "unet": UnetConfig,
    "restorer": RestorerConfig,
    "compact": CompactConfig,
    "identity": IdentityConfig,
}


def _check_plugin(name: str, config: Any) -> type[GeneratorConfig]:
    """Return the config class of a network of another package."""
    if not (isinstance(config, type) and issubclass(config, Config)):
        raise TypeError(f"{config!r} is no subclass of i2i.config.Config")
    if discriminator_values(config) != (name,):
        raise TypeError(f"{config.__qualname__} has no field network: Literal[{name!r}]")
    missing = [
        attribute for attribute in ("build", "size_multiple", "inference_mode") if not hasattr(config, attribute)
    ]
    if missing:
        raise TypeError(f"{config.__qualname__} has no {' and no '.join(missing)}")
    config()  # every field needs a default, and its bounds must hold
    return cast("type[GeneratorConfig]", config)


NETWORK_PLUGINS = PluginGroup("i2i.networks", "network", lambda: [*GENERATORS, *NOISE_GENERATORS], _check_plugin)
extend_unions(IdentityConfig, lambda: NETWORK_PLUGINS.load_all().values())
NoiseGeneratorConfig = DCGANGeneratorConfig | MLPGeneratorConfig  # networks from noise (N, latent) to images
NOISE_GENERATORS: dict[str, type[NoiseGeneratorConfig]] = {"dcgan": DCGANGeneratorConfig, "mlp": MLPGeneratorConfig}


def prepare_for_inference(
    network: nn.Module, config: GeneratorConfig | NoiseGeneratorConfig | SpandrelConfig
) -> nn.Module:
    """Set ``network`` to the inference mode of its config, without gradients, and return it.

    In mode "train" dropout stays on and batch norm takes its statistics from the input (Isola et al. 2017,
    section 3.4): running statistics gathered at batch size 1 blur or blacken the result.
    """
    network.train(config.inference_mode == "train").requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ParametrizationList):  # in train mode, spectral norm would change with every image
            module.eval()
    return network
