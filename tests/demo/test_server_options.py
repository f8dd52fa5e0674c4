import pytest

from i2i.demo import server
from i2i.demo.server import ServerOptions, parse_credentials
from i2i.errors import UsageError
from tests.cli.test_cli import run


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_local_server_needs_no_password(host: str) -> None:
    assert ServerOptions(host=host).security_warning() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "lab.example"])
def test_a_public_server_without_a_password_causes_a_warning(host: str) -> None:
    assert "--auth" in ServerOptions(host=host).security_warning()
    assert ServerOptions(host=host, auth=("a", "b")).security_warning() == ""


def test_credentials_are_split_at_the_first_colon() -> None:
    assert parse_credentials("lab:a:b") == ("lab", "a:b")
    assert parse_credentials(None) is None
    for text in ("lab", "lab:", ":secret"):
        with pytest.raises(UsageError, match="NAME:PASSWORD"):
            parse_credentials(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--auth", "lab"], "NAME:PASSWORD"),
        (["--max-pixels", "many"], "200MP"),
        (["--mcp"], 'pip install "gradio[mcp]"'),
        (["--allow-video"], 'pip install -e ".[video]"'),
    ],
)
def test_an_invalid_flag_is_reported_before_the_server_starts(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    monkeypatch.setattr(server.Server, "__enter__", lambda self: pytest.fail("the server started"))
    result = run("demo", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
