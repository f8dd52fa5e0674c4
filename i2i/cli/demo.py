"""`i2i demo`."""

from typing import Annotated

import typer

from i2i.cli.console import log_line


def demo(
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 accepts connections from the network")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help=r"port to listen on \[default: the first free one from 7860]", show_default=False
        ),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:PASSWORD",
            help="require this name and password",
            envvar="I2I_DEMO_AUTH",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="answer to this host name too, such as that of a proxy; may be repeated",
            show_default=False,
        ),
    ] = None,
    max_pixels: Annotated[
        str, typer.Option(help="pixels of the largest image, such as 200MP", metavar="PIXELS")
    ] = "89MP",
    max_upload_mb: Annotated[float, typer.Option(min=0.1, help="size of the largest uploaded file, in MB")] = 200.0,
    max_files: Annotated[int, typer.Option(min=1, help="largest number of images in a folder job")] = 500,
    max_minutes: Annotated[
        float, typer.Option(min=0.1, help="time limit of one job, a photo, a folder or a live camera, in minutes")
    ] = 15.0,
    max_queue: Annotated[
        int, typer.Option(min=1, help="largest number of waiting jobs; further jobs are refused")
    ] = 32,
    delete_after_minutes: Annotated[
        float, typer.Option(min=1.0, help="age at which uploads and results are deleted, in minutes")
    ] = 60.0,
    max_store_gb: Annotated[
        float,
        typer.Option(min=0.1, help="size of all uploads and results together, in GB; the oldest are deleted beyond it"),
    ] = 20.0,
    max_loaded_models: Annotated[int, typer.Option(min=1, help="largest number of models kept in memory")] = 3,
    allow_video: Annotated[
        bool,
        typer.Option(
            "--allow-video", help="accept videos too; they are decoded without a sandbox: only for users you trust"
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    mcp: Annotated[bool, typer.Option("--mcp", help="offer the functions to language models, over MCP")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="open the page in a browser")] = False,
) -> None:
    """Serve all models as a web page and an HTTP API.

    The models are those under checkpoints/ and those that ship with i2i. The server accepts connections from this
    machine only, unless --host names another address. It sends no data to other servers.

    [bold]Examples[/bold]

        i2i demo

        i2i demo --host 0.0.0.0 --auth lab:secret --max-queue 64
    """
    from i2i.convert.options import parse_pixels
    from i2i.demo.limits import Limits
    from i2i.demo.model_registry import ModelRegistry
    from i2i.demo.server import Server, ServerOptions, parse_credentials
    from i2i.demo.uploads import UploadStore

    options = ServerOptions(
        host=host,
        port=port,
        auth=parse_credentials(auth),
        mcp=mcp,
        open_browser=browser,
        allow_video=allow_video,
        allowed_hosts=tuple(allowed_host or ()),
    )
    options.check_packages()  # before gradio is imported, which takes seconds
    limits = Limits(
        max_pixels=parse_pixels(max_pixels),
        max_upload_bytes=int(max_upload_mb * 1e6),
        max_files=max_files,
        max_queue=max_queue,
        max_seconds=60 * max_minutes,
        retention_seconds=60 * delete_after_minutes,
        max_stored_bytes=int(max_store_gb * 1e9),
    )
    if warning := options.security_warning():
        log_line("[bold yellow]warning[/bold yellow] {}", warning)
    with Server(ModelRegistry(device, max_loaded_models), UploadStore(limits), options) as server:
        log_line("The page is at {} (Ctrl-C stops the server)", server.url)
        server.wait()
