"""`i2i models interpolate`."""

from typing import Annotated

import typer

from i2i.cli.console import log_line, printable


def interpolate(
    first: Annotated[str, typer.Argument(help="name of a run, or path of a model file")],
    second: Annotated[str, typer.Argument(help="a model of the same network, usually finetuned from the first")],
    name: Annotated[str, typer.Option(help="name of the new model, a folder below checkpoints/")],
    weight: Annotated[float, typer.Option(min=0, max=1, help="share of the second model")] = 0.5,
) -> None:
    """Make a model whose weights lie between those of two others.

    A restoration model that was finetuned with a discriminator is sharper and less faithful than the one it started
    from. In between are models with some of both.

    [bold]Example[/bold]

        i2i models interpolate upscale4 upscale4-gan --weight 0.5 --name upscale4-between
    """
    from i2i.checkpoints.importing import save_import
    from i2i.checkpoints.interpolation import interpolate as interpolated
    from i2i.checkpoints.model_file import find_model_file

    model_file = interpolated(find_model_file(first), find_model_file(second), weight)
    path = save_import(name, model_file)
    log_line("{}: {}", path, printable(model_file.info.source_notes[-1]))
