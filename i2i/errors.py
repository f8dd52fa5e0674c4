"""Exceptions that i2i raises, with messages for the user.

A message states the value or file, what was expected, and what to do next. The command line prints the message
without a traceback and exits with ``exit_code``.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path


class I2IError(Exception):
    """Base class: a failure that the user can act on.

    >>> try:
    ...     i2i.load("no-such-model")
    ... except i2i.I2IError as error:
    ...     print(type(error).__name__)
    ModelFileError
    """

    exit_code = 1


class UsageError(I2IError):
    """The request cannot be carried out: a bad value, an unknown name, a missing file."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration value is out of its range or has the wrong type."""


class SettingError(ConfigError):
    """A setting has a value that it cannot take, alone or together with other settings.

    The text names each setting by the path of its field, such as "model.discriminator.receptive_field".
    ``with_names`` names them as the user knows them: by flag, or by argument.

    Args:
        template: the message, with the name of each setting in braces.
        settings: the names in the template: paths of fields, relative to the config that is checked; "" for itself.
        listed: names for {listed} in the template: fields that are named without a path.

    >>> error = SettingError("{scales} is 9; it must be from 1 to 6.", "scales").within("model", "discriminator")
    >>> str(error)
    'model.discriminator.scales is 9; it must be from 1 to 6.'
    >>> str(error.with_names(lambda path: "--d-" + path[-1]))
    '--d-scales is 9; it must be from 1 to 6.'
    """

    def __init__(self, template: str, *settings: str, listed: Sequence[str] = ()) -> None:
        self.template = template
        self.paths: dict[str, tuple[str, ...]] = {
            setting: tuple(setting.split(".")) if setting else () for setting in settings
        }
        self.listed: list[tuple[str, ...]] = [(name,) for name in listed]
        super().__init__(self._text(".".join, itemgetter(-1)))

    def within(self, *keys: str) -> "SettingError":
        """Return the error as one of a config that holds this config in the field with the path ``keys``."""
        error = copy.copy(self)
        error.paths = {setting: (*keys, *path) for setting, path in self.paths.items()}
        error.listed = [(*keys, *path) for path in self.listed]
        error.args = (error._text(".".join, itemgetter(-1)),)
        return error

    def with_names(self, name: Callable[[tuple[str, ...]], str]) -> ConfigError:
        """Return the error with other names of the settings. ``name``: maps the path of a field to its name."""
        return ConfigError(self._text(name, name))

    def _text(self, name: Callable[[tuple[str, ...]], str], listed_name: Callable[[tuple[str, ...]], str]) -> str:
        text = self.template.replace("{listed}", ", ".join(map(listed_name, self.listed)))
        for setting, path in self.paths.items():
            text = text.replace("{" + setting + "}", name(path))
        return text


class ArgumentTypeError(UsageError, TypeError):
    """A Python function got an argument of the wrong type, or one that it does not have."""


class ArgumentValueError(UsageError, ValueError):
    """A Python function got an argument of the right type with a value that it cannot take."""


class DatasetError(UsageError):
    """A dataset is missing, empty, or does not have the layout that the training needs."""


class ImageError(I2IError):
    """A file cannot be read as an image, or an image cannot be written."""


class WriteError(I2IError):
    """A file cannot be written: the disk is full, fails, or the folder is read-only."""


class CacheError(I2IError):
    """The cache of training images cannot be written: the disk is full or the folder is read-only."""


class ModelFileError(UsageError):
    """A model file is missing or damaged, or is of a kind that i2i does not read."""


class PluginError(UsageError):
    """A plugin of another package cannot be used."""


class RunError(UsageError):
    """A run's folder is not in the state that the command needs."""


class DownloadError(I2IError):
    """A dataset or model could not be downloaded, or the downloaded file is not the expected one."""


class TrainingError(I2IError):
    """Training cannot continue."""


class RankError(I2IError):
    """Another process of a distributed training has ended, or cannot be reached."""


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an optional extra, with the folder in which it works.

    >>> install_command("onnx")
    '`uv pip install -e ".[onnx]"` in the clone of i2i'
    """
    return f'`uv pip install -e ".[{extra}]"` in the clone of i2i'


@contextmanager
def io_errors(
    path: Path, problem: str = "could not be written", *, error_type: type[I2IError] = I2IError, advice: str = ""
) -> Iterator[None]:
    """Turn an OSError into an I2IError with the message "PATH PROBLEM: REASON. ADVICE".

    Args:
        path: the file or folder that the message names.
        problem: what failed.
        error_type: class of the raised error.
        advice: sentences at the end of the message.
    """
    try:
        yield
    except OSError as error:
        message = f"{path} {problem}: {error.strerror or error}."
        raise error_type(f"{message} {advice}" if advice else message) from error
