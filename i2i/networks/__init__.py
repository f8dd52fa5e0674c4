"""Networks: plain modules, each built from a small frozen config beside it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from i2i.config import option
from i2i.networks.dcgan import DCGANConfig, DCGANDiscriminatorConfig, DCGANGeneratorConfig
from i2i.networks.mlp import MLPConfig, MLPDiscriminatorConfig, MLPGeneratorConfig
from i2i.networks.patchgan import PatchGAN, PatchGANConfig, check_size
from i2i.networks.projected import ProjectedConfig, ProjectedDiscriminator
from i2i.networks.resnet import Resnet, ResnetConfig
from i2i.networks.restorer import Restorer, RestorerConfig
from i2i.networks.unet import Unet, UnetConfig

__all__ = [
    "GENERATORS", "SAMPLERS", "DCGANConfig", "DCGANDiscriminatorConfig", "DCGANGeneratorConfig",
    "GeneratorConfig", "Identity", "IdentityConfig", "MLPConfig", "MLPDiscriminatorConfig",
    "MLPGeneratorConfig", "PatchGAN", "PatchGANConfig", "ProjectedConfig",
    "ProjectedDiscriminator", "Resnet", "ResnetConfig", "Restorer", "RestorerConfig",
    "SamplerConfig", "Unet", "UnetConfig", "check_size", "use_mode",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    network: Literal["identity"] = option("identity", "architecture")
    inference: ClassVar = "eval"

    def multiple(self, size: int) -> int:
        """Any input will do."""
        return 1

    def build(self, size: int) -> "Identity":
        """The network, for pictures of any size."""
        return Identity()


class Identity(nn.Module):
    """Returns its input: stands wherever a generator can, to try a pipeline without one."""

    def forward(self, picture: Tensor) -> Tensor:
        return picture


GeneratorConfig = ResnetConfig | UnetConfig | RestorerConfig | IdentityConfig
GENERATORS: dict[str, type[GeneratorConfig]] = {
    "resnet": ResnetConfig,
    "unet": UnetConfig,
    "restorer": RestorerConfig,
    "identity": IdentityConfig,
}
SamplerConfig = DCGANGeneratorConfig | MLPGeneratorConfig  # of networks that take noise (N, latent) to pictures
SAMPLERS: dict[str, type[SamplerConfig]] = {"dcgan": DCGANGeneratorConfig, "mlp": MLPGeneratorConfig}


def use_mode(network: nn.Module, config: GeneratorConfig | SamplerConfig) -> nn.Module:
    """The network made ready for use, by the inference policy of its config: "eval" or "train".

    "train" keeps dropout on and takes batch norm's statistics from the picture at hand (Isola et al. 2017,
    section 3.4): running statistics gathered at batch 1 blur or blacken.
    """
    network.train(config.inference == "train").requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ParametrizationList):  # spectral norm would go on iterating with every picture
            module.eval()
    return network
