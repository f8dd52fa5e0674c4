"""What i2i raises when something is wrong: one family, with messages meant to be read by a user.

A message says what was found, what was expected, and what to do next. The command line prints it without
a traceback and exits with ``exit_code``.
"""


class I2IError(Exception):
    """Something failed that the user can do something about."""

    exit_code = 1


class UsageError(I2IError):
    """What was asked for cannot be done: a bad value, an unknown name, a missing file."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration value is out of its range, or of the wrong type."""


class DatasetError(UsageError):
    """A dataset is missing, empty, or not laid out as the training needs it."""


class PictureError(I2IError):
    """A file cannot be read as a picture, or a picture cannot be written."""


class CacheError(I2IError):
    """Training pictures cannot be kept packed: there is no room for them, or no right to write."""


class BundleError(UsageError):
    """A bundle of weights is missing, damaged, or not made by i2i."""


class RunError(UsageError):
    """A run's folder is not in the state that the command needs."""


class DownloadError(I2IError):
    """A dataset could not be downloaded, or what arrived is not what was announced."""


class TrainingError(I2IError):
    """Training cannot go on."""
