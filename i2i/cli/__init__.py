"""The command line. Imports nothing heavy, so that `i2i --help` answers before torch is loaded."""

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from i2i._version import __version__
from i2i.api.reference_options import refuse_reference_options, refuse_unknown_option
from i2i.cli._bad_values import explain, option_names, refuse_flags_as_values
from i2i.cli.bench import app as bench
from i2i.cli.console import log_line, setup_logging
from i2i.cli.convert import convert
from i2i.cli.data import app as data
from i2i.cli.degrade import HELP, LazyDegrade
from i2i.cli.demo import demo
from i2i.cli.docs import docs
from i2i.cli.evaluate import evaluate
from i2i.cli.models import app as models
from i2i.cli.old_flags import replace_old_names
from i2i.cli.sample import sample
from i2i.cli.train import app as train
from i2i.cli.train import distill_as_training
from i2i.errors import I2IError, SettingError

COMMANDS = (  # in the order of the help: data, training, use, upkeep
    "data", "train", "bench", "distill", "convert", "evaluate", "demo", "sample", "degrade", "models", "docs",
)  # fmt: skip


class RootGroup(TyperGroup):
    """The ``i2i`` command. Accepts old names of commands and flags, and answers options of the reference."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=COMMANDS.index)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        refuse_reference_options(args)
        self._words = distill_as_training(replace_old_names(args))
        refuse_flags_as_values(self, self._words)
        return super().parse_args(ctx, list(self._words))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SettingError as error:
            from i2i.config import rename_settings

            raise rename_settings(error, option_names(self, self._words)) from error
        except Exception as error:
            if hasattr(error, "possibilities"):  # Typer's NoSuchOption, which has no public name
                command = error.ctx.command_path  # type: ignore[attr-defined]
                refuse_unknown_option(error.option_name, command)  # type: ignore[attr-defined]
            explain(error, self, self._words)
            raise


app = typer.Typer(
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="[bold]--debug[/bold], anywhere on the command line, shows the traceback of an error.",
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Image-to-image translation: train models on images, and apply them to photos, folders and videos.

    [bold]A first training, on a synthetic dataset, takes a few minutes on a CPU:[/bold]

        i2i train cyclegan --data stripes --recipe tiny

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/
    """
    setup_logging()


app.add_typer(train, name="train")
app.command("distill", help="Train a small, fast model that imitates a trained one: `distill MODEL --data DATA`.")(
    lambda: None  # ``distill_as_training`` makes another command of it
)
app.command(no_args_is_help=True)(convert)
app.command("degrade", cls=LazyDegrade, help=HELP)(lambda: None)
app.command(no_args_is_help=True)(sample)
app.command(no_args_is_help=True)(evaluate)
app.command()(demo)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.add_typer(models, name="models")
app.command()(docs)


def main() -> None:
    """Run the ``i2i`` command. An I2IError is printed as one block of text.

    The exit code is 2 for bad input and 1 for a failure.
    """
    debug = "--debug" in sys.argv
    sys.argv = [arg for arg in sys.argv if arg != "--debug"]
    try:
        app(prog_name="i2i")
    except I2IError as error:
        if debug:
            raise
        log_line("[bold red]error:[/bold red] {}", str(error))
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        from i2i.device import is_out_of_memory, out_of_memory_reason

        if debug or not is_out_of_memory(error):
            raise
        advice = "Close other programs, or make the job smaller. Files that were saved before are intact."
        log_line("[bold red]error:[/bold red] Out of memory ({}). {}", out_of_memory_reason(error), advice)
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        is_disk_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = " Files that were saved before are intact." if is_disk_full else ""
        log_line("[bold red]error:[/bold red] {}", f"{error.filename or 'i2i'}: {error.strerror or error}.{hint}")
        sys.exit(1)
