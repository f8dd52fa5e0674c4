"""`i2i sample`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli.console import log_line


def sample(
    model: Annotated[str, typer.Argument(help="model from `i2i train gan`: name of a run, or path of a model file")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="write all images into one grid, such as grid.png", show_default=False),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(help="write a file for each image, named by its seed; created if missing", show_default=False),
    ] = None,
    num_images: Annotated[int, typer.Option(help="number of images")] = 64,
    seed: Annotated[
        int, typer.Option(help="seed of the first image; the following images have the following seeds")
    ] = 0,
    columns: Annotated[int, typer.Option(min=1, help="columns of the grid")] = 8,
    interpolate: Annotated[
        tuple[int, int] | None,
        typer.Option(
            help="two seeds: generate a row of images that interpolates between their images", show_default=False
        ),
    ] = None,
    interpolation_steps: Annotated[int, typer.Option(help="images in that row, including both ends")] = 9,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="overwrite existing files")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 if the device is fast at it")
    ] = "auto",
) -> None:
    """Generate images from noise with a trained gan. Equal seeds give equal images.

    [bold]Examples[/bold]

        i2i sample shapes-gan --num-images 64 --out grid.png

        i2i sample shapes-gan --interpolate 3 17 --out row.png

        i2i sample shapes-gan --num-images 1000 --out-dir generated/
    """
    from i2i.inference.sample_files import interpolation_range, output_paths, write_images
    from i2i.inference.sampler import load, seed_range

    if interpolate is None:
        seeds = seed_range(seed, num_images)
        paths = output_paths(out, out_dir, seeds, overwrite)
        sampler = load(model, device=device, precision=precision)
        images = sampler.generate(seeds)
    else:
        start, end, columns = interpolation_range(interpolate, interpolation_steps)
        paths = output_paths(out, out_dir, range(columns), overwrite)
        sampler = load(model, device=device, precision=precision)
        images = sampler.interpolate(start, end, columns)
    write_images(images, out, paths, columns, sampler.provenance)
    for path in (out, out_dir):
        if path is not None:
            log_line("written: {}", path)
