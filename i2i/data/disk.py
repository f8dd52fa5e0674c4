"""Turn errors of the disk into messages."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2i.errors import I2IError, io_errors


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError from writing ``path`` into an I2IError that says what to do next."""
    with io_errors(path, "cannot be written"):
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise I2IError(
                f"The disk is full: {path} cannot be written. Free some space, then run the same command "
                "again; a download continues where it stopped."
            ) from error
