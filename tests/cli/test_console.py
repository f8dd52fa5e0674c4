import logging
import subprocess
import sys

import pytest

from i2i.cli.console import ConsoleHandler

LOG_A_WARNING = """
import logging
import i2i
logging.getLogger("i2i.inference.runner").warning("does not fit")
"""


@pytest.fixture
def logger() -> logging.Logger:
    """A logger with a ConsoleHandler."""
    logger = logging.Logger("i2i.data.ensure", logging.INFO)
    logger.addHandler(ConsoleHandler())
    return logger


def test_a_message_is_printed_on_stderr_without_markup(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.info("in %s: %d%%", "[bold]photos[/bold] :smile:", 50)
    logger.warning("[red]%s", "x" * 300)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "in [bold]photos[/bold] :smile:: 50%\n[red]" + "x" * 300 + "\n"


def test_warnings_about_images_are_labelled(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logger.name = "i2i.inference.runner"
    logger.warning("An image does not fit.")
    assert capsys.readouterr().err == "note An image does not fit.\n"


def test_an_exception_is_printed_with_its_traceback(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("the page failed")
    output = capsys.readouterr().err
    assert output.startswith("the page failed\nTraceback")
    assert output.endswith("ValueError: broken\n")


def test_without_the_command_line_nothing_is_printed() -> None:
    process = subprocess.run([sys.executable, "-c", LOG_A_WARNING], capture_output=True, text=True, check=True)
    assert (process.stdout, process.stderr) == ("", "")
