"""The version of a remote file: what tells whether two responses hold parts of the same bytes."""

import http.client
import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self

from i2i.json_parsing import JsonError, parse_json_table

MAX_LENGTH = 2**63 - 1
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,1000}"')  # RFC 9110, 8.8.3, in ASCII
_LAST_MODIFIED = re.compile(r"[\x20-\x7e]{1,100}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class RemoteVersion:
    """A version of the file on the server.

    Attributes:
        url: the requested address, before redirects.
        etag: entity tag, with its quotes; None if the server sent none.
        last_modified: HTTP date; None if the server sent none, or one as new as the response.
        length: bytes of the whole file; None if unknown.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None

    @classmethod
    def of(cls, url: str, response: http.client.HTTPResponse) -> Self:
        """Return the version that a response (200 or 206) holds bytes of."""
        headers = response.headers
        etag = headers.get("ETag", "")
        modified = headers.get("Last-Modified", "")
        content_range = ContentRange.of(response)
        if response.status == 206:
            length = content_range.total if content_range else None
        else:
            text = headers.get("Content-Length", "")
            length = int(text) if re.fullmatch("[0-9]{1,18}", text) else None
        return cls(
            url,
            etag if _ETAG.fullmatch(etag) else None,
            modified if _LAST_MODIFIED.fullmatch(modified) and _is_before(modified, headers.get("Date", "")) else None,
            length,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the version that ``to_json`` gave, in this or an earlier release.

        Raises:
            JsonError: a value is missing or is none that ``to_json`` writes.
        """
        table = parse_json_table(text)
        if "validator" in table:  # the format before "etag" and "last_modified"
            validator = table["validator"]
            is_etag = isinstance(validator, str) and validator.startswith('"')
            table = {**table, "etag" if is_etag else "last_modified": validator}
        url, etag, modified, length = (table.get(key) for key in ("url", "etag", "last_modified", "length"))
        is_valid = (
            isinstance(url, str)
            and (etag is None or (isinstance(etag, str) and _ETAG.fullmatch(etag)))
            and (modified is None or (isinstance(modified, str) and _LAST_MODIFIED.fullmatch(modified)))
            and (length is None or (type(length) is int and 0 <= length <= MAX_LENGTH))
        )
        if not is_valid:
            raise JsonError("holds no version of a remote file")
        return cls(str(url), etag, modified, length)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def validator(self) -> str | None:
        """The value of If-Range; None if no part may be added to this version without a checksum of the whole."""
        # RFC 9110, 13.1.5: a weak ETag must not be used to resume, since it may stand for other bytes.
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    def agrees(self, other: "RemoteVersion", *, strictly: bool) -> bool:
        """Return whether both can be the same version: no attribute that both have differs.

        Args:
            other: the version of a later response.
            strictly: also require that ``other`` has the validator and the length of this version.
        """
        pairs = (
            (self.url, other.url),
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.length, other.length),
        )
        if any(a is not None and b is not None and a != b for a, b in pairs):
            return False
        return not strictly or (
            self.validator == other.validator and other.length is not None and self.length in (None, other.length)
        )


@dataclass(frozen=True)
class ContentRange:
    """The bytes of a 206 response.

    Attributes:
        start: index of the first byte in the file.
        count: number of bytes.
        total: length of the file; None if unknown.
    """

    start: int
    count: int
    total: int | None

    @classmethod
    def of(cls, response: http.client.HTTPResponse) -> Self | None:
        """Return the range of a response; None if it has none, or one that contradicts itself."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match:
            return None
        start, end = int(match[1]), int(match[2])
        total = None if match[3] == "*" else int(match[3])
        length = response.headers.get("Content-Length", str(end - start + 1))
        if end < start or (total is not None and end >= total) or length != str(end - start + 1):
            return None
        return cls(start, end - start + 1, total)


def _is_before(modified: str, date: str) -> bool:
    """Return whether a file can no longer change within its second of modification (RFC 9110, 8.8.2.2)."""
    try:
        return parsedate_to_datetime(date) - parsedate_to_datetime(modified) >= timedelta(seconds=1)
    except (ValueError, TypeError, OverflowError):  # no date: the server's clock is unknown
        return False
