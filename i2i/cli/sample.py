"""`i2i sample`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli.console import say


def sample(
    model: Annotated[str, typer.Argument(help="a run's name, or a bundle's path, of `i2i train gan`")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="one picture with all of them in rows", show_default=False)
    ] = None,
    separate: Annotated[
        Path | None,
        typer.Option(help="folder for a file each, named by seed; made where it is missing", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(help="pictures to paint")] = 64,
    seed: Annotated[int, typer.Option(help="seed of the first picture; the others have the following seeds")] = 0,
    across: Annotated[int, typer.Option(min=1, help="pictures in a row")] = 8,
    interpolate: Annotated[
        tuple[int, int] | None,
        typer.Option(help="instead, a row of pictures on the way between those of two seeds", show_default=False),
    ] = None,
    steps: Annotated[int, typer.Option(help="pictures in that row, with both ends")] = 9,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="write over files that are there already")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 where the device is fast at it")
    ] = "auto",
) -> None:
    """Paint pictures from noise with a trained gan. A seed gives the same picture every time.

    [bold]Examples[/bold]

        i2i sample shapes-gan --count 64 --out grid.png

        i2i sample shapes-gan --interpolate 3 17 --out strip.png

        i2i sample shapes-gan --count 1000 --separate painted/
    """
    from i2i.inference.sampler import load, path_between, seeds, targets, write

    if interpolate is None:
        chosen = seeds(seed, count)
        each = targets(out, separate, chosen, overwrite)
        sampler = load(model, device=device, precision=precision)
        images = sampler(chosen)
    else:
        start, end, across = path_between(interpolate, steps)
        each = targets(out, separate, range(across), overwrite)
        sampler = load(model, device=device, precision=precision)
        images = sampler.interpolate(start, end, across)
    write(images, out, each, across, sampler.provenance)
    for place in (out, separate):
        if place is not None:
            say("painted {}", place)
