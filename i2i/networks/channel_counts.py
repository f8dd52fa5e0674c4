"""Build networks for images of any number of channels."""

from typing import Any

from torch import nn

from i2i.errors import ConfigError


def require_equal_channels(setting: str, in_channels: int, out_channels: int) -> None:
    """Raise ConfigError for a setting that adds the input to the output, unless both have equal channels."""
    if in_channels != out_channels:
        raise ConfigError(
            f"{setting} adds the output to the input, which needs equal channels; the input has {in_channels} and the "
            f"output {out_channels}."
        )


def require_three_channels(setting: str, channels: tuple[int, ...], advice: str) -> None:
    """Raise ConfigError for a setting whose pretrained network takes RGB, unless the images have three channels.

    Args:
        setting: the setting.
        channels: of each domain that the network gets.
        advice: what to do instead.
    """
    if set(channels) != {3}:
        found = " and ".join(map(str, channels))
        raise ConfigError(
            f"{setting} has a network that was trained on RGB photos, with three channels; the images have {found}: "
            f"{advice}."
        )


def build_generator(config: Any, size: int, in_channels: int = 3, out_channels: int = 3) -> nn.Module:
    """Build a generator from its config.

    Networks of other packages may take no channels: they are built for three only.

    Args:
        config: of the generator.
        size: pixels a side of the training images.
        in_channels: of its input.
        out_channels: of its output.

    Raises:
        ConfigError: the network cannot be built for this size or these channels.
    """
    if (in_channels, out_channels) == (3, 3):
        network: nn.Module = config.build(size)
        return network
    try:
        network = config.build(size, in_channels, out_channels)
    except TypeError as error:
        raise ConfigError(
            f"The network {config.network} takes and returns three channels only; the images have {in_channels} and "
            f"{out_channels}. Choose another --generator."
        ) from error
    return network
