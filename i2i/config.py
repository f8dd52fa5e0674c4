"""Configuration: frozen dataclasses, to and from JSON, and as command-line flags.

A config class sits beside what it configures. Each field is an ``option(default, "meaning and unit", ge=0)``: the
sentence is the flag's help and the documentation, and the bounds are checked when a config is made. A field may hold
another config, or one of several (``ResnetConfig | UnetConfig``), told apart by a discriminator field such as
``network: Literal[...]`` (a discriminated union).
"""

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from i2i.errors import ConfigError

C = TypeVar("C")
DISCRIMINATORS = ("network", "task")  # fields that tell the members of a union apart


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What the value of a field may be; of a tuple, each of its items."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[Any, ...] = ()
    rising: bool = False  # the items of a tuple must not fall

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        return ("two numbers, rising, " if self.rising else "") + self._interval()

    def _interval(self) -> str:
        if self.ge is not None and self.le is not None:
            return f"from {self.ge:g} to {self.le:g}"
        low = f"above {self.gt:g}" if self.gt is not None else ""
        if self.ge is not None:
            low = f"at least {self.ge:g}" if self.lt is not None else f"{self.ge:g} or above"
        if self.le is not None:
            return f"{low}, up to {self.le:g}" if low else f"up to {self.le:g}"
        high = f"below {self.lt:g}" if self.lt is not None else ""
        return " and ".join(filter(None, (low, high)))

    def allow(self, value: Any) -> bool:
        """Whether ``value``, a number or a tuple of numbers, is within the bounds."""
        items = value if isinstance(value, tuple) else (value,)
        if self.rising and list(items) != sorted(items):
            return False
        return all(self._allows(item) for item in items)

    def _allows(self, item: Any) -> bool:
        return (
            (not self.choices or item in self.choices)
            and (self.ge is None or item >= self.ge)
            and (self.gt is None or item > self.gt)
            and (self.le is None or item <= self.le)
            and (self.lt is None or item < self.lt)
        )


def option(
    default: Any,
    help: str,
    *,
    flag: str = "",
    prefix: str = "",
    was: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[Any, ...] = (),
    rising: bool = False,
) -> Any:
    """A config field with its meaning and its bounds.

    Args:
        default: the value where none is given.
        help: meaning and unit; shown as the flag's help.
        flag: name of the flag, where it is not the field's.
        prefix: put before the flags of a nested config.
        was: an earlier name of the field, under which ``from_json`` still accepts it.
        ge, gt, le, lt: bounds of the number, or of each number of a tuple. None as a value is always allowed.
        choices: the only values allowed.
        rising: whether the numbers of a tuple must not fall.
    """
    bounds = Bounds(ge, gt, le, lt, choices, rising)
    metadata = {"help": help, "flag": flag, "prefix": prefix, "was": was, "bounds": bounds}
    return dataclasses.field(default=default, metadata=metadata)


class Config:
    """Base of the config classes: checks the bounds of each field when it is made."""

    def __post_init__(self) -> None:
        validate(self)


def validate(config: Any) -> None:
    """Raise ConfigError for the first field of a dataclass whose value is out of its option's bounds."""
    for field in dataclasses.fields(config):
        bounds, value = field.metadata.get("bounds"), getattr(config, field.name)
        if bounds is not None and value is not None and not dataclasses.is_dataclass(value):
            require(bounds.allow(value), field.name, value, str(bounds))


def require(condition: bool, field: str, value: object, expected: str) -> None:
    """Raise ConfigError naming the field, its value and what is expected, unless ``condition`` holds."""
    if not condition:
        raise ConfigError(f"{field} is {value!r}; it must be {expected}.")


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain dicts, lists and numbers."""
    return {field.name: _to_plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_json(cls: type[C], data: Any, where: str = "") -> C:
    """The config of class ``cls`` that ``to_json`` gave. Raises ConfigError on unknown, wrong or bad fields."""
    name = where or cls.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name} is {data!r}; it must be a table of fields.")
    hints, data = _hints(cls), _with_present_names(cls, data)
    if unknown := sorted(set(data) - set(hints)):
        raise ConfigError(f"{name} has no field {', '.join(map(repr, unknown))}; it has {', '.join(hints)}.")
    return cls(**{key: _coerce(hints[key], value, f"{name}.{key}") for key, value in data.items()})


def _with_present_names(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` with the keys that are a field's earlier name (``was``) replaced by its present one."""
    present = {field.metadata["was"]: field.name for field in dataclasses.fields(cls) if field.metadata.get("was")}
    return {present.get(key, key) if present.get(key) not in data else key: value for key, value in data.items()}


