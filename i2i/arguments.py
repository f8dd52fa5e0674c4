"""Checks of the arguments of Python functions that take the options of a command."""

import collections.abc
import difflib
import inspect
import numbers
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from i2i.errors import ArgumentTypeError

if TYPE_CHECKING:
    import torch

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


def to_device_name(device: "str | torch.device") -> str:
    """Return the name of a device, such as "cuda:1". Raises ArgumentTypeError if it is neither a name nor a device."""
    if isinstance(device, str):
        return device
    if type(device).__module__ == "torch" and type(device).__name__ == "device":  # without importing torch
        return str(device)
    raise ArgumentTypeError(f'device is {device!r}; it must be a torch device, its name, or "auto".')


def check_types(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Raise ArgumentTypeError if an argument does not have the type that the function declares.

    Args:
        function: its annotations are the types. One that is a text, as its type is imported lazily, is not checked.
        values: the arguments by name. Other names are ignored, so that this may be ``locals()``.

    >>> def resize(side: int, mode: Literal["cover", "stretch"] = "cover") -> None: ...
    >>> check_types(resize, {"side": "64"})
    Traceback (most recent call last):
    ...
    i2i.errors.ArgumentTypeError: side is '64'; it must be a whole number.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        hint = parameter.annotation
        is_named = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if name in values and is_named and not isinstance(hint, str) and not _fits(values[name], hint):
            raise ArgumentTypeError(f"{name} is {values[name]!r}; it must be {_describe(hint)}.")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value has a type, as the annotations of i2i's public functions name them."""
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in members)
    if origin is Literal:
        return isinstance(value, str | numbers.Integral) and not isinstance(value, bool) and value in members
    if origin is tuple:
        items = value if isinstance(value, tuple | list) and len(value) == len(members) else None
        return items is not None and all(map(_fits, items, members))
    if origin is collections.abc.Sequence:  # any other iterable will do, but not a text, whose items are letters
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    if hint in (int, float):
        return isinstance(value, numbers.Integral if hint is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, types.NoneType if hint is None else origin or hint)


def _describe(hint: Any) -> str:
    """Return the name of a type in words."""
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        has_paths = any(get_origin(member) is os.PathLike for member in members)
        names = [_describe(member) for member in members if not (member is str and has_paths)]
        return " or ".join(dict.fromkeys(names))
    if origin is Literal:
        return f"one of {', '.join(map(str, members))}"
    if origin is tuple:
        return f"a tuple ({', '.join(map(_describe, members))})"
    words = {
        int: "a whole number", float: "a number", bool: "True or False", str: "a text", types.NoneType: "None",
        os.PathLike: "a path", collections.abc.Sequence: "a list", collections.abc.Mapping: "a dict",
        collections.abc.Callable: "a function",
    }  # fmt: skip
    return words.get(origin or hint) or f"a {(origin or hint).__name__}"
