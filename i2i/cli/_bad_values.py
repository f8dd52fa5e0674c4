"""Messages about command lines that cannot be run: what was found, what was expected, and what to do."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from i2i.errors import UsageError

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    tuple[int, int]: "two whole numbers",
    tuple[float, float]: "two numbers",
}


def explain(error: Any, root: Any, words: Sequence[str]) -> None:
    """Replace the message of a usage error of Typer, where it does not say what was found and what was expected.

    Args:
        error: the error. Others than usage errors stay as they are.
        root: the group ``i2i``.
        words: the command line after "i2i".
    """
    message = getattr(error, "message", "")
    if isinstance(error, typer.BadParameter):
        error.message = _bad_value_message(error)
    elif missing := re.fullmatch(r"Option '(.+)' requires (an|\d+) arguments?\.", message):
        values = "a value" if missing[2] == "an" else f"{missing[2]} values"
        _, length = _find_command(root, words)
        error.message = f"{missing[1]} needs {values} after it. `{_path(words[:length])} --help` describes it."
    elif getattr(error, "possibilities", None) == []:
        error.message += f". `{error.ctx.command_path} --help` lists the options."
    elif extra := re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", message, re.DOTALL):
        error.message = _extra_words_message(extra[1], error.ctx, words)


def refuse_flags_as_values(command: Any, words: Sequence[str]) -> None:
    """Raise UsageError if a flag stands where the value of another one belongs, as in ``--out --format png``.

    The parser would take it as the value, such as the name of a folder.

    Args:
        command: a command, or a group whose command the first words name.
        words: the command line after it.
    """
    command, length = _find_command(command, words)
    options = {flag: param for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    for flag, value in pairwise(words[length:]):
        if flag == "--":
            return
        takes_value = flag.startswith("-") and flag in options and not getattr(options[flag], "is_flag", False)
        if takes_value and value.startswith("-") and value in options:
            raise UsageError(
                f"{flag} needs a value after it; found the flag {value}. Give the value, or write {flag}={value} if "
                "that is meant."
            )


def option_names(root: Any, words: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return the flag of each parameter of the command that ``words`` call, by the parameter's name.

    Args:
        root: the group ``i2i``.
        words: the command line after "i2i".
    """
    command, _ = _find_command(root, words)
    flags = ((param.name, max(param.opts, key=len)) for param in command.params)
    return {(name,): flag for name, flag in flags if flag.startswith("--")}


def _find_command(root: Any, words: Sequence[str]) -> tuple[Any, int]:
    """Return the command that ``words`` call, and the number of words that name it."""
    command = root
    for index, word in enumerate(words):
        known = getattr(command, "commands", {})
        if word not in known:
            return command, index
        command = known[word]
    return command, len(words)


def _path(words: Sequence[str]) -> str:
    return " ".join(["i2i", *words])


def _bad_value_message(error: Any) -> str:
    """Return the message for a value of an option or argument that has the wrong type or is out of its range."""
    cause = error.__cause__  # pydantic's error, if the command line parser refused the value
    annotation = getattr(getattr(error.param, "type_descriptor", None), "annotation", None)
    if annotation not in _KINDS or not hasattr(cause, "errors"):
        return str(error.message).removeprefix("Value error, ").replace("Input should be", "it must be", 1)
    from i2i.config import Bounds

    expected, low, high = _KINDS[annotation], error.param.min, error.param.max
    if low is not None or high is not None:
        expected += f"{', ' if None in (low, high) else ' '}{Bounds(ge=low, le=high)}"
    return f"found {str(cause.errors()[0]['input'])[:100]!r}; it must be {expected}."


def _extra_words_message(extra: str, context: Any, words: Sequence[str]) -> str:
    """Return the message for words that are neither flags nor values of flags.

    Args:
        extra: the words, with spaces between them.
        context: of the command.
        words: the command line after "i2i".
    """
    options = {flag: param for param in context.command.params for flag in (*param.opts, *param.secondary_opts)}
    arguments = [param.name for param in context.command.params if not param.opts[0].startswith("-")]
    takes = f"takes {' and '.join(arguments)}" if arguments else "takes options only"
    message = f"Found {extra!r}, and `{context.command_path}` {takes}."
    first = extra.split(" ")[0]
    before = words[words.index(first) - 1] if first in words else ""
    if getattr(options.get(before), "is_flag", False):
        return f"{message} {before} is a switch, without a value: leave out {first!r}."
    if "--data" in options and len(extra.split(" ")) == 1 and "--data" not in words:
        return f"{message} Name a dataset as --data {extra}."
    return f"{message} Leave it out, or put a value with spaces into quotes."
