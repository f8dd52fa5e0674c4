"""`i2i convert` with addresses and on Ray."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from i2i.cli._outcome import exit_with_outcome, print_plan, print_result
from i2i.cli._progress import ProgressBars
from i2i.convert.distributed.run import convert_distributed as run
from i2i.convert.distributed.run import is_distributed

if TYPE_CHECKING:
    from i2i.convert.options import ConvertOptions

__all__ = ["convert_distributed", "is_distributed"]


def convert_distributed(
    options: "ConvertOptions",
    sources: Sequence[str],
    out: str,
    *,
    ray: str | None,
    workers: int,
    dry_run: bool,
    json: bool,
) -> None:
    """Convert or plan, and print the outcome. The exit code is 1 if a photo failed."""
    with ProgressBars(speed_unit="images") as bars:
        result = run(
            options, sources, out, ray=ray, workers=workers, dry_run=dry_run,
            progress=lambda done, failed, total: bars.update(options.model, done, total, failed) if total else None,
        )  # fmt: skip
    if dry_run:
        print_plan(result.planned, result, json)
    else:
        print_result(result, out, json)
    exit_with_outcome(result)
