"""`i2i convert`."""

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
    json: Annotated[bool, typer.Option("--json", help="print what became of every file as JSON")] = False,
) -> None:
    """Translate photos and folders of photos, of any size, with a trained model.

    Folders keep their tree. A file that cannot be read is reported and skipped, and the exit code is then 1.

    [bold]Examples[/bold]

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/

        i2i convert horse2zebra-cyclegan zebra.jpg photos/ --out horses/ --direction BtoA
    """
    from rich.progress import Progress

    from i2i.convert import convert_jobs, plan
    from i2i.translate import load

    jobs = plan(source, out, format)  # a wrong path is told before the model is loaded
    translator = load(model, direction, device=device, precision=precision)
    with Progress(console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(f"{model} {translator.direction}")
        result = convert_jobs(
            translator,
            jobs,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
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
