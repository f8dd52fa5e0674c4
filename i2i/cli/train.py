"""`i2i train`: one subcommand for each objective, its flags made from the objective's configuration."""

import inspect
import shlex
import signal
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from i2i.cli.console import say

SUMMARIES = {
    "cyclegan": "Unpaired pictures: two folders that show two kinds of things (trainA/, trainB/).",
    "pix2pix": "Paired pictures: each input beside the picture it should become.",
}
EXAMPLES = {
    "cyclegan": [
        "i2i train cyclegan --data stripes --recipe tiny",
        "i2i train cyclegan --data horse2zebra --size 128 --blocks 6 --epochs 50",
        "i2i train cyclegan --data horse2zebra --resume",
    ],
    "pix2pix": [
        "i2i train pix2pix --data outlines --recipe tiny",
        "i2i train pix2pix --data facades --direction BtoA",
        "i2i train pix2pix --data facades --resume --epochs 300",
    ],
}
PANELS = {"data": "Data", "model": "Networks and losses", "training": "Training"}
FIRST = ("data", "size", "steps", "epochs", "batch-size", "seed", "device", "precision", "direction", "adversarial")

app = typer.Typer(no_args_is_help=True, help="Train a translator, or go on with a training that was stopped.")


class LazyCommand(TyperCommand):
    """Stands in the list of subcommands; the real one, which needs torch, is built when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return _command(str(self.name)).make_context(info_name, args, parent=parent, **extra)


def _register(objective: str) -> None:
    @app.command(objective, cls=LazyCommand, help=SUMMARIES[objective])
    def stand_in() -> None: ...


for _objective in SUMMARIES:
    _register(_objective)


def _command(objective: str) -> Any:
    single = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
    examples = "\n\n".join(f"    {line}" for line in EXAMPLES[objective])
    single.command(
        objective,
        help=f"{SUMMARIES[objective]}\n\n[bold]Examples[/bold]\n\n{examples}",
        epilog="Defaults shown are those of --recipe paper. A stopped training (Ctrl-C, SIGTERM, a crash) goes on "
        "by --resume, exactly where it was.",
        no_args_is_help=True,
    )(_function(objective))
    return typer.main.get_command(single)


def _function(objective: str) -> Callable[..., None]:
    """A function whose signature lists every setting of the objective's recipes as an option."""
    from i2i.recipes import RECIPES, SECTIONS, recipe

    names = ", ".join(RECIPES[objective])
    fixed = (
        ("recipe", str | None, typer.Option(None, help=rf"settings to start from: {names} \[default: paper]")),
        ("name", str | None, typer.Option(None, help=r"the run's name \[default: DATA-OBJECTIVE]", show_default=False)),
        ("resume", bool, typer.Option(False, "--resume", help="go on with the run of that name, or data")),
    )
    paths: dict[str, tuple[str, tuple[str, ...]]] = {}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)
        for name, kind, option in fixed
    ]
    for section in SECTIONS:
        for flag in _flags(recipe(objective, "paper"), section):
            key = f"{section}__{'__'.join(flag.path)}"
            paths[key] = (section, flag.path)
            panel = "The most used" if flag.name in FIRST else PANELS[section]
            spelled = f"--{flag.name}/--no-{flag.name}" if isinstance(flag.default, bool) else f"--{flag.name}"
            help = escape(flag.help + _default(flag.default))
            option = typer.Option(None, spelled, help=help, show_default=False, rich_help_panel=panel)
            parameters.append(
                inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=flag.type | None)
            )

    def train(**given: Any) -> None:
        changes: dict[str, Any] = {}
        for key, (section, path) in paths.items():
            if given[key] is not None:
                _put(changes.setdefault(section, {}), path, given[key])
        _run(objective, given["recipe"], given["name"], given["resume"], changes)

    train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    train.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return train


def _flags(row: Any, section: str) -> Any:
    from i2i.config import flags

    return sorted(flags(getattr(row, section)), key=lambda flag: FIRST.index(flag.name) if flag.name in FIRST else 99)


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f" [default: {' '.join(map(str, value)) if isinstance(value, tuple) else value}]"


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value


def _run(objective: str, recipe: str | None, name: str | None, resume: bool, changes: dict[str, Any]) -> None:
    from i2i import launch
    from i2i.progress import TrainingProgress

    progress = TrainingProgress()
    if resume:
        trainer = launch.resume(objective, recipe, changes, name, progress)
    else:
        trainer = launch.start(objective, recipe, changes, name, progress)
    run = trainer.run.path
    kind = str(trainer.dtype).removeprefix("torch.")
    say("training [bold]{}[/bold] on {}, {}: steps {} to {}", run, trainer.device, kind, trainer.step,
        trainer.total_steps())  # fmt: skip
    say("pictures to look at appear in {}", run / "samples")
    stopped = trainer.train()
    if stopped is not None:
        again = shlex.join(["i2i", "train", objective, "--name", run.name, "--resume"])
        say("stopped by {} at step {}; everything is saved. Go on:\n\n    {}", signal.Signals(stopped).name,
            trainer.step, again)  # fmt: skip
        sys.exit(128 + stopped)
    say("done. Translate a folder of pictures:\n\n    {}", f"i2i convert {run.name} photos/ --out translated/")
