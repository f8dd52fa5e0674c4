"""Types of a config's fields, and discriminated unions of configs."""

import dataclasses
import types
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from i2i.errors import SettingError

_extensions: dict[type, Callable[[], Collection[type]]] = {}
DISCRIMINATORS = ("network", "task")  # names of the fields that distinguish the variants of a union


def field_types(cls: type) -> dict[str, Any]:
    """Return the type of each field of a config, by name, without class variables."""
    hints = _type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@cache
def _type_hints(cls: type) -> dict[str, Any]:
    """Return the types of a class, which are evaluated from their texts once."""
    return get_type_hints(cls)


def union_members(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union type; for any other type, the type itself."""
    if get_origin(hint) not in (Union, types.UnionType):
        return (hint,)
    members = get_args(hint)
    more = [cls for member in members if member in _extensions for cls in _extensions[member]()]
    return (*members, *(cls for cls in more if cls not in members))


def extend_unions(member: type, more: Callable[[], Collection[type]]) -> None:
    """Make other configs variants of every union that has ``member``.

    Args:
        member: a config class.
        more: returns the other classes; called each time, so that plugins are imported when they are needed.
    """
    _extensions[member] = more


def discriminator_field(cls: type) -> str:
    """Return the name of the field that distinguishes a config from the other variants of its union; "" if none."""
    return next((name for name in DISCRIMINATORS if get_origin(_type_hints(cls).get(name)) is Literal), "")


def discriminator_values(cls: type) -> tuple[str, ...]:
    return get_args(_type_hints(cls).get(discriminator_field(cls)))


def find_variant(hint: Any, name: Any) -> Any:
    """Return the class of the union ``hint`` whose discriminator is ``name``. Raises SettingError if there is none."""
    for cls in union_members(hint):
        if name in discriminator_values(cls):
            return cls
    names = [name for cls in union_members(hint) for name in discriminator_values(cls)]
    field = next(filter(None, map(discriminator_field, union_members(hint))))
    raise SettingError(f"{{{field}}} is {name!r}; it must be one of {', '.join(names)}.", field)
