"""Command groups with a subcommand for each method, whose options are the settings of the method's recipes."""

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from i2i.cli._options import ConfigOption, FixedOption, build_command, lazy_command
from i2i.cli.old_flags import option_value
from i2i.errors import UsageError
from i2i.plugins import plugin_names

if TYPE_CHECKING:
    from i2i.config import Flag

SUMMARIES = {
    "cyclegan": "Unpaired images: two folders, one for each domain (trainA/, trainB/).",
    "cut": "Unpaired images, one direction (trainA/ to trainB/); needs half the networks of cyclegan.",
    "pix2pix": "Paired images: each input beside its target.",
    "regression": "Paired images without a discriminator; or clean photos alone, for restoration (--task).",
    "distill": "Images, and a trained model that a small, fast one learns to imitate (--teacher).",
    "gan": "A folder of images: learns to generate similar images from noise.",
}
PANELS = {"data": "Data", "model": "Networks and losses", "training": "Training"}
# Shown by --help; --help-all shows all.
MAIN_FLAGS = ("data-a", "data-b", "pairs", "layout", "augmentations", "generator", "ngf", "width", "latent",
              "weight-cycle", "weight-identity", "weight-nce", "weight-l1", "teacher", "lr", "max-hours", "init-from",
              "title", "best-metric", "sample-every")  # fmt: skip
COMMON_FLAGS = ("data", "size", "steps", "epochs", "batch-size", "seed", "device", "precision", "direction", "network",
                "task", "adversarial")  # fmt: skip

HELP_ALL = "--help-all"
HELP_ALL_OPTION = FixedOption("help_all", bool, typer.Option(False, HELP_ALL, help="show all settings, and exit"))

MethodHandler = Callable[[str, dict[str, Any], dict[str, Any]], None]  # (method, overrides, fixed options' values)


def command_group(
    help: str,
    examples: dict[str, list[str]],
    epilog: str,
    fixed_options: Callable[[str], Sequence[FixedOption]],
    handler: MethodHandler,
    *,
    rewrite: Callable[[list[str]], list[str]] = lambda args: args,
    group_epilog: str | None = None,
    no_args_is_help: bool,
) -> typer.Typer:
    """Return an app with a subcommand for each method.

    The options of a subcommand need torch; they are built when the subcommand is called.

    Args:
        help: help text of the group.
        examples: command lines by method.
        epilog: text below the options of each subcommand.
        fixed_options: maps a method to the options that are not settings of its recipes.
        handler: receives the method, the nested overrides of a recipe, and the values of the fixed options.
        rewrite: returns the arguments of a subcommand to parse.
        group_epilog: text below the help of the group.
        no_args_is_help: whether a subcommand without arguments shows its help.
    """

    def build(method: str, group_path: str, args: list[str]) -> TyperCommand:
        lines = examples.get(method, [f"{group_path} {method} --data photos/".lstrip()])
        return build_command(
            method,
            lambda overrides, values: handler(method, overrides, values),
            [*fixed_options(method), HELP_ALL_OPTION],
            _with_main_ones_visible(method, _recipe_options(method), args),
            help="\n\n".join([_summary(method), "[bold]Examples[/bold]", *(f"    {line}" for line in lines)]),
            epilog=epilog,
            no_args_is_help=no_args_is_help,
        )

    command_class = lazy_command(build, lambda args: rewrite(_help_all_as_help(args)))

    class MethodGroup(TyperGroup):
        """The methods of SUMMARIES, and those of other packages."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
                raise UsageError(
                    f"`{ctx.command_path}` needs a method before its options, such as "
                    f"`{ctx.command_path} cyclegan {shlex.join(args)}`. "
                    f"The methods are {', '.join(self.list_commands(ctx))}; `{ctx.command_path} --help` describes them."
                )
            return super().parse_args(ctx, args)

        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *plugin_names("i2i.methods")]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            command = super().get_command(ctx, cmd_name)
            if command is not None:
                return command
            if package := plugin_names("i2i.methods").get(cmd_name):
                return command_class(cmd_name, help=f"A method of the package {package}.")
            from i2i.recipes import RECIPES

            return command_class(cmd_name) if cmd_name in RECIPES else None

    app = typer.Typer(no_args_is_help=True, help=help, epilog=group_epilog, cls=MethodGroup)
    for method, summary in SUMMARIES.items():
        app.command(method, cls=command_class, help=summary)(lambda: None)
    return app


def recipe_option(method: str) -> FixedOption:
    """Return the option that selects the recipe."""
    from i2i.recipes import recipes_of

    names = list(recipes_of(method))
    help = rf"preset to start from: {', '.join(names)} \[default: {names[0]}]"
    return FixedOption("recipe", str | None, typer.Option(None, help=help, show_default=False))


def task_option(flag: "Flag", path: tuple[str, ...]) -> ConfigOption:
    """Return a setting of restoration tasks as an option, in the help panel of its task."""
    has_off_switch = any(default is True for default in flag.variants.values())
    if len(flag.variants) > 1:
        return ConfigOption(flag=flag, path=path, panel="Settings of several tasks", has_off_switch=has_off_switch)
    (task,) = flag.variants
    flag = replace(flag, help=flag.help.removesuffix(f" ({task} only)"))
    return ConfigOption(flag=flag, path=path, panel=f"Task {task}", has_off_switch=has_off_switch)


def _summary(method: str) -> str:
    """Return the summary of a method; for a method without one, the first line of its module's docstring."""
    if method in SUMMARIES:
        return SUMMARIES[method]
    from i2i.recipes import find_recipe

    module = inspect.getmodule(type(find_recipe(method).model))
    doc = module.__doc__ if module and module.__doc__ else method
    return doc.strip().splitlines()[0]


