"""`i2i models rm` and `i2i models prune`."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from i2i.cli.console import log_line, printable, stdout

if TYPE_CHECKING:
    from i2i.checkpoints.cleanup import Removal


def remove_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="names of runs, as in `i2i models list`")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="remove without asking")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be removed, and remove nothing")] = False,
) -> None:
    """Remove runs from checkpoints/: weights, training state, log and samples. Asks before it removes anything.

    [bold]Example[/bold]

        i2i models rm stripes-cyclegan --yes
    """
    from i2i.checkpoints.cleanup import plan_removal

    removals = [plan_removal(name) for name in dict.fromkeys(names)]  # all names are checked before one is removed
    _confirm_and_remove(removals, yes=yes, dry_run=dry_run)


def prune_models(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="remove without asking")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be removed, and remove nothing")] = False,
) -> None:
    """Free space in checkpoints/: remove the training states of finished runs, and leftovers of interrupted processes.
    Also remove the engine files that convert --engine keeps in the user's cache folder.

    The models stay. A run without its state cannot be continued with --resume --steps N. States of unfinished runs are
    kept. Asks before it removes anything.

    [bold]Example[/bold]

        i2i models prune --dry-run
    """
    from i2i.checkpoints.cleanup import plan_prune
    from i2i.checkpoints.run import checkpoints_dir
    from i2i.engines.cache_folder import plan_cache_removal

    removals, skipped = plan_prune()
    removals += plan_cache_removal()
    for name in skipped:
        log_line("{} is being trained and is left as it is.", printable(name))
    if not removals:
        log_line("Nothing to remove under {} and in the cache of engine files.", checkpoints_dir())
        return
    _confirm_and_remove(removals, yes=yes, dry_run=dry_run)


def _confirm_and_remove(removals: "Sequence[Removal]", *, yes: bool, dry_run: bool) -> None:
    """List what is to be removed, ask unless ``yes``, and remove it.

    Raises:
        UsageError: nobody can be asked, because standard input is no terminal.
    """
    from rich.markup import escape

    from i2i.checkpoints.cleanup import remove
    from i2i.errors import UsageError

    for removal in removals:
        size = format_bytes(removal.num_bytes)
        stdout.print(escape(f"{size:>9}  {printable(removal.path)}: {printable(removal.description)}"), soft_wrap=True)
    total = format_bytes(sum(removal.num_bytes for removal in removals))
    if dry_run:
        log_line("{} would be freed. Nothing was removed.", total)
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "Nothing was removed: nobody can be asked here. Give --yes to remove what is listed above."
            )
        if not typer.confirm(f"Remove this? {total} will be freed", err=True):
            log_line("Nothing was removed.")
            return
    for removal in removals:
        remove(removal)
    log_line("removed; {} freed", total)


def format_bytes(count: int) -> str:
    """Return a size such as "2.1 MB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
