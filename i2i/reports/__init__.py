"""An evaluation as one HTML page that needs nothing but a browser, online or off."""

from pathlib import Path
from typing import TYPE_CHECKING

from i2i.errors import I2IError, UsageError
from i2i.images import write_atomic
from i2i.reports.embed import MADE_BY

if TYPE_CHECKING:
    from i2i.evaluation import Evaluation

__all__ = ["check", "page", "write"]


def check(path: Path) -> None:
    """Raise UsageError where a report cannot go to ``path``: another report is replaced, anything else is not."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {path} must be a page's name, such as report.html.")
    if path.is_dir():
        raise UsageError(f"--report {path} is a folder; it must be a page's name, such as report.html.")
    if path.exists() and MADE_BY not in path.read_bytes()[:2000].decode(errors="replace"):
        raise UsageError(f"{path} is there already and is no report of i2i: choose another name.")


def page(found: "Evaluation") -> str:
    """The whole page."""
    from i2i.reports.page import page  # with torch, which the demo's plots do without

    return page(found)


def write(found: "Evaluation", path: Path) -> None:
    """Write the page, whole or not at all. Raises UsageError as ``check`` does, and I2IError where it cannot."""
    check(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page(found).encode())
    except OSError as error:
        raise I2IError(f"{path} could not be written: {error.strerror or error}.") from error
