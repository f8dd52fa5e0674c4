"""Exceptions that i2i raises, with messages for the user.

A message states the value or file, what was expected, and what to do next. The command line prints the message
without a traceback and exits with ``exit_code``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
