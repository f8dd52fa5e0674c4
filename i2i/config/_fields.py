"""Config fields with their bounds."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from i2i.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Allowed values of a field. If the value is a tuple, the bounds apply to each item.

    Attributes:
        ge, gt, le, lt: lower and upper bounds; None for no bound.
        choices: the allowed values; () for any.
        rising: whether the items of a tuple must be in ascending order.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[Any, ...] = ()
    rising: bool = False

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
        """Return whether ``value``, a number or a tuple of numbers, is within the bounds."""
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
    was_values: Mapping[str, str] | None = None,
    parse: Callable[[Any], Any] | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[Any, ...] = (),
    rising: bool = False,
) -> Any:
    """Declare a config field with its meaning and its bounds.

    Args:
        default: default value.
        help: meaning and unit; shown as the flag's help.
        flag: name of the flag, if it differs from the field's name.
        prefix: prefix of the flags of a nested config.
        was: an earlier name of the field; ``from_json`` and ``merge`` accept it.
        was_values: earlier names of values → their present names; ``from_json`` and ``merge`` accept them.
        parse: returns the value to keep of one that a user gave, such as the content of a file. ``merge`` calls it, and
            ``from_json`` does not, so that settings of a file of others read no further files. It must return such a
            value as it is.
        ge, gt, le, lt: bounds of the number, or of each number of a tuple. None is always allowed as a value.
        choices: the allowed values; () for any.
        rising: whether the numbers of a tuple must be in ascending order.
    """
    bounds = Bounds(ge, gt, le, lt, choices, rising)
    metadata = {
        "help": help,
        "flag": flag,
        "prefix": prefix,
        "was": was,
        "was_values": was_values or {},
        "parse": parse,
        "bounds": bounds,
    }
    return dataclasses.field(default=default, metadata=metadata)


class Config:
    """Base of the config classes. Checks the bounds of each field when a config is created."""

    def __post_init__(self) -> None:
        validate(self)


def validate(config: Any) -> None:
    """Check every field of a dataclass. Raises SettingError for the first value that is out of its bounds.

    A whole number in a field of type float becomes a float, as it is when the config is read from JSON.
    """
    for field in dataclasses.fields(config):
        bounds = field.metadata.get("bounds")
        value = getattr(config, field.name)
        if type(value) is int and field.type in (float, float | None):
            value = float(value)
            object.__setattr__(config, field.name, value)  # the dataclass is frozen
        if bounds is not None and value is not None and not dataclasses.is_dataclass(value):
            require(bounds.allow(value), field.name, value, str(bounds))


def require(condition: bool, field: str, value: object, expected: str) -> None:
    """Raise SettingError with the field, its value and the expected values, unless ``condition`` holds.

    Args:
        condition: whether the value can be used.
        field: name of the field, or the path of one of a nested config, such as "task.scale".
        value: its value.
        expected: the values that it can take, after "it must be". Names of other fields stand in braces.
    """
    if not condition:
        others = re.findall(r"{([a-z_.0-9]+)}", expected)
        raise SettingError(f"{{{field}}} is {value!r}; it must be {expected}.", field, *others)
