"""Groups of subcommands, one for each objective, whose flags are made from the objective's configuration."""

import inspect
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

SUMMARIES = {
    "cyclegan": "Unpaired pictures: two folders that show two kinds of things (trainA/, trainB/).",
    "cut": "Unpaired pictures, one direction (trainA/ to trainB/): half the networks of cyclegan.",
    "pix2pix": "Paired pictures: each input beside the picture it should become.",
    "regression": "Paired pictures without a critic; or clean photos alone, to undo noise and other damage (--task).",
    "gan": "A folder of photos: learns to paint more of their kind from noise.",
}
PANELS = {"data": "Data", "model": "Networks and losses", "training": "Training"}
FIRST = ("data", "size", "steps", "epochs", "batch-size", "seed", "device", "precision", "direction", "network",
         "task", "adversarial")  # fmt: skip

Fixed = tuple[tuple[str, Any, Any], ...]  # name, type and typer.Option of what is no setting
Action = Callable[[str, dict[str, Any], dict[str, Any]], None]  # of objective, settings, the fixed options' values


def group(
    help: str,
    examples: dict[str, list[str]],
    epilog: str,
    fixed: Callable[[str], Fixed],
    act: Action,
    *,
    needs_flags: bool,
) -> Any:
    """A typer app with a subcommand for each objective; the real ones, which need torch, are built when called."""

    class LazyCommand(TyperCommand):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            name = str(self.name)
            usual = [f"{parent.command_path if parent else ''} {name} --data photos/".lstrip()]
            real = _command(name, examples.get(name, usual), epilog, fixed(name), act)
            real.no_args_is_help = needs_flags
            return real.make_context(info_name, args, parent=parent, **extra)

    class Objectives(TyperGroup):
        """The objectives of SUMMARIES, and any other that has a row in the table of recipes."""

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            found = super().get_command(ctx, cmd_name)
            if found is None:
                from i2i.recipes import RECIPES

                found = LazyCommand(cmd_name) if cmd_name in RECIPES else None
            return found

    app = typer.Typer(no_args_is_help=True, help=help, cls=Objectives)
    for objective, summary in SUMMARIES.items():
        app.command(objective, cls=LazyCommand, help=summary)(lambda: None)
    return app


def _command(objective: str, examples: list[str], epilog: str, fixed: Fixed, act: Action) -> Any:
    single = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
    shown = "\n\n".join(f"    {line}" for line in examples)
    help = f"{_summary(objective)}\n\n[bold]Examples[/bold]\n\n{shown}"
    single.command(objective, help=help, epilog=epilog)(_function(objective, fixed, act))
    return typer.main.get_command(single)


def _summary(objective: str) -> str:
    if objective in SUMMARIES:
        return SUMMARIES[objective]
    from i2i.recipes import recipe

    module = inspect.getmodule(type(recipe(objective).model))
    return (module.__doc__ if module and module.__doc__ else objective).strip().splitlines()[0]


def _function(objective: str, fixed: Fixed, act: Action) -> Callable[..., None]:
    """A function whose signature lists every setting of the objective's recipes as an option."""
    from i2i.recipes import SECTIONS, recipe

    paths: dict[str, tuple[str, ...]] = {}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)
        for name, kind, option in fixed
    ]
    for section in SECTIONS:
        for flag in _flags(recipe(objective), section):
            key = "__".join((section, *flag.path))
            paths[key] = (section, *flag.path)
            panel = "The most used" if flag.name in FIRST else PANELS[section]
            spelled = f"--{flag.name}" + f"/--no-{flag.name}" * _ever_on(objective, paths[key])
            help = escape(flag.help + default_of(flag.default))
            option = typer.Option(None, spelled, help=help, show_default=False, rich_help_panel=panel)
            parameters.append(
                inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=flag.type | None)
            )

    def command(**given: Any) -> None:
        changes: dict[str, Any] = {}
        for key, path in paths.items():
            if given[key] is not None:
                _put(changes, path, given[key])
        act(objective, changes, {name: given[name] for name, _, _ in fixed})

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def recipe_option(objective: str) -> tuple[str, Any, Any]:
    """The option that names the recipe to start from."""
    from i2i.recipes import RECIPES

    names = [*RECIPES[objective]]
    help = rf"settings to start from: {', '.join(names)} \[default: {names[0]}]"
    return "recipe", str | None, typer.Option(None, help=help, show_default=False)


def _flags(row: Any, section: str) -> Any:
    from i2i.config import flags

    return sorted(flags(getattr(row, section)), key=lambda flag: FIRST.index(flag.name) if flag.name in FIRST else 99)


def _ever_on(objective: str, path: tuple[str, ...]) -> bool:
    """Whether a recipe of the objective switches a setting on, so that there must be a flag to switch it off."""
    from i2i.recipes import RECIPES

    section, *rest = path
    settings = (flag for row in RECIPES[objective].values() for flag in _flags(row, section))
    return any(flag.default is True for flag in settings if [*flag.path] == rest)


def default_of(value: Any) -> str:
    """Such as " [default: 3]", to be put after a flag's help."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f" [default: {' '.join(map(str, value)) if isinstance(value, tuple) else value}]"


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value
