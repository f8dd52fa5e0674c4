"""An evaluation as one HTML page that works offline, with images, styles and charts inside."""

from pathlib import Path
from typing import TYPE_CHECKING

from i2i.errors import UsageError, io_errors
from i2i.images import write_atomic
from i2i.images.files import remove_unfinished

if TYPE_CHECKING:
    from i2i.evaluation.evaluate import Evaluation

__all__ = ["GENERATOR", "check_path", "render_page", "write"]

GENERATOR = "i2i evaluate"
REPORT_MARKER = f'<meta name="generator" content="{GENERATOR}'  # near the start of every report


def check_path(path: Path) -> None:
    """Check that a report may be written to ``path``. Only another report may be overwritten.

    Raises:
        UsageError: the suffix is not that of a page, or something else exists at ``path``.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {path} must name a page, such as report.html.")
    if path.is_dir():
        raise UsageError(f"--report {path} is a folder; it must name a page, such as report.html.")
    if path.exists() and REPORT_MARKER not in path.read_bytes()[:2000].decode(errors="replace"):
        raise UsageError(f"{path} exists already and is no report of i2i. Choose another name.")


def render_page(evaluation: "Evaluation") -> str:
    """Return the report as HTML."""
    from i2i.reports.page import render_page  # imports torch, which the demo's charts do not need

    return render_page(evaluation)


def write(evaluation: "Evaluation", path: Path) -> None:
    """Write the report atomically.

    Raises:
        UsageError: as ``check_path``.
        I2IError: the file cannot be written.
    """
    check_path(path)
    with io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished([path.parent], path.name)
        write_atomic(path, render_page(evaluation).encode())
