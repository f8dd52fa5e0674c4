"""Checks of the arguments of Python functions that take the options of a command."""

import difflib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from i2i.errors import ArgumentTypeError

PathLike = str | os.PathLike[str]


def refuse_unknown(
    function: str, names: Collection[str], known: Collection[str], other_names: Mapping[str, str] | None = None
) -> None:
    """Raise ArgumentTypeError, with the nearest known name, if ``names`` has one that is not in ``known``.

    Args:
        function: name of the function, for the message.
        names: the given names.
        known: the names of the function's arguments.
        other_names: names by which other functions know an argument → its name.

    >>> refuse_unknown("train", ["epoch"], ["epochs", "size"])
    Traceback (most recent call last):
    ...
    i2i.errors.ArgumentTypeError: train() has no argument 'epoch'. Did you mean epochs?
    """
    for name in names:
        if name in known:
            continue
        plain = name.replace("-", "_").lstrip("_")
        similar = [(other_names or {}).get(plain, "")] if plain in (other_names or {}) else []
        similar = similar or difflib.get_close_matches(plain, known, n=2)
        hint = f"Did you mean {' or '.join(similar)}?" if similar else f"It has {', '.join(sorted(known))}."
        raise ArgumentTypeError(f"{function}() has no argument {name!r}. {hint}")


def to_paths(value: PathLike | Iterable[PathLike], argument: str) -> list[Path]:
    """Return one path or several as a list. Raises ArgumentTypeError for anything else."""
    items: Sequence[PathLike] | Iterable[PathLike] = [value] if isinstance(value, str | os.PathLike) else value
    try:
        return [Path(item) for item in items]
    except TypeError as error:
        raise ArgumentTypeError(f"{argument} is {value!r}; it must be a path, or a list of paths.") from error


def one_of(argument: str, value: object, choices: Sequence[str]) -> None:
    """Raise ArgumentTypeError if a value is none of the choices."""
    if value not in choices:
        raise ArgumentTypeError(f"{argument} is {value!r}; it must be one of {', '.join(choices)}.")
