import socket

import httpx
import pytest

from i2i.demo.request_guard import AllowedHosts
from i2i.demo.server import Server

pytestmark = pytest.mark.usefixtures("use_served_checkpoints")
HOSTS = AllowedHosts.from_options("127.0.0.1", ["Lab.example"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "a.localhost", "[::1]:7860", "192.168.1.5:7860", "lab.example:443",
     "lab.example.", socket.gethostname()],
)  # fmt: skip
def test_a_host_of_this_server_is_accepted(host: str) -> None:
    assert HOSTS.accepts(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "lab.example.evil.example", "localhost@evil.example", "", "["]
)
def test_the_host_of_another_site_is_refused(host: str) -> None:
    assert not HOSTS.accepts(host)


@pytest.mark.parametrize(
    ("origin", "host", "accepted"),
    [
        ("http://localhost:7860", "localhost:7860", True),
        ("https://lab.example", "127.0.0.1:7860", True),  # a proxy that replaces the Host header
        ("http://127.0.0.1:3000", "127.0.0.1:7860", False),
        ("http://localhost:3000", "localhost:7860", False),
        ("http://127.0.0.1:7860", "localhost:7860", False),
        ("http://evil.example", "localhost:7860", False),
        ("null", "localhost:7860", False),
        ("http://[", "localhost:7860", False),
        ("", "", False),
    ],
)
def test_only_the_own_page_may_send_data(origin: str, host: str, accepted: bool) -> None:
    assert HOSTS.accepts_origin(origin, host) == accepted


def upload(server: Server, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}gradio_api/upload", files={"files": ("a.png", b"a")}, headers=headers, timeout=60)


def test_the_server_refuses_foreign_hosts_and_uploads_of_other_sites(server: Server) -> None:
    port = server.url.rstrip("/").rpartition(":")[2]
    for host in (f"evil.example:{port}", "["):
        answer = httpx.get(server.url, headers={"Host": host}, timeout=60)
        assert answer.status_code == 403
        assert "--allowed-host" in answer.json()["error"]
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = upload(server, **headers)
        assert answer.status_code == 403
        assert "not from other sites" in answer.json()["error"]
    assert upload(server, Origin=server.url.rstrip("/")).status_code == 200
    assert upload(server).status_code == 200


def test_an_upload_without_room_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.store, "free_bytes", lambda: 10)
    answer = upload(server)
    assert answer.status_code == 507
    assert "no room" in answer.json()["error"]


def test_a_drawing_is_limited_too(server: Server) -> None:
    files = {"file": ("a.png", bytes(4_000_000))}
    assert httpx.post(f"{server.url}gradio_api/component_server", files=files, timeout=60).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["gradio_api/file=%00", "gradio_api/file=" + "a" * 300, "gradio_api/file=/tmp/" + "b/" * 3000, "assets/%00",
     "static/" + "a" * 300, "gradio_api/file=%ff%fe", "?deep_link=%00"],
)  # fmt: skip
def test_a_path_that_no_file_has_is_a_fault_of_the_request(path: str, server: Server) -> None:
    assert httpx.get(server.url + path, timeout=60).status_code in (200, 400, 403, 404, 414)


@pytest.mark.parametrize("path", ["\0", "/tmp/\0", "/tmp/" + "a" * 5000])
@pytest.mark.parametrize("route", ["run/translate", "call/translate", "call/v2/translate"])
def test_a_path_in_the_arguments_that_no_file_has_is_no_failure_of_the_server(
    route: str, path: str, server: Server
) -> None:
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = {"data": [photo, "both", "AtoB", None]}
    assert httpx.post(f"{server.url}gradio_api/{route}", json=data, timeout=60).status_code < 500
