"""`i2i data pack`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from i2i.cli._data_options import LayoutOption
from i2i.cli.console import log_line


def pack(
    data: Annotated[str, typer.Argument(help="dataset: a path, or a name")],
    shards: Annotated[Path, typer.Option("--shards", help="folder to create for the shards", show_default=False)],
    format: Annotated[
        Literal["tar", "parquet"], typer.Option(help="tar, as of WebDataset; or Parquet with the encoded images")
    ] = "tar",
    shard_size: Annotated[str, typer.Option(help="size of a shard, such as 500MB or 2GB", metavar="SIZE")] = "500MB",
    layout: LayoutOption = "auto",
) -> None:
    """Write a dataset as shards: a few large files in place of many small ones, to train from (--data SHARDS).

    The files keep their bytes and their order. A training from the shards is the training from the folder.

    [bold]Examples[/bold]

        i2i data pack horse2zebra --shards horse2zebra-shards

        i2i train cyclegan --data horse2zebra-shards
    """
    from i2i.cli._progress import ProgressBars
    from i2i.data.pack import pack as pack_shards
    from i2i.data.pack import parse_bytes
    from i2i.data.source import DataSource

    size = parse_bytes(shard_size)
    found = DataSource(data=data, layout=layout).load()
    with ProgressBars(speed_unit="images", transient=True) as bars:
        count = pack_shards(found, shards, format=format, shard_bytes=size,
                     progress=lambda done, total: bars.update("packing", done, total))  # fmt: skip
    log_line("{} images are in {} shards in {}", sum(len(domain) for domains in found.splits.values()
                                                    for domain in domains), count, shards)  # fmt: skip