def merge(config: C, changes: Mapping[str, Any]) -> C:
    """``config`` with the fields of ``changes`` replaced; nested tables change nested configs.

    A table that names another tag than the present one, such as another ``network``, starts from that one's defaults.
    """
    hints = _hints(type(config))
    new: dict[str, Any] = {}
    for key, value in _with_present_names(type(config), changes).items():
        if key not in hints:
            owner = getattr(config, _discriminator_field(type(config)), type(config).__name__)
            raise ConfigError(f"{owner} has no option {key!r}; it has {', '.join(hints)}.")
        present = getattr(config, key)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(present):
            name = _discriminator_field(type(present))
            tag = value.get(name, getattr(present, name, None))
            if tag != getattr(present, name, None):
                present = _variant(hints[key], tag, key)()
            new[key] = merge(present, value)
        else:
            new[key] = _coerce(hints[key], value, key)
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
        if field.name == _discriminator_field(type(config)):
            continue
        if not dataclasses.is_dataclass(present):
            name = "-".join(filter(None, (prefix, field.metadata["flag"] or field.name))).replace("_", "-")
            yield Flag(name, here, hint, present, field.metadata["help"])
            continue
        below = field.metadata["prefix"]
        members = [m for m in _variants(hint) if not isinstance(present, m)]
        yield from _union_flags(field, present, members, here, below)


def _union_flags(field: Any, present: Any, others: list[type], path: tuple[str, ...], prefix: str) -> Iterator[Flag]:
    key, configs = _discriminator_field(type(present)), [present, *(cls() for cls in others)]
    tags = [tag for config in configs for tag in _discriminator_values(type(config))]
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


def _to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    return list(value) if isinstance(value, tuple) else value


def _variants(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _discriminator_field(cls: type) -> str:
    """The name of the field that tells a config from the others it may stand for; "" where it has none."""
    return next((name for name in DISCRIMINATORS if get_origin(get_type_hints(cls).get(name)) is Literal), "")


def _discriminator_values(cls: type) -> tuple[str, ...]:
    return get_args(get_type_hints(cls).get(_discriminator_field(cls)))


def _variant(hint: Any, tag: Any, where: str) -> Any:
    for cls in _variants(hint):
        if tag in _discriminator_values(cls):
            return cls
    known = [tag for cls in _variants(hint) for tag in _discriminator_values(cls)]
    raise ConfigError(f"{where} is {tag!r}; it must be one of {', '.join(known)}.")


def _coerce(hint: Any, value: Any, where: str) -> Any:
    members = _variants(hint)
    if any(dataclasses.is_dataclass(member) for member in members):
        if dataclasses.is_dataclass(value):
            return value
        tagged = isinstance(value, Mapping) and len(members) > 1
        return from_json(
            _variant(hint, value.get(_discriminator_field(members[0])), where) if tagged else members[0], value, where
        )
    for member in members:
        if (found := _coerce_scalar(member, value)) is not None or (value is None and member is types.NoneType):
            return found
    expected = " or ".join(_type_name(member) for member in members)
    raise ConfigError(f"{where} is {value!r}; it must be {expected}.")


def _coerce_scalar(hint: Any, value: Any) -> Any:
    """``value`` as the type ``hint``, or None if it is not one."""
    if get_origin(hint) is Literal:
        return value if value in get_args(hint) else None
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        if not isinstance(value, list | tuple) or len(value) != len(inner):
            return None
        parts = tuple(_coerce_scalar(h, v) for h, v in zip(inner, value, strict=True))
        return None if None in parts else parts
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= sys.float_info.max else None  # nor NaN, nor a whole number beyond
    if hint is int and isinstance(value, bool):
        return None
    return value if isinstance(hint, type) and isinstance(value, hint) else None


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return "nothing" if hint is types.NoneType else getattr(hint, "__name__", str(hint))
