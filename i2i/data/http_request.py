"""One HTTP request for an untrusted file: the address of every redirect is checked, and the body is never decoded."""

import http.client
import re
import string
import urllib.error
import urllib.request
from email.message import Message
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from i2i.errors import DownloadError

_HEADERS = {"User-Agent": "i2i", "Accept-Encoding": "identity"}
_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class Interrupted(Exception):
    """A try failed for a reason that may be temporary."""


def open_url(url: str, headers: dict[str, str], timeout: float) -> http.client.HTTPResponse:
    """Return the response to a GET request: 200, 206, or 416 if a range begins after the end of the file.

    Args:
        url: an http or https address; so must be that of every redirect.
        headers: in addition to those of every request.
        timeout: seconds without data after which the request fails.

    Raises:
        Interrupted: a further request may succeed.
        DownloadError: the server refused, an address is not usable, or the body is encoded.
    """
    if problem := _problem_of_address(url):
        raise DownloadError(f"{_shown(url)} {problem}.")
    try:
        response = _opener().open(urllib.request.Request(url, headers={**_HEADERS, **headers}), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and "Range" in headers:
            return error  # type: ignore[return-value]  # it has the status and headers of a response
        error.close()
        failure = f"{url} cannot be downloaded: the server answered {error.code} {_printable(error.reason)}"
        if error.code in _RETRIED_STATUSES:
            raise Interrupted(failure) from error
        raise DownloadError(f"{failure}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"{url} cannot be reached: {_reason(error)}") from error
    except ValueError as error:  # such as a host name that is no domain name, or an invalid http_proxy
        raise DownloadError(
            f"{url} cannot be requested: {_printable(error)}. Check the address, and the variables http_proxy and "
            "https_proxy if they are set."
        ) from error
    try:
        _check_headers(url, response)
    except (Interrupted, DownloadError):
        response.close()
        raise
    return response


def read_chunk(response: http.client.HTTPResponse, url: str, size: int) -> bytes:
    """Return up to ``size`` bytes of the body; none at its end. Raises Interrupted if the connection breaks."""
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"{url} stopped: {_reason(error)}") from error
    except ValueError as error:  # of a chunk's length
        raise Interrupted(f"{url} stopped: the server sent an invalid length") from error


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for HTTP alone: that of urllib also opens ftp:, file: and data: addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _CheckedRedirects(),
    ):
        opener.add_handler(handler)
    return opener


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https addresses only, and not from https to http."""

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Message) -> Any:
        fp.close()  # the page that comes with a redirect, of any length, is not read
        location = headers.get("Location", "")
        try:
            target = quote(urljoin(req.full_url, location), encoding="iso-8859-1", safe=string.punctuation)
        except ValueError as error:
            problem = f"is not a valid address: {error}"
        else:
            problem = _problem_of_address(target)
            if not problem and req.full_url.startswith("https:") and not target.startswith("https:"):
                problem = "is not encrypted, unlike the address that redirects to it"
        if not location or problem:
            raise DownloadError(
                f"{req.full_url} redirects to {_shown(location)}, which {problem or 'is no address'}. Nothing was "
                "downloaded from there."
            )
        return super().http_error_302(req, fp, code, msg, headers)  # type: ignore[arg-type]

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _problem_of_address(url: str) -> str:
    """Return why an address cannot be requested, as the end of a sentence; "" if it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # it is checked when it is read
    except ValueError as error:
        return f"is not a valid address: {error}"
    if parts.scheme not in ("http", "https"):
        return "is not an http:// or https:// address"
    if not parts.hostname:
        return "is not a valid address: it names no host"
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        return "is not a valid address: it holds characters that must be written as %XX"
    return ""


def _check_headers(url: str, response: http.client.HTTPResponse) -> None:
    """Raise DownloadError if the body is not the plain bytes of the file."""
    if response.status not in (200, 206):
        raise DownloadError(f"{url} cannot be downloaded: the server answered {response.status}, expected 200.")
    for header, plain in (("Content-Encoding", {"", "identity"}), ("Transfer-Encoding", {"", "chunked", "identity"})):
        encoding = ", ".join(response.headers.get_all(header, [])).strip().lower()
        if encoding not in plain:
            raise DownloadError(
                f"{url} was sent with {header} {_shown(encoding)}, expected the plain bytes of the file. The server "
                "or a proxy is set up wrongly; nothing of this answer was kept."
            )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error  # urllib wraps the original error
    return _printable(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)


def _printable(text: object) -> str:
    """Return text of the server without control characters."""
    return re.sub(r"[^\x20-\x7e\xa0-\xff]", "?", " ".join(str(text).split()))[:200]


def _shown(text: str) -> str:
    return repr(text[:200] + ("..." if len(text) > 200 else ""))