def _recipe_options(method: str) -> list[ConfigOption]:
    """Return every setting of the method's recipes as an option. The defaults are those of the first recipe."""
    from i2i.config import flags
    from i2i.recipes import SECTIONS, find_recipe

    recipe = find_recipe(method)
    options = []
    for section in SECTIONS:
        switched_on = _switched_on(method, section)
        for flag in sorted(flags(getattr(recipe, section)), key=_help_order):
            path = (section, *flag.path)
            if section == "data" and flag.path[0] == "task" and flag.name != "task":
                options.append(task_option(flag, path))
                continue
            panel = "Common options" if flag.name in COMMON_FLAGS else PANELS[section]
            has_off_switch = flag.path in switched_on
            options.append(ConfigOption(flag=flag, path=path, panel=panel, has_off_switch=has_off_switch))
    return options


def _with_main_ones_visible(method: str, options: Sequence[ConfigOption], args: Sequence[str]) -> list[ConfigOption]:
    """Return the options, where the help of ``args`` leaves out those that few users need.

    It shows MAIN_FLAGS, COMMON_FLAGS, and the settings of the restoration task that ``args`` names; with --help-all, or
    for a method of another package, whose own settings are not in these tables, it shows all.
    """
    if HELP_ALL in args or method not in SUMMARIES:
        return list(options)
    task_panel = f"Task {option_value(args, '--task')}"
    visible = {*MAIN_FLAGS, *COMMON_FLAGS}
    return [
        replace(option, hidden=option.flag.name not in visible and option.panel != task_panel) for option in options
    ]


def _help_all_as_help(args: list[str]) -> list[str]:
    return ["--help" if arg == HELP_ALL else arg for arg in args]


def _help_order(flag: "Flag") -> int:
    """Return the sort key of a flag: the common flags first, the settings of several tasks last."""
    if flag.name in COMMON_FLAGS:
        return COMMON_FLAGS.index(flag.name)
    is_shared_by_tasks = flag.path[0] == "task" and len(flag.variants) > 1
    return len(COMMON_FLAGS) + is_shared_by_tasks


def _switched_on(method: str, section: str) -> set[tuple[str, ...]]:
    """Return the settings that a recipe of the method switches on. Their options need a form that switches them off."""
    from i2i.config import flags
    from i2i.recipes import recipes_of

    recipe_flags = (flag for recipe in recipes_of(method).values() for flag in flags(getattr(recipe, section)))
    return {flag.path for flag in recipe_flags if flag.default is True}
