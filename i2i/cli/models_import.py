"""`i2i models import`."""

from typing import Annotated, Literal

import typer

from i2i.cli.console import log_line, printable


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            help="a model, such as latest_net_G_A.pth, or both directions of one (latest_net_G_B.pth); also of the "
            "Hugging Face Hub, such as hf://user/repo"
        ),
    ],
    name: Annotated[str, typer.Option(help="name of the model, a folder below checkpoints/")],
    direction: Annotated[
        str | None,
        typer.Option(
            help=r"AtoB or BtoA \[default: as the file's name says: BtoA for G_B, B2A or BtoA, else AtoB]",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="what the model does, in a sentence", show_default=False)] = "",
    licence: Annotated[str, typer.Option(help="licence of the weights", show_default=False)] = "",
    data: Annotated[
        str, typer.Option(help="dataset that the model was trained on, such as horse2zebra", show_default=False)
    ] = "",
    task: Annotated[
        str, typer.Option(help="what a restoration model undoes, such as denoise or dejpeg", show_default=False)
    ] = "",
    inference_mode: Annotated[
        Literal["train", "eval"] | None,
        typer.Option(
            help="batch statistics and dropout at inference: train as in training, eval frozen "
            r"\[default: train if there are any, as in the program's own test script]",
            show_default=False,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.99,
            help=r"dropout probability \[default: 0.5 where the network has dropout; U-Nets of CycleGAN have none]",
            show_default=False,
        ),
    ] = None,
    block_padding: Annotated[
        Literal["reflect", "replicate"] | None,
        typer.Option(
            help=r"how residual blocks pad, which the file does not tell \[default: reflect]", show_default=False
        ),
    ] = None,
    output_activation: Annotated[
        Literal["tanh", "none"] | None,
        typer.Option(
            help=r"last function of a residual generator, which the file does not tell \[default: tanh]",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help=r"pixels a side of the training images \[default: the program's]", show_default=False),
    ] = None,
) -> None:  # fmt: skip
    """Make a model of i2i from weights of another program, recognised by their tensors alone. No code of a file is run.

    Known are the generators of pytorch-CycleGAN-and-pix2pix and CUT, the global generator of pix2pixHD, SRVGGNetCompact
    of Real-ESRGAN and, with the extra "foreign", restoration networks that spandrel knows.

    [bold]Examples[/bold]

        i2i models import latest_net_G_A.pth latest_net_G_B.pth --name horses --data horse2zebra

        i2i models import realesr-general-x4v3.pth --name upscale4 --licence BSD-3-Clause

        i2i models import hf://user/repo --name zebras
    """
    from i2i.checkpoints.foreign import ImportOptions
    from i2i.checkpoints.importing import model_source, read_models, save_import
    from i2i.errors import UsageError
    from i2i.model_networks import build_translator
    from i2i.restoration import TASKS, find_task

    if task and find_task(task) is None:
        raise UsageError(f"--task {task} is unknown; there are {', '.join(name for name in TASKS if name != 'none')}.")
    options = ImportOptions(
        direction=direction, size=size, inference_mode=inference_mode, dropout=dropout, block_padding=block_padding,
        output_activation=output_activation, title=title, licence=licence, data=data, task=task,
    )  # fmt: skip
    paths = [model_source(file) for file in files]
    model_file = read_models(paths, options)
    for one in model_file.info.directions:
        build_translator(paths[0], model_file, one)  # raises for weights that fit no network, before they are saved
    source = paths[0] if len(paths) == 1 and not model_file.info.source else None
    path = save_import(name, model_file, source)
    for note in model_file.info.source_notes:
        log_line("{}", printable(note))
    log_line("{}: {}. Try `i2i convert {} photos/ --out out/`.", path, ", ".join(model_file.info.directions), name)
