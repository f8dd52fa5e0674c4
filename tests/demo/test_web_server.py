import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from i2i.demo.upload_folder import sweep_stale_folders
from i2i.demo.web_server import listen, page_url
from i2i.errors import UsageError

SERVE = """
import sys, time
from i2i.demo.uploads import UploadStore
from i2i.demo.web_server import listen
sock = listen("127.0.0.1", None)
UploadStore().decoders.start()
print(sock.getsockname()[1], flush=True)
time.sleep(60)
"""


def test_a_port_in_use_is_reported_and_the_next_free_one_is_taken_without_a_port() -> None:
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert second.getsockname()[1] > first.getsockname()[1] >= 7860
        with pytest.raises(UsageError, match=r"Cannot listen on 127\.0\.0\.1, port \d+: .*in use"):
            listen("127.0.0.1", first.getsockname()[1])


def test_an_address_of_another_machine_is_reported() -> None:
    with pytest.raises(UsageError, match=r"Cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 7860)


def test_a_child_process_does_not_inherit_the_socket() -> None:
    with listen("127.0.0.1", None) as sock:
        assert isinstance(sock, socket.socket)
        assert not sock.get_inheritable()


def test_a_killed_server_leaves_the_port_free_and_its_files_to_the_next_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    listen("127.0.0.1", port).close()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [path.parent for path in sweep_stale_folders()] == [tmp_path]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/"),
        ("0.0.0.0", "http://localhost:80/"),
        ("::", "http://localhost:80/"),
        ("::1", "http://[::1]:80/"),
        ("[::1]", "http://[::1]:80/"),
        ("lab.example", "http://lab.example:80/"),
    ],
)
def test_the_address_of_the_page_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert page_url(host, 80) == url
