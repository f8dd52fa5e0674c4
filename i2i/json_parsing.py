"""Parse JSON from files that somebody else may have written or damaged."""

import json
import re
from typing import Any

MAX_DEPTH = 100  # of nested tables and lists
MAX_DIGITS = 20  # of an integer: enough for 64 bits
_ANY_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")  # also within pairs; escaped or not
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_FILE_NAME = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # os.fsdecode writes U+DC80 to U+DCFF for other bytes


class JsonError(ValueError):
    """The text is not JSON, or beyond the limits of this module. The message continues "FILE ..."."""


def parse_json(text: str | bytes, *, keep_file_names: bool = False) -> Any:
    """Return the value of a JSON text.

    Lone surrogates, which no encoding can write, become U+FFFD.

    >>> parse_json('{"name": "a\\\\ud800"}')
    {'name': 'a\ufffd'}

    Args:
        text: JSON; bytes are UTF-8.
        keep_file_names: keep the surrogates by which Python represents file names that are not valid text.

    Raises:
        JsonError: the text is not JSON, is nested more than MAX_DEPTH levels, or holds an integer of more than
            MAX_DIGITS digits.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        value = json.loads(text, parse_int=_parse_int)
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"is no JSON: it is not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise JsonError(f"is no JSON: {error}") from error
    _check_depth(value)
    if not _ANY_SURROGATE.search(text):  # saves most of the time
        return value
    return _replace(value, _NO_FILE_NAME if keep_file_names else _LONE_SURROGATE)


def parse_json_table(text: str | bytes, *, keep_file_names: bool = False) -> dict[str, Any]:
    """Return the table of a JSON text. Raises JsonError as ``parse_json`` does, and for another value than a table."""
    value = parse_json(text, keep_file_names=keep_file_names)
    if not isinstance(value, dict):
        raise JsonError(f"holds a JSON {type(value).__name__}, expected a table")
    return value


def replace_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, so that every Unicode encoding can write it."""
    return _LONE_SURROGATE.sub("\ufffd", text)


_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels"


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise JsonError(f"holds an integer of {len(digits)} digits, expected at most {MAX_DIGITS}")
    return int(digits)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        tables = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for table in tables for item in table]
        if not level:
            return
    raise JsonError(_TOO_DEEP)


def _replace(value: Any, unwanted: re.Pattern[str]) -> Any:
    """Return a JSON value with U+FFFD for each unwanted character."""
    if isinstance(value, str):
        return unwanted.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace(item, unwanted) for item in value]
    if isinstance(value, dict):
        return {_replace(key, unwanted): _replace(item, unwanted) for key, item in value.items()}
    return value
