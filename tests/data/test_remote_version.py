from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest

from i2i.data.remote_version import ContentRange, RemoteVersion
from i2i.json_parsing import JsonError

URL = "http://example.org/set.zip"
MODIFIED = "Tue, 01 Aug 2017 10:00:00 GMT"
DATE = "Tue, 01 Aug 2017 10:00:01 GMT"


def response(status: int = 200, **headers: str) -> Any:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return SimpleNamespace(status=status, headers=message)


def test_records_of_this_and_the_earlier_release_are_read() -> None:
    record = f'{{"url": "{URL}", "etag": "W/\\"a\\"", "last_modified": "{MODIFIED}", "length": 9}}'
    assert RemoteVersion.from_json(record) == RemoteVersion(URL, 'W/"a"', MODIFIED, 9)
    validators = {'\\"a\\"': RemoteVersion(URL, '"a"', None, 9), MODIFIED: RemoteVersion(URL, None, MODIFIED, 9)}
    for validator, expected in validators.items():
        earlier = f'{{"url": "{URL}", "validator": "{validator}", "length": 9}}'
        assert RemoteVersion.from_json(earlier) == expected
        assert RemoteVersion.from_json(earlier).validator == validator.replace("\\", "")
    assert RemoteVersion.from_json(f'{{"url": "{URL}", "validator": null, "length": null}}') == RemoteVersion(URL)
    with pytest.raises(JsonError):
        RemoteVersion.from_json("{}")


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"', "Last_Modified": MODIFIED, "Date": DATE}, '"a"'),
        ({"ETag": 'W/"a"', "Last_Modified": MODIFIED, "Date": DATE}, MODIFIED),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"\xe4"'}, None),
        ({"Last_Modified": MODIFIED, "Date": MODIFIED}, None),
        ({"Last_Modified": MODIFIED}, None),
        ({"Last_Modified": "yesterday", "Date": DATE}, None),
        ({"Last_Modified": MODIFIED, "Date": "Tue, 01 Aug 2017 10:00:01"}, None),
        ({}, None),
    ],
)
def test_only_a_strong_validator_allows_to_resume(headers: dict[str, str], validator: str | None) -> None:
    assert RemoteVersion.of(URL, response(**headers)).validator == validator


def test_weak_validators_are_compared_too() -> None:
    one = RemoteVersion(URL, 'W/"a"', MODIFIED, 9)
    assert one.agrees(RemoteVersion(URL, None, MODIFIED, 9), strictly=True)
    assert not one.agrees(RemoteVersion(URL, 'W/"b"', MODIFIED, 9), strictly=False)
    assert not one.agrees(RemoteVersion(URL, 'W/"a"', MODIFIED, None), strictly=True)
    assert one.agrees(RemoteVersion(URL), strictly=False)


@pytest.mark.parametrize(
    ("content_range", "length", "expected"),
    [
        ("bytes 5-8/9", "4", ContentRange(5, 4, 9)),
        ("bytes 5-8/*", "4", ContentRange(5, 4, None)),
        ("bytes 5-8/9", "5", None),
        ("bytes 5-9/9", "5", None),
        ("bytes 5-4/9", "0", None),
        ("bytes */9", "4", None),
        ("items 5-8/9", "4", None),
        (f"bytes 5-8/{'9' * 30}", "4", None),
    ],
)
def test_a_range_that_contradicts_itself_is_none(
    content_range: str, length: str, expected: ContentRange | None
) -> None:
    assert ContentRange.of(response(206, Content_Range=content_range, Content_Length=length)) == expected
