"""`i2i docs`."""

import importlib
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import i2i
from i2i.cli import app
from i2i.errors import UsageError

FOLDER = Path(i2i.__file__).parent / "docs"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))
docs_module = importlib.import_module("i2i.cli.docs")  # the package's own name for it is the command
README = FOLDER.parents[1] / "README.md"


def test_the_list_has_every_page_with_a_summary_in_one_line() -> None:
    result = CliRunner().invoke(app, ["docs"])
    assert result.exit_code == 0
    rows = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert [name for name, _ in rows] == PAGES
    assert all(text.endswith(".") for _, text in rows)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_printed_as_plain_markdown_into_a_pipe_without_comments(page: str) -> None:
    result = CliRunner().invoke(app, ["docs", page])
    source = (FOLDER / f"{page}.md").read_text()
    assert result.exit_code == 0
    assert result.stdout.startswith("# ")
    assert result.stdout.splitlines() == [line for line in source.splitlines() if not line.startswith("<!--")]


def test_a_page_is_formatted_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(docs_module.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(docs_module, "stdout", Console(width=100))
    docs_module.docs("converting")
    output = capsys.readouterr().out
    assert "## Input files" not in output
    assert "Input files" in output


def test_the_error_for_an_unknown_page_lists_the_pages() -> None:
    result = CliRunner().invoke(app, ["docs", "trianing"])
    assert isinstance(result.exception, UsageError)
    assert "small-data" in str(result.exception)


@pytest.mark.parametrize("source", [README, *sorted(FOLDER.glob("*.md"))], ids=lambda path: path.stem)
def test_every_relative_link_leads_to_a_file(source: Path) -> None:
    prose = re.sub(r"```.*?```", "", source.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (source.parent / target).exists(), target


def test_the_readme_links_to_every_page() -> None:
    text = README.read_text()
    assert [page for page in PAGES if f"i2i/docs/{page}.md" not in text] == []
