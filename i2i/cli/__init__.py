"""The command line. Imports nothing heavy: `i2i --help` is answered before torch is loaded."""

import errno
import sys

import typer

from i2i._version import __version__
from i2i.cli.bench import app as bench
from i2i.cli.console import say
from i2i.cli.convert import convert
from i2i.cli.data import app as data
from i2i.cli.degrade import HELP, LazyCommand
from i2i.cli.demo import demo
from i2i.cli.evaluate import evaluate
from i2i.cli.models import app as models
from i2i.cli.sample import sample
from i2i.cli.train import app as train
from i2i.errors import I2IError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Anywhere on the line, [bold]--debug[/bold] shows the traceback of an error.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def about(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Image-to-image translation: train translators from pictures, and apply them to photos and folders.

    [bold]A first run, on data made on the spot, some minutes on a CPU:[/bold]

        i2i train cyclegan --data stripes --recipe tiny

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/
    """


app.add_typer(train, name="train")
app.command(no_args_is_help=True)(convert)
app.command("degrade", cls=LazyCommand, help=HELP)(lambda: None)
app.command(no_args_is_help=True)(sample)
app.command(no_args_is_help=True)(evaluate)
app.command()(demo)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.add_typer(models, name="models")


def main() -> None:
    """The ``i2i`` command: an I2IError is one block of text and an exit code, 2 for bad input and 1 for a failure."""
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except I2IError as error:
        if debug:
            raise
        say("[bold red]error:[/bold red] {}", str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if debug:
            raise
        kept = " What was saved before is kept." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        say("[bold red]error:[/bold red] {}", f"{error.filename or 'i2i'}: {error.strerror or error}.{kept}")
        sys.exit(1)
