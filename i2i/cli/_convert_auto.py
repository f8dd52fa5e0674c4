"""`i2i convert auto`: a model for each photo."""

from typing import TYPE_CHECKING

from i2i.cli._outcome import choice_dict, exit_with_outcome, print_choices, print_plan, print_result
from i2i.cli._progress import ProgressBars
from i2i.cli.console import print_json
from i2i.convert.auto import AUTO, open_auto_conversion

if TYPE_CHECKING:
    from i2i.convert import Result
    from i2i.convert.auto import AutoConversion
    from i2i.convert.options import ConvertOptions

__all__ = ["AUTO", "convert_auto"]


def convert_auto(options: "ConvertOptions", *, json: bool, dry_run: bool, explain: bool) -> None:
    """Convert, plan or explain, and print the outcome. The exit code is 1 if a photo failed."""
    with open_auto_conversion(options) as conversion, ProgressBars(speed_unit="images") as bars:
        result = _run(conversion, bars, dry_run=dry_run, explain=explain)
    if explain:
        _print_explanation(result, json)
    elif dry_run:
        print_plan(result.planned, result, json)
    else:
        print_result(result, options.out, json)
    exit_with_outcome(result)


def _run(conversion: "AutoConversion", bars: ProgressBars, *, dry_run: bool, explain: bool) -> "Result":
    def measured(done: int, total: int) -> None:
        if total:
            bars.update("measuring", done, total)

    if explain:
        return conversion.explain(measured)
    if dry_run:
        return conversion.pending(measured)
    return conversion.convert_images(
        lambda done, failed, total: bars.update(AUTO, done, total, failed) if total else None, measured
    )


def _print_explanation(result: "Result", json: bool) -> None:
    if json:
        failed = [{"source": source, "reason": reason} for source, reason in result.failed]
        print_json({"choices": [choice_dict(*choice) for choice in result.choices], "failed": failed})
        return
    print_choices(result)
