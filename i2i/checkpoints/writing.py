"""Files that a training writes on its way: it goes on without one that cannot be written."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from i2i.errors import WriteError

logger = logging.getLogger(__name__)


@contextmanager
def training_goes_on(what: str) -> Iterator[None]:
    """Log a warning if a file cannot be written, such as on a full disk, and do not raise the error.

    Args:
        what: what was to be saved, such as "A sample grid".
    """
    try:
        yield
    except (WriteError, OSError) as error:
        logger.warning("%s was not saved; the training goes on. %s", what, error)
