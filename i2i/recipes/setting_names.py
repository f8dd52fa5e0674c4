"""Errors about the settings of a training, in the words of the Python function ``train``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from i2i.config import rename_settings
from i2i.errors import ConfigError, SettingError
from i2i.recipes.settings import setting_paths


@contextmanager
def errors_name_arguments(method: str) -> Iterator[None]:
    """Name the settings in a ConfigError as the arguments of ``train``.

    Where an argument has another name than its field, the path of the field follows: "d_receptive_field
    (model.discriminator.receptive_field)".

    Args:
        method: such as "cyclegan".
    """
    try:
        yield
    except ConfigError as error:
        paths = setting_paths(method)
        if isinstance(error, SettingError):
            error = rename_settings(error, {path: _described(name, path) for name, path in paths.items()})
        raise ConfigError(_with_arguments(str(error), paths)) from error


def _described(name: str, path: tuple[str, ...]) -> str:
    return name if name == path[-1] else f"{name} ({'.'.join(path)})"


def _with_arguments(text: str, paths: Mapping[str, tuple[str, ...]]) -> str:
    """Return a text with the flags of settings replaced by arguments: "--no-flip" by "flip=False"."""

    def argument(match: re.Match[str]) -> str:
        name = match[1].replace("-", "_")
        off = name.removeprefix("no_")
        if name in paths:
            return name
        return f"{off}=False" if off != name and off in paths else match[0]

    in_code = re.split(r"(`[^`]*`)", text)  # commands stay as they are
    return "".join(re.sub(r"--([a-z][a-z0-9-]*[a-z0-9])", argument, part) if index % 2 == 0 else part
                   for index, part in enumerate(in_code))  # fmt: skip
