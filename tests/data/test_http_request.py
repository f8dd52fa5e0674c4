import http.client
from pathlib import Path
from urllib.request import HTTPSHandler, Request

import pytest

from i2i.data.download import download
from i2i.errors import DownloadError
from tests.data.conftest import Fetch
from tests.data.http_site import SHA256, Site


def test_redirects_are_followed(site: Site, fetch: Fetch) -> None:
    site.redirects = ["/elsewhere/set.zip", "/with a space/\u00e4.zip", site.url]
    assert fetch() == SHA256
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://[::1", "not a valid address"),
        ("http://127.0.0.1:99999/", "not a valid address"),
        ("http://127.0.0.1:x/", "not a valid address"),
        ("http://:80/set.zip", "names no host"),
        ("ftp://127.0.0.1/set.zip", "not an http"),
        ("file:///etc/hostname", "not an http"),
        ("data:text/plain,x", "not an http"),
        ("javascript:1", "not an http"),
        ("", "is no address"),
    ],
)
@pytest.mark.parametrize("hops", [0, 2])
def test_every_redirect_must_lead_to_a_web_address(
    site: Site, fetch: Fetch, delays: list[float], location: str, problem: str, hops: int
) -> None:
    site.redirects = [f"/{hop}" for hop in range(hops)] + [location]
    with pytest.raises(DownloadError, match=problem) as caught:
        fetch()
    assert "redirects to" in str(caught.value)
    assert (len(site.requests), delays) == (hops + 1, [])


@pytest.mark.parametrize("hops", [0, 2])
def test_an_encrypted_address_does_not_lead_to_an_unencrypted_one(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hops: int
) -> None:
    def open_without_tls(handler: HTTPSHandler, request: Request) -> http.client.HTTPResponse:
        return handler.do_open(http.client.HTTPConnection, request)

    monkeypatch.setattr(HTTPSHandler, "https_open", open_without_tls)  # the site has no certificate
    encrypted = site.url.replace("http:", "https:")
    site.redirects = [f"{encrypted}/{hop}" for hop in range(hops)] + [site.url]
    with pytest.raises(DownloadError, match="which is not encrypted"):
        download(encrypted, tmp_path / "set.zip")
    assert len(site.requests) == hops + 1
    site.redirects = [f"{encrypted}/{hop}" for hop in range(2)]
    assert download(encrypted, tmp_path / "set.zip") == SHA256
    site.redirects = [encrypted]
    assert download(site.url, tmp_path / "other.zip") == SHA256


def test_a_loop_of_redirects_ends(site: Site, fetch: Fetch) -> None:
    site.redirects = ["/set.zip"] * 100
    with pytest.raises(DownloadError, match="infinite loop"):
        fetch()


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://", "http://a b/", "http://\u0130/x", "ftp://a/x", "set.zip", ""]
)
def test_an_address_that_cannot_be_requested_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match=r"not a valid address|not an http"):
        download(url, tmp_path / "set.zip")


def test_an_impossible_host_name_is_refused(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DownloadError, match="Check the address"):
        download(f"http://{'a' * 64}.invalid/", tmp_path / "set.zip")


@pytest.mark.parametrize("header", ["Content-Encoding", "Transfer-Encoding"])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "gzip, identity"])
def test_an_encoded_body_is_refused_and_not_retried(
    site: Site, fetch: Fetch, delays: list[float], header: str, encoding: str
) -> None:
    site.changes = [{header: encoding}]
    with pytest.raises(DownloadError, match=f"with {header} '.*', expected the plain bytes"):
        fetch()
    assert delays == []


def test_an_encoded_part_is_refused_and_the_bytes_before_it_are_kept(site: Site, fetch: Fetch) -> None:
    site.cuts = [1000]
    site.changes = [{}, {"Content-Encoding": "gzip"}]
    with pytest.raises(DownloadError, match="Content-Encoding"):
        fetch()
    assert fetch() == SHA256
    assert site.requests[2]["Range"] == "bytes=1000-"


def test_the_encoding_identity_is_none(site: Site, fetch: Fetch) -> None:
    site.changes = [{"Content-Encoding": "identity"}]
    assert fetch() == SHA256


def test_an_invalid_chunk_is_retried(site: Site, fetch: Fetch, delays: list[float]) -> None:
    site.changes = [{"Transfer-Encoding": "chunked", "Content-Length": None}]
    assert fetch() == SHA256
    assert delays == [1.0]


@pytest.mark.parametrize("status", [204, 203])
def test_an_answer_without_the_file_is_refused(site: Site, fetch: Fetch, delays: list[float], status: int) -> None:
    site.statuses = [status]
    with pytest.raises(DownloadError, match=f"answered {status}, expected 200"):
        fetch()
    assert delays == []
