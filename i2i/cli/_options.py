"""Commands whose options are the fields of config classes."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from rich.markup import escape
from typer.core import TyperCommand

from i2i.cli._bad_values import refuse_flags_as_values
from i2i.errors import SettingError

if TYPE_CHECKING:
    from i2i.config import Flag


class FixedOption(NamedTuple):
    """An option or argument that is not a config field.

    Attributes:
        name: name of the parameter.
        type: its type.
        option: ``typer.Option(...)`` or ``typer.Argument(...)``.
    """

    name: str
    type: Any
    option: Any


@dataclass(frozen=True, kw_only=True)
class ConfigOption:
    """A config field as an option.

    Attributes:
        flag: the flag of the field.
        path: keys that lead to the value in the nested overrides.
        panel: heading above the option in the help; None for the default one.
        has_off_switch: whether there is a ``--no-NAME`` option too.
        hidden: whether the help leaves it out.
    """

    flag: "Flag"
    path: tuple[str, ...]
    panel: str | None = None
    has_off_switch: bool = False
    hidden: bool = False


Handler = Callable[[dict[str, Any], dict[str, Any]], None]  # (nested overrides, values of the fixed options)


def lazy_command(
    build: Callable[[str, str, list[str]], TyperCommand],
    rewrite: Callable[[list[str]], list[str]] = lambda args: args,
) -> type[TyperCommand]:
    """Return a command class that builds its options when it is called, so that listing it imports nothing heavy.

    Args:
        build: receives the command's name, the path of its group, such as "i2i train", and its arguments; returns the
            command.
        rewrite: returns the arguments to parse.
    """

    class LazyCommand(TyperCommand):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            command = build(str(self.name), parent.command_path if parent else "", args)
            refuse_flags_as_values(command, args)
            parse = command.parse_args
            command.parse_args = lambda ctx, args: parse(ctx, rewrite(args))  # type: ignore[method-assign]
            return command.make_context(info_name, args, parent=parent, **extra)

    return LazyCommand


def build_command(
    name: str,
    handler: Handler,
    fixed_options: Sequence[FixedOption],
    config_options: Sequence[ConfigOption],
    *,
    help: str,
    epilog: str | None = None,
    no_args_is_help: bool,
) -> TyperCommand:
    """Return a command with the given options.

    Args:
        name: name of the command.
        handler: called with the nested overrides, which hold the config options that were set, and the values of the
            fixed options.
        fixed_options: options and arguments that are not config fields.
        config_options: config fields as options.
        help: help text of the command.
        epilog: text below the options in the help.
        no_args_is_help: whether the command without arguments shows its help.
    """
    paths = {"__".join(option.path): option.path for option in config_options}
    parameters = [_parameter(*option) for option in fixed_options]
    parameters += [_config_parameter(key, option) for key, option in zip(paths, config_options, strict=True)]

    def command(**values: Any) -> None:
        from i2i.config import rename_settings

        overrides: dict[str, Any] = {}
        for key, path in paths.items():
            if values[key] is not None:
                _set_nested(overrides, path, values[key])
        try:
            handler(overrides, {option.name: values[option.name] for option in fixed_options})
        except SettingError as error:
            raise rename_settings(error, _flag_names(fixed_options, config_options, overrides)) from error

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
    app.command(name, help=help, epilog=epilog, no_args_is_help=no_args_is_help)(command)
    typer_command = typer.main.get_command(app)
    assert isinstance(typer_command, TyperCommand)
    return typer_command


def _flag_names(
    fixed_options: Sequence[FixedOption], config_options: Sequence[ConfigOption], overrides: dict[str, Any]
) -> dict[tuple[str, ...], str]:
    """Return the flag of each setting, by the path of its field; ``--no-NAME`` if ``overrides`` switch it off."""
    names: dict[tuple[str, ...], str] = {
        (option.name,): f"--{option.name.replace('_', '-')}" for option in fixed_options
    }
    for option in config_options:
        is_switched_off = option.has_off_switch and _get_nested(overrides, option.path) is False
        names[option.path] = f"--{'no-' if is_switched_off else ''}{option.flag.name}"
    return names


def default_suffix(flag: "Flag") -> str:
    """Return the default of a flag as a suffix of its help, such as " [default: 3]".

    If the variants of a union have different defaults, the suffix names each: " [default: 3 (unet), 5 (resnet)]".
    """
    defaults = {name: _format_value(value) for name, value in flag.variants.items()}
    if len(set(defaults.values())) > 1:
        return f" [default: {', '.join(f'{value} ({name})' for name, value in defaults.items())}]"
    value = _format_value(flag.default)
    return f" [default: {value}]" if value else ""


def _parameter(name: str, type: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=type)


def _config_parameter(key: str, option: ConfigOption) -> inspect.Parameter:
    flag = option.flag
    spelling = f"--{flag.name}"
    if option.has_off_switch:
        spelling += f"/--no-{flag.name}"
    help = escape(flag.help + default_suffix(flag))
    typer_option = typer.Option(
        None, spelling, help=help, show_default=False, rich_help_panel=option.panel, hidden=option.hidden
    )
    return _parameter(key, flag.type | None, typer_option)


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _get_nested(table: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Return a value in nested dicts; None if it is not there."""
    for key in path[:-1]:
        table = table.get(key, {})
    return table.get(path[-1])


def _set_nested(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value in nested dicts, creating the inner dicts that are missing."""
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value
