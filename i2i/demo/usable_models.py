"""Metadata of model files that may come from anywhere: what is wrong with one must not keep users from the others."""

import logging
from pathlib import Path

from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.model_info import ModelInfo
from i2i.errors import ModelFileError

_log = logging.getLogger(__name__)


def load_usable_info(path: Path) -> ModelInfo | ModelFileError:
    """Return the metadata of a model file, or the error that using them would raise.

    A file may come from anywhere. Whatever is wrong with one must not keep users from the other models.
    """
    from i2i.inference.restoration import task_of

    try:
        info = load_model_info(path)
        if not all(map(is_text, (info.method, info.recipe, info.version, info.title, info.data.name))):
            raise ModelFileError(f"{path.name}: a text in its metadata is not valid Unicode. The file is damaged.")
        if info.task is not None or info.takes_strength:
            task = task_of(path.name, info)
            _ = task.strength_range() if info.takes_strength else None
    except ModelFileError as error:
        return error
    except Exception as error:
        _log.debug("%s is not usable", path, exc_info=True)
        return ModelFileError(f"{path.name} is damaged: {type(error).__name__}.")
    return info


def is_text(value: str) -> bool:
    """Return whether a text can be sent to a browser: it has no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
