"""``MetadataFields``: values of a model file's metadata, each checked when it is read."""

import reprlib
from typing import Any

from i2i.directions import SAMPLE, Direction
from i2i.errors import ModelFileError
from i2i.images.pixel_format import RGB8, DomainFormats, PixelFormat
from i2i.images.value_range import ValueRanges, ranges_from_json

MAX_TEXT = 255  # characters of a name
MAX_TEXTS = 20
MAX_COUNT = 10**15  # of steps or images
MAX_NUMBER = 1e300


class MetadataFields:
    """Reads values of a JSON table and checks each. Raises ModelFileError for one that is not usable.

    Args:
        table: the table.
        source: name of the file, for messages.
        prefix: path of the table in the metadata, for messages.
    """

    def __init__(self, table: Any, source: str, prefix: str = "") -> None:
        if not isinstance(table, dict):
            raise ModelFileError(f"{source}: its metadata is {reprlib.repr(table)}; it must be a table.")
        self._table = table
        self._source = source
        self._prefix = prefix

    def has(self, key: str) -> bool:
        return self._table.get(key) is not None

    def table(self, key: str, default: Any = None) -> dict[str, Any]:
        value = self._get(key, default)
        self._require(isinstance(value, dict), key, value, "a table")
        return value

    def text(self, key: str, default: Any = None) -> str:
        value = self._get(key, default)
        is_valid = isinstance(value, str) and len(value) <= MAX_TEXT
        self._require(is_valid, key, value, f"a text of at most {MAX_TEXT} characters")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, [])
        is_list = isinstance(value, list) and len(value) <= MAX_TEXTS
        is_valid = is_list and all(isinstance(item, str) and len(item) <= MAX_TEXT for item in value)
        self._require(is_valid, key, value, f"a list of at most {MAX_TEXTS} texts")
        return tuple(value)

    def integer(self, key: str, low: int = 0, high: int = MAX_COUNT) -> int:
        value = self._get(key)
        self._require(_is_integer(value, low, high), key, value, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, default: Any = None) -> float:
        value = self._get(key, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        self._require(is_number and abs(value) <= MAX_NUMBER, key, value, "a finite number")  # false for NaN
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._get(key, False)
        self._require(isinstance(value, bool), key, value, "true or false")
        return value

    def counts(self, key: str, default: Any = None) -> tuple[int, ...]:
        value = self._get(key, default)
        is_list = isinstance(value, list) and len(value) <= len(Direction)
        is_valid = is_list and all(_is_integer(count, 0, MAX_COUNT) for count in value)
        self._require(is_valid, key, value, "a list with the number of images in each domain")
        return tuple(value)

    def directions(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        is_list = isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) > 0
        is_valid = is_list and len(set(value)) == len(value) and (value == [SAMPLE] or set(value) <= set(Direction))
        self._require(is_valid, key, value, f'a list of {" and ".join(Direction)}, or of "{SAMPLE}" alone')
        return tuple(value)

    def value_ranges(self, key: str) -> tuple[ValueRanges, ValueRanges]:
        value = self._get(key, [{}, {}])
        try:
            a, b = value
            return ranges_from_json(a), ranges_from_json(b)
        except (TypeError, ValueError):
            self._require(False, key, value, "a list of two tables, with black and white by sample type")
            raise

    def formats(self, key: str) -> DomainFormats:
        value = self._get(key, [RGB8.to_json(), RGB8.to_json()])
        try:
            a, b = value
            return PixelFormat.from_json(a), PixelFormat.from_json(b)
        except (TypeError, ValueError):
            self._require(False, key, value, "a list of two tables, with channels, dtype and value_range")
            raise

    def _get(self, key: str, default: Any = None) -> Any:
        value = self._table.get(key)
        return default if value is None else value

    def _require(self, condition: bool, key: str, value: Any, expected: str) -> None:
        if condition:
            return
        actual = f"is {reprlib.repr(value)}" if key in self._table else "is missing"
        raise ModelFileError(
            f"{self._source}: its metadata does not describe a model: {self._prefix}{key} {actual}; it must be "
            f"{expected}. The file is damaged, or a program other than i2i wrote it."
        )


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
