"""`i2i data distance`."""

from typing import Annotated

import typer

from i2i.cli.console import log_line, print_json, printable, stdout


def distance(
    first: Annotated[str, typer.Argument(help="folder of images, such as results, or its address (s3://…)")],
    second: Annotated[str, typer.Argument(help="folder of images to compare them with, or its address")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="compute on Ray. local: start it on this machine; auto: the cluster of this machine; else the address "
            r"of a cluster \[default: off]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="workers on Ray; 0: one for each GPU, else for each CPU")] = 0,
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Compute FID and KID of two sets of images of any number, without a model.

    The images are taken as they are. FID is computed from means and covariances that are updated batch by batch, KID
    from up to 10,000 images of each set.

    [bold]Example[/bold]

        i2i data distance zebras/ datasets/horse2zebra/testB
    """
    from i2i.api.image_sets import image_set_distance
    from i2i.cli._progress import ProgressBars

    with ProgressBars(speed_unit="images") as bars:
        found = image_set_distance(first, second, ray=ray, workers=workers, device=device, progress=bars.update)
    for path, reason in found.failed:
        log_line("[red]failed[/red] {}: {}", printable(path), printable(reason))
    if json:
        print_json({"fid": found.fid, "kid": found.kid, "kid_std": found.kid_std, "images": found.counts,
                    "failed": [{"source": path, "reason": reason} for path, reason in found.failed]})  # fmt: skip
    else:
        stdout.print(f"FID {found.fid:.2f}   KID {found.kid:.4f} ± {found.kid_std:.4f}   "
                     f"images {found.counts[0]} and {found.counts[1]}")  # fmt: skip
    if found.failed:
        raise typer.Exit(1)
