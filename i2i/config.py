"""Configuration: frozen dataclasses, to and from JSON, and as command-line flags.

A config class sits beside what it configures. Each field is an ``option(default, "meaning and unit")``, and
that sentence is at once the flag's help, and the documentation. A field may hold another config, or one of
several (``ResnetConfig | UnetConfig``), told apart by their tag: ``network: Literal[...]``, or ``task: Literal[...]``.
"""

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from i2i.errors import ConfigError

C = TypeVar("C")
TAGS = ("network", "task")


def option(default: Any, help: str, *, flag: str = "", prefix: str = "") -> Any:
    """A config field with its meaning.

    flag: the name of its flag, where that is not the field's. prefix: put before the flags of a nested config.
    """
    return dataclasses.field(default=default, metadata={"help": help, "flag": flag, "prefix": prefix})


def check(condition: bool, field: str, found: object, allowed: str) -> None:
    """Raise ConfigError naming the field, what was given and what is allowed, unless ``condition`` holds."""
    if not condition:
        raise ConfigError(f"{field} is {found!r}; it must be {allowed}.")


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain dicts, lists and numbers."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_json(cls: type[C], data: Any, where: str = "") -> C:
    """The config of class ``cls`` that ``to_json`` gave. Raises ConfigError on unknown, wrong or bad fields."""
    name = where or cls.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name} is {data!r}; it must be a table of fields.")
    hints = _hints(cls)
    if unknown := sorted(set(data) - set(hints)):
        raise ConfigError(f"{name} has no field {', '.join(map(repr, unknown))}; it has {', '.join(hints)}.")
    return cls(**{key: _typed(hints[key], value, f"{name}.{key}") for key, value in data.items()})


def merge(config: C, changes: Mapping[str, Any]) -> C:
    """``config`` with the fields of ``changes`` replaced; nested tables change nested configs.

    A table that names another tag than the present one, such as another ``network``, starts from that one's defaults.
    """
    hints = _hints(type(config))
    new: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in hints:
            owner = getattr(config, _tag(type(config)), type(config).__name__)
            raise ConfigError(f"{owner} has no option {key!r}; it has {', '.join(hints)}.")
        present = getattr(config, key)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(present):
            name = _tag(type(present))
            tag = value.get(name, getattr(present, name, None))
            if tag != getattr(present, name, None):
                present = _member(hints[key], tag, key)()
            new[key] = merge(present, value)
        else:
            new[key] = _typed(hints[key], value, key)
    return dataclasses.replace(config, **new)  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True)
class Flag:
    """One command-line flag of a config: ``path`` leads to its field, ``default`` is the present value."""

    name: str
    path: tuple[str, ...]
    type: Any
    default: Any
    help: str


def flags(config: Any, path: tuple[str, ...] = (), prefix: str = "") -> Iterator[Flag]:
    """Every field of ``config`` as a flag, depth first. The members of a union share equal names."""
    hints = _hints(type(config))
    for field in dataclasses.fields(config):
        present, hint = getattr(config, field.name), hints[field.name]
        here = (*path, field.name)
        if field.name == _tag(type(config)):
            continue
        if not dataclasses.is_dataclass(present):
            name = "-".join(filter(None, (prefix, field.metadata["flag"] or field.name))).replace("_", "-")
            yield Flag(name, here, hint, present, field.metadata["help"])
            continue
        below = field.metadata["prefix"]
        members = [m for m in _members(hint) if not isinstance(present, m)]
        yield from _union_flags(field, present, members, here, below)


def _union_flags(field: Any, present: Any, others: list[type], path: tuple[str, ...], prefix: str) -> Iterator[Flag]:
    key, configs = _tag(type(present)), [present, *(cls() for cls in others)]
    tags = [tag for config in configs for tag in _tags(type(config))]
    if len(tags) > 1:
        name = field.metadata["flag"] or field.name
        yield Flag(name, (*path, key), Literal[tuple(tags)], getattr(present, key), field.metadata["help"])
    found: dict[tuple[str, ...], list[tuple[Any, Flag]]] = {}
    for config in configs:
        for flag in flags(config, path, prefix):
            found.setdefault(flag.path, []).append((config, flag))
    for owners in found.values():
        (first, flag), names = owners[0], [getattr(config, key, "") for config, _ in owners]
        yield flag if first is present else dataclasses.replace(flag, help=f"{flag.help} ({', '.join(names)} only)")


def _hints(cls: type) -> dict[str, Any]:
    """The types of a config's fields, by name; class variables are none."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    return list(value) if isinstance(value, tuple) else value


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _tag(cls: type) -> str:
    """The name of the field that tells a config from the others it may stand for; "" where it has none."""
    return next((name for name in TAGS if get_origin(get_type_hints(cls).get(name)) is Literal), "")


def _tags(cls: type) -> tuple[str, ...]:
    return get_args(get_type_hints(cls).get(_tag(cls)))


def _member(hint: Any, tag: Any, where: str) -> Any:
    for cls in _members(hint):
        if tag in _tags(cls):
            return cls
    known = [tag for cls in _members(hint) for tag in _tags(cls)]
    raise ConfigError(f"{where} is {tag!r}; it must be one of {', '.join(known)}.")


def _typed(hint: Any, value: Any, where: str) -> Any:
    members = _members(hint)
    if any(dataclasses.is_dataclass(member) for member in members):
        if dataclasses.is_dataclass(value):
            return value
        tagged = isinstance(value, Mapping) and len(members) > 1
        return from_json(_member(hint, value.get(_tag(members[0])), where) if tagged else members[0], value, where)
    for member in members:
        if (found := _scalar(member, value)) is not None or (value is None and member is types.NoneType):
            return found
    expected = " or ".join(_spoken(member) for member in members)
    raise ConfigError(f"{where} is {value!r}; it must be {expected}.")


def _scalar(hint: Any, value: Any) -> Any:
    """``value`` as the type ``hint``, or None if it is not one."""
    if get_origin(hint) is Literal:
        return value if value in get_args(hint) else None
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        if not isinstance(value, list | tuple) or len(value) != len(inner):
            return None
        parts = tuple(_scalar(h, v) for h, v in zip(inner, value, strict=True))
        return None if None in parts else parts
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= sys.float_info.max else None  # nor NaN, nor a whole number beyond
    if hint is int and isinstance(value, bool):
        return None
    return value if isinstance(hint, type) and isinstance(value, hint) else None


def _spoken(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return "nothing" if hint is types.NoneType else getattr(hint, "__name__", str(hint))
