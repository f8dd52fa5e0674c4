"""Which parts of an objective do not go together."""

from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig
from i2i.networks import DCGANDiscriminatorConfig, MLPDiscriminatorConfig, PatchGANConfig


def check_critic(
    adversarial: AdversarialConfig, discriminator: PatchGANConfig | DCGANDiscriminatorConfig | MLPDiscriminatorConfig
) -> None:
    """Raise ConfigError where a gradient penalty meets batch norm (Gulrajani et al. 2017, section 4).

    The penalty is on the critic's gradient at each picture alone; batch norm makes it depend on the others.
    """
    penalty = "wgan-gp" if adversarial.loss == "wgan-gp" else "R1" if adversarial.r1 else None
    if penalty and discriminator.norm == "batch":
        raise ConfigError(
            f"{penalty} penalises the discriminator's gradient picture by picture, and batch norm mixes the "
            "pictures of a batch. Add --d-norm instance (or none)."
        )
