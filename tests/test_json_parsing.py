import json

import pytest

from i2i.json_parsing import MAX_DEPTH, JsonError, parse_json, parse_json_table, replace_surrogates


@pytest.mark.parametrize("value", [{"a": [1, -2.5, None, True, "\u00e4"]}, [], 2**64 - 1, -(2**63), "x"])
def test_json_is_parsed(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
        ("[" * 100_000, "nested more than"),
        ('{"a":' * 100_000, "nested more than"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested more than"),
        ("9" * 21, "integer of 21 digits"),
        ('[{"a": -' + "9" * 4200 + "}]", "integer of 4201 digits"),
        ("9" * 10_000, "integer of 10000 digits"),
    ],
)
def test_a_damaged_or_hostile_text_is_named(text: str | bytes, problem: str) -> None:
    with pytest.raises(JsonError, match=problem):
        parse_json(text)


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert json.dumps(parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_lone_surrogates_become_replacement_characters() -> None:
    value = parse_json('{"\\ud800": ["a\\udcff", "\\ud83d\\ude00"]}')
    assert value == {"\ufffd": ["a\ufffd", "\U0001f600"]}
    json.dumps(value, ensure_ascii=False).encode()


def test_file_names_that_are_no_text_are_kept_on_request() -> None:
    assert parse_json('["\\udcff.png", "\\ud800"]', keep_file_names=True) == ["\udcff.png", "\ufffd"]


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_another_value_than_a_table_is_named(text: str) -> None:
    with pytest.raises(JsonError, match="expected a table"):
        parse_json_table(text)


def test_surrogates_in_a_text_are_replaced() -> None:
    assert replace_surrogates("a\udcffb\U0001f600") == "a\ufffdb\U0001f600"
