"""`i2i degrade`."""

import inspect
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from i2i.cli.console import say
from i2i.cli.method_commands import default_of

HELP = """Damage good photos as a restoration task does: for test sets, and to see what is trained for.

A photo is damaged alike each time; another --seed damages it otherwise. The picture to be restored of a task with holes
is transparent in them.

[bold]Examples[/bold]

    i2i degrade photos/ --task denoise --strength 25 --out noisy/

    i2i degrade photo.jpg --task oldphoto --damage 0.8 1 --out old/
"""


class LazyCommand(TyperCommand):
    """Its options are the settings of the tasks, which are looked at when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        single = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
        single.command("degrade", help=HELP, no_args_is_help=True)(_function())
        return typer.main.get_command(single).make_context(info_name, args, parent=parent, **extra)


def _function() -> Any:
    """A function whose signature lists every setting of every task as an option."""
    from i2i.config import flags
    from i2i.data.dataset import PairedConfig

    found = [flag for flag in flags(PairedConfig()) if flag.path[0] == "task"]
    listed = list[inspect.Parameter]()
    for flag in found:
        which = flag.name == "task"
        help = "what is to be done to the photos" if which else escape(flag.help + default_of(flag.default))
        panel = None if which else "Settings of the tasks"
        option = typer.Option(None, f"--{flag.name}", help=help, show_default=False, rich_help_panel=panel)
        listed.append(_parameter(flag.path[-1], option, flag.type | None))

    def degrade(
        source: list[Path], out: Path, strength: float | None, seed: int, overwrite: bool, **given: Any
    ) -> None:
        changes = {name: value for name, value in given.items() if value is not None}
        _degrade(source, out, changes, strength, seed, overwrite)

    told = inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=list[Path],
                             default=typer.Argument(help="photos, and folders of photos (all below them)"))  # fmt: skip
    fixed = (
        _parameter("out", typer.Option(help="folder for the results; made where it is missing"), Path),
        _parameter("strength", typer.Option(None, help="of the damage, in place of one drawn for each photo: σ in grey "
                                            "levels, JPEG quality, pixels of blur … as the task has it"), float | None),
        _parameter("seed", typer.Option(0, help="seed of everything at random"), int),
        _parameter("overwrite", typer.Option(False, "--overwrite", help="redo results that exist already"), bool),
    )  # fmt: skip
    degrade.__signature__ = inspect.Signature([told, *fixed, *listed])  # type: ignore[attr-defined]
    degrade.__annotations__ = {each.name: each.annotation for each in (told, *fixed, *listed)}
    return degrade


def _parameter(name: str, default: Any, kind: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _degrade(
    source: list[Path], out: Path, changes: dict[str, Any], strength: float | None, seed: int, overwrite: bool
) -> None:
    from i2i.config import merge
    from i2i.convert import convert
    from i2i.data.dataset import PairedConfig
    from i2i.errors import UsageError
    from i2i.restoration.degrader import Degrader

    task = merge(PairedConfig(), {"task": changes}).restores()
    if task is None:
        raise UsageError("Which damage? Name a task: --task denoise, dejpeg, … (`i2i degrade --help` lists them).")
    result = convert(Degrader(task, strength, seed), source, out, overwrite=overwrite)
    for path, reason in result.failed:
        say("[red]failed[/red] {}: {}", path, reason)
    if result.skipped:
        say("{} skipped: they are there already (--overwrite redoes them)", len(result.skipped))
    say("{} damaged into {}", len(result.converted), out)
    if result.failed:
        raise typer.Exit(1)
