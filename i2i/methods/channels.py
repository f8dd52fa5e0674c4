"""Which parts of the methods suit images of any channels; the others are refused before a training starts."""

from i2i.errors import ConfigError
from i2i.networks import PatchGANConfig, ProjectedConfig
from i2i.networks.channel_counts import require_three_channels


def check_discriminator(config: PatchGANConfig, *channels: int) -> None:
    """Raise ConfigError for a projected discriminator unless all of its images are RGB.

    Args:
        config: of the discriminator.
        channels: of each domain that it gets.
    """
    if isinstance(config, ProjectedConfig):
        require_three_channels("--discriminator projected", channels, "use --discriminator patchgan")


def require_equal_channels(setting: str, channels_a: int, channels_b: int, reason: str) -> None:
    """Raise ConfigError unless both domains have equal channels.

    Args:
        setting: what needs equal channels.
        channels_a: of the images A, or of the input.
        channels_b: of the images B, or of the output.
        reason: why, as the end of a sentence.
    """
    if channels_a == channels_b:
        return
    advice = "Set it to 0." if setting.startswith("--") else "Use cyclegan, or pix2pix for pairs."
    raise ConfigError(
        f"{setting} {reason}, so both domains need equal channels; they have {channels_a} and {channels_b}. {advice}"
    )
