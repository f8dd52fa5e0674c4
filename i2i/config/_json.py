"""Configs to and from JSON, and changes to a config."""

import dataclasses
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, get_args, get_origin

from i2i.config._fields import require
from i2i.config._unions import discriminator_field, field_types, find_variant, union_members
from i2i.errors import ConfigError, SettingError

C = TypeVar("C")


def to_json(config: Any) -> dict[str, Any]:
    """Return a config as plain dicts, lists and scalars."""
    return {field.name: _to_plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_json(cls: type[C], data: Any, where: str = "") -> C:
    """Return the config that ``to_json`` wrote.

    Args:
        cls: class of the config.
        data: the JSON object. Missing fields take their defaults.
        where: name of the config in error messages; by default the class name.

    Raises:
        ConfigError: a field is unknown, has the wrong type or is out of its bounds.
    """
    name = where or cls.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name} is {data!r}; it must be a table of fields.")
    with _within(name):
        return _from_table(cls, data)


def _from_table(cls: type[C], data: Mapping[str, Any]) -> C:
    hints = field_types(cls)
    data = _with_current_names(cls, data)
    if unknown := sorted(set(data) - set(hints)):
        raise SettingError(f"{{}} has no field {', '.join(map(repr, unknown))}; it has {', '.join(hints)}.", "")
    return cls(**{key: _coerce(hints[key], value, key) for key, value in data.items()})


@contextmanager
def _within(*keys: str) -> Iterator[None]:
    """Put the path of a nested config before the names of the settings in an error."""
    try:
        yield
    except SettingError as error:
        raise error.within(*keys) from error


def _with_current_names(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``data`` with earlier names of fields (``was``) and values (``was_values``) replaced by current ones."""
    fields = dataclasses.fields(cls)
    renamed = {field.metadata["was"]: field.name for field in fields if field.metadata.get("was")}
    current = {renamed.get(key, key) if renamed.get(key) not in data else key: value for key, value in data.items()}
    for field in fields:
        value = current.get(field.name)
        if isinstance(value, str):
            current[field.name] = field.metadata.get("was_values", {}).get(value, value)
    return current


def merge(config: C, changes: Mapping[str, Any]) -> C:
    """Return ``config`` with the fields of ``changes`` replaced.

    A nested table changes a nested config. If it selects another variant of a union, such as another ``network``, the
    other fields start from that variant's defaults.

    Raises:
        ConfigError: a field is unknown, has the wrong type or is out of its bounds.
    """
    hints = field_types(type(config))
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    new: dict[str, Any] = {}
    for key, value in _with_current_names(type(config), changes).items():
        if key not in hints:
            owner = getattr(config, discriminator_field(type(config)), type(config).__name__)
            options = [name for name in hints if name != discriminator_field(type(config))]
            known = "{listed}" if options else "none"
            raise SettingError(f"{owner} has no option {{{key}}}; it has {known}.", key, listed=options)
        current = getattr(config, key)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(current):
            with _within(key):
                new[key] = merge(_variant(hints[key], current, value), value)
        else:
            new[key] = _coerce(hints[key], value, key)
            if parse := fields[key].metadata.get("parse"):
                new[key] = _parsed(parse, key, new[key])
    return dataclasses.replace(config, **new)  # type: ignore[type-var]


def _variant(hint: Any, current: Any, changes: Mapping[str, Any]) -> Any:
    """Return ``current``, or the default config of the variant of the union ``hint`` that ``changes`` select."""
    discriminator = discriminator_field(type(current))
    current_name = getattr(current, discriminator, None)
    name = changes.get(discriminator, current_name)
    return current if name == current_name else find_variant(hint, name)()


def _parsed(parse: Callable[[Any], Any], key: str, value: Any) -> Any:
    """Return what ``parse`` makes of the value of the field ``key``. Its errors name the field."""
    try:
        return parse(value)
    except SettingError:
        raise
    except ConfigError as error:
        raise SettingError(f"{{{key}}}: {error}", key) from error


def _to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    return list(value) if isinstance(value, tuple) else value


def _coerce(hint: Any, value: Any, key: str) -> Any:
    """Return a JSON value of the field ``key`` as the type ``hint``. Raises SettingError if it has another type."""
    members = union_members(hint)
    if any(dataclasses.is_dataclass(cls) for cls in members):
        if dataclasses.is_dataclass(value):
            return value
        require(isinstance(value, Mapping), key, value, "a table of fields")
        with _within(key):
            name = value.get(discriminator_field(members[0]))
            return _from_table(members[0] if len(members) == 1 else find_variant(hint, name), value)
    if value is None and types.NoneType in members:
        return None
    for scalar_type in members:
        scalar = _coerce_scalar(scalar_type, value)
        if scalar is not None:
            return scalar
    expected = " or ".join(_type_name(scalar_type) for scalar_type in members)
    raise SettingError(f"{{{key}}} is {value!r}; it must be {expected}.", key)


def _coerce_scalar(hint: Any, value: Any) -> Any:
    """Return ``value`` as the type ``hint``, or None if it has another type."""
    if get_origin(hint) is Literal:
        return value if value in get_args(hint) else None
    if get_origin(hint) is tuple:
        item_types = get_args(hint)
        if not isinstance(value, list | tuple) or len(value) != len(item_types):
            return None
        items = tuple(_coerce_scalar(item_type, item) for item_type, item in zip(item_types, value, strict=True))
        return None if None in items else items
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        # The comparison is false for NaN, infinity and integers that no float can hold.
        return float(value) if abs(value) <= sys.float_info.max else None
    if hint is int and isinstance(value, bool):
        return None
    return value if isinstance(hint, type) and isinstance(value, hint) else None


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "nothing",
}


def _type_name(hint: Any) -> str:
    """Return the name of a type in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if set(items) == {float}:
            return f"{len(items)} finite numbers"
        return " and ".join(map(_type_name, items))
    return _WORDS.get(hint) or str(getattr(hint, "__name__", hint))
