"""Print the outcome of a conversion."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from i2i.cli.console import log_line, print_json, printable, stderr

if TYPE_CHECKING:
    from i2i.convert import Result
    from i2i.inference.auto import Choice

INTERRUPTED = 130  # exit code of a command that Ctrl-C stopped
MAX_LISTED_SKIPPED = 20  # skipped files, and notes, that are listed one by one


def print_result(result: "Result", out: Path | str, json: bool, scale: int = 1) -> None:
    """Print what was converted, skipped and failed.

    Args:
        result: the outcome.
        out: folder, address or file of the results.
        json: whether to print JSON.
        scale: size of the results relative to their sources.
    """
    if json:
        print_json({**_result_dict(result), "seconds": round(result.seconds, 3)})
    if result.choices:
        _log_choices(result, {source for source, _ in result.converted})
    for path, notice in result.notices[:MAX_LISTED_SKIPPED]:
        log_line("[yellow]note[/yellow] {}: {}", printable(path), printable(notice))
    if len(result.notices) > MAX_LISTED_SKIPPED:
        log_line("[yellow]note[/yellow] {} more", len(result.notices) - MAX_LISTED_SKIPPED)
    if result.failed:
        _print_failures(result.failed)
    up_to_date = sum(reason.endswith("is up to date") for _, _, reason in result.skipped)
    if up_to_date:
        log_line("{} already up to date", up_to_date)
    _print_skipped([(path, reason) for path, _, reason in result.skipped if not reason.endswith("is up to date")])
    size = f", {scale} times as wide and high" if scale > 1 and result.converted else ""
    log_line("{} converted into {}{}", len(result.converted), printable(out), size)
    if result.failed:
        log_line("[red]{} failed[/red]", len(result.failed))
    if result.stopped:
        log_line("stopped: run the same command again to continue")


def exit_with_outcome(result: "Result") -> None:
    """End the command with an exit code for the outcome of a conversion, unless all went well."""
    if result.stopped:
        raise typer.Exit(INTERRUPTED)
    if result.failed:
        raise typer.Exit(1)


def print_plan(planned: "list[tuple[Path, Path]]", result: "Result", json: bool) -> None:
    """Print what would be converted.

    Args:
        planned: source and target of the conversions that would be done.
        result: files that would be skipped or cannot be read.
        json: whether to print JSON.
    """
    if json:
        rows = [{"source": source, "output": output} for source, output in planned]
        print_json({"planned": rows, **_result_dict(result), "seconds": 0})
        return
    if result.choices:
        _log_choices(result, {source for source, _ in planned})
    for source, output in planned:
        typer.echo(f"{printable(source)} -> {printable(output)}")
    _print_skipped([(path, reason) for path, _, reason in result.skipped])
    if result.failed:
        _print_failures(result.failed)
    log_line("{} to convert, {} skipped; nothing was written", len(planned), len(result.skipped))


def print_choices(result: "Result") -> None:
    """Print what ``auto`` chooses for each photo on standard output, and the files that failed."""
    for source, choice in result.choices:
        typer.echo(f"{printable(source)}: {printable(choice)}")
    _print_skipped([(path, reason) for path, _, reason in result.skipped])
    if result.failed:
        _print_failures(result.failed)


def choice_dict(source: Path, choice: "Choice") -> dict[str, object]:
    """Return a choice for JSON."""
    return {"source": source, **choice.to_json()}


def _log_choices(result: "Result", sources: set[Path]) -> None:
    """Print what was chosen for some of the photos, one a line."""
    for source, choice in result.choices:
        if source in sources:
            log_line("{}: {}", printable(source), printable(choice))


def _print_skipped(skipped: list[tuple[Path, str]]) -> None:
    """Print the reason for each skipped file; files that are no images together on one line."""
    from i2i.convert.ignored import NO_IMAGE, summarize_ignored

    ignored = [(path, reason) for path, reason in skipped if reason.startswith(NO_IMAGE)]
    others = [(path, reason) for path, reason in skipped if not reason.startswith(NO_IMAGE)]
    for path, reason in others[:MAX_LISTED_SKIPPED]:
        log_line("[yellow]skipped[/yellow] {}: {}", printable(path), printable(reason))
    if len(others) > MAX_LISTED_SKIPPED:
        log_line("[yellow]skipped[/yellow] {} more", len(others) - MAX_LISTED_SKIPPED)
    if ignored:
        count = "1 file" if len(ignored) == 1 else f"{len(ignored)} files"
        log_line(
            "[yellow]{} skipped[/yellow], no images that i2i reads: {}", count, printable(summarize_ignored(ignored))
        )


def _result_dict(result: "Result") -> dict[str, list[dict[str, object]]]:
    choices = {"choices": [choice_dict(*choice) for choice in result.choices]} if result.choices else {}
    return choices | {
        "converted": [{"source": source, "output": output} for source, output in result.converted],
        "failed": [{"source": source, "reason": reason} for source, reason in result.failed],
        "skipped": [
            {"source": source, "output": output, "reason": reason} for source, output, reason in result.skipped
        ],
        "notices": [{"source": source, "notice": notice} for source, notice in result.notices],
    }


def _print_failures(failed: list[tuple[Path, str]]) -> None:
    rows = [(printable(path), printable(reason.removeprefix(str(path)).lstrip(": "))) for path, reason in failed]
    if not stderr.is_terminal:  # a pipe has no width for a table
        for path, reason in rows:
            log_line("[red]failed[/red] {}: {}", path, reason)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("failed", "reason", box=None, header_style="bold red", pad_edge=False, padding=(0, 2, 0, 0))
    for path, reason in rows:
        table.add_row(Text(path), Text(reason))
    stderr.print(table)
