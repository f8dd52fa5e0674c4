"""`i2i evaluate`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from i2i.cli.console import print_json, say, stderr, stdout


def evaluate(
    models: Annotated[list[str], typer.Argument(help="runs' names, bundles' paths, or identity: one or several")],
    data: Annotated[
        str | None, typer.Option(help=r"dataset, by name or path \[default: the first model's]", show_default=False)
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help=r"AtoB, BtoA or sample \[default: all that the models have]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print all that was found as JSON")] = False,
    report: Annotated[
        Path | None, typer.Option(help="write an HTML page that opens anywhere", show_default=False)
    ] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option(help="such as psnr=24: exit 1 where a model has less", show_default=False)
    ] = None,
    fail_over: Annotated[
        list[str] | None, typer.Option(help="such as fid=80: exit 1 where a model has more", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option(help=r"measure that ranks \[default: LPIPS with pairs, else KID]", show_default=False)
    ] = None,
    checkpoint: Annotated[Literal["last", "best", "both"], typer.Option(help="which of a run's checkpoints")] = "both",
    split: Annotated[str | None, typer.Option(help=r"\[default: test, else val]", show_default=False)] = None,
    count: Annotated[
        int | None, typer.Option(help=r"at most so many pictures a side \[default: all]", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help=r"bring all pictures to size², 0: as they are \[default: the training's]", show_default=False
        ),
    ] = None,
    fit: Annotated[
        Literal["stretch", "cover"] | None,
        typer.Option(help=r"how \[default: as in training]", show_default=False),
    ] = None,
    cycle: Annotated[bool, typer.Option("--cycle/--no-cycle", help="measure the way there and back too")] = True,
    seed: Annotated[int, typer.Option(min=0, help="of the intervals, and of the pictures shown")] = 0,
    votes: Annotated[
        Path | None,
        typer.Option(
            help=r"votes of the demo's judges \[default: those in the checkpoints' folder]", show_default=False
        ),
    ] = None,
    task_strength: Annotated[
        float | None,
        typer.Option(help=r"of the damage, for restoration models \[default: the middle]", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="of the models; measures are taken in float32")
    ] = "auto",
) -> None:
    """Judge models on test pictures: how good, how sure, and compared with what.

    FID and KID with 95 % intervals, and with pairs LPIPS, PSNR and SSIM, beside the input left alone (what no model
    should be worse than) and real pictures of another split (what none can beat). Numbers of equal protocols can be
    compared.

    [bold]Examples[/bold]

        i2i evaluate horse2zebra-cyclegan --report zebras.html

        i2i evaluate cyclegan-run cut-run --data horse2zebra --direction AtoB

        i2i evaluate facades-pix2pix --json --fail-under psnr=13
    """
    from i2i import evaluation as evaluation
    from i2i import reports as page
    from i2i.evaluation.models import Setting

    limits = evaluation.limits(fail_under or [], fail_over or [])
    if report is not None:
        page.check(report)
    options = evaluation.Options(
        models=models, data=data, direction=direction, split=split, count=count, size=size, fit=fit, by=by,
        which=checkpoint, cycle=cycle, seed=seed, gallery=report is not None, setting=Setting(device, precision),
        votes=votes, strength=task_strength,
    )  # fmt: skip
    with _bar() as tell:
        found = evaluation.evaluate(options, tell)
    broken = found.broken(limits)
    if json:
        print_json(found.to_json())
    else:
        stdout.print(evaluation.text(found), markup=False, soft_wrap=True)
    if report is not None:
        page.write(found, report)
        say("the report is in {}", report)
    for sentence in broken:
        say("[red]beyond the limit[/red] {}", sentence)
    if broken:
        raise typer.Exit(1)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """To be told what is done and how many pictures of how many: a bar for each thing, or a line where it is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if not total:
                say("{}", what)
                return
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)
            if done == total:
                tasks.pop(what)
                if bar.disable:
                    say("{}: {} pictures", what, total)

        yield tell
