"""`i2i convert`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli.console import print_json, say, stderr


def convert(
    model: Annotated[str, typer.Argument(help="a run's name, a bundle's path, or identity")],
    source: Annotated[list[Path], typer.Argument(help="photos, and folders of photos (all below them)")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results; made where it is missing")],
    direction: Annotated[
        str | None, typer.Option(help=r"AtoB or BtoA \[default: the model's first]", show_default=False)
    ] = None,
    format: Annotated[Literal["png", "jpg", "webp"], typer.Option(help="file format of the results")] = "png",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="redo results that exist already")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 where the device is fast at it")
    ] = "auto",
    task_strength: Annotated[
        float | None,
        typer.Option(help="how strong the damage is (σ in grey levels, JPEG quality), for a model to be told it"),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="for a model that fills holes: a picture that is white where they are, or a folder with one for each "
            r"photo \[default: what is transparent]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, help="pictures of one size translated at once; 0: as many as the device likes best")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="print what became of every file as JSON")] = False,
) -> None:
    """Translate photos and folders of photos, of any size, with a trained model.

    Folders keep their tree. A file that cannot be read is reported and skipped, and the exit code is then 1. Reading
    and writing go on beside the network.

    [bold]Examples[/bold]

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/

        i2i convert horse2zebra-cyclegan zebra.jpg photos/ --out horses/ --direction BtoA
    """
    from i2i.convert import convert_jobs, plan
    from i2i.device import keep_memory
    from i2i.translate import load

    jobs = plan(source, out, format)  # a wrong path is told before the model is loaded
    notice = partial(say, "[yellow]note[/yellow] {}")
    translator = load(
        model, direction, device=device, precision=precision, strength=task_strength, mask=mask, notice=notice
    )
    if translator.device.type == "cpu":
        keep_memory()
    with _bar(f"{model} {translator.direction}") as progress:
        result = convert_jobs(translator, jobs, overwrite=overwrite, batch=batch_size, progress=progress)
    if json:
        print_json({
            "converted": [{"source": a, "output": b} for a, b in result.converted],
            "skipped": [{"source": a, "output": b} for a, b in result.skipped],
            "failed": [{"source": a, "reason": b} for a, b in result.failed],
        })  # fmt: skip
    for path, reason in result.failed:
        say("[red]failed[/red] {}: {}", path, reason)
    if result.skipped:
        say("{} skipped: {} holds files of their names, whatever made them (--overwrite redoes them)",
            len(result.skipped), out)  # fmt: skip
    say("{} converted into {}", len(result.converted), out)
    if result.failed:
        say("[red]{} failed[/red]", len(result.failed))
        raise typer.Exit(1)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int, int], None]]:
    """To be told the files done, failed and all: shows them with the speed and the time left, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    state = (TextColumn("{task.fields[state]}"), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, *state, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(title, total=None, state="")

        def progress(done: int, failed: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            told = [_rate(bar.tasks[task].speed or 0), f"[red]{failed} failed[/red]" if failed else ""]
            bar.update(task, state="  ".join(filter(None, told)))

        yield progress


def _rate(speed: float) -> str:
    """Such as 12.3 pictures/s, or 4.5 s/picture."""
    if not speed:
        return ""
    return f"{speed:.1f} pictures/s" if speed >= 1 else f"{1 / speed:.1f} s/picture"
