"""`i2i demo`."""

from typing import Annotated

import typer

from i2i.cli.console import say


def demo(
    host: Annotated[str, typer.Option(help="address to listen on; 0.0.0.0 lets the network in")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=r"\[default: the first free one from 7860 on]", show_default=False),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:PASSWORD", help="ask for these", envvar="I2I_DEMO_AUTH", show_default=False, show_envvar=True
        ),
    ] = None,
    max_pixels: Annotated[str, typer.Option(help="largest picture, such as 200MP", metavar="PIXELS")] = "89MP",
    max_size: Annotated[float, typer.Option(min=0.1, help="largest file that is uploaded, in MB")] = 200.0,
    max_files: Annotated[int, typer.Option(min=1, help="most pictures of one folder")] = 500,
    max_minutes: Annotated[float, typer.Option(min=0.1, help="that one job gets, photo or folder")] = 15.0,
    queue: Annotated[int, typer.Option(min=1, help="most jobs that wait; more are told to come back later")] = 32,
    keep_minutes: Annotated[float, typer.Option(min=1.0, help="before uploads and results are deleted")] = 60.0,
    keep_models: Annotated[int, typer.Option(min=1, help="most models held in memory")] = 3,
    clips: Annotated[
        bool, typer.Option("--clips", help="take clips too, decoded in this very process: for people you trust")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    mcp: Annotated[bool, typer.Option("--mcp", help="offer the functions to language models, over MCP")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="open the page in a browser")] = False,
) -> None:
    """Translate photos in the browser: a page, and an HTTP API, of all models there are.

    Everything stays on this machine, and only this machine gets in, unless --host says otherwise. The models are those
    under checkpoints/ and the ones that ship with i2i.

    [bold]Examples[/bold]

        i2i demo

        i2i demo --host 0.0.0.0 --auth lab:secret --queue 64
    """
    from i2i.convert.options import pixels_of
    from i2i.demo.limits import Limits
    from i2i.demo.model_registry import Models
    from i2i.demo.server import Access, Server, credentials
    from i2i.demo.uploads import Desk

    access = Access(
        host=host, port=port, auth=credentials(auth), mcp=mcp, browser=browser, clips=clips
    )  # a wrong flag is told before gradio is loaded
    access.check()
    limits = Limits(
        pixels=pixels_of(max_pixels), bytes=int(max_size * 1e6), files=max_files, queue=queue,
        seconds=60 * max_minutes, keep=60 * keep_minutes,
    )  # fmt: skip
    if access.warning():
        say("[bold yellow]warning[/bold yellow] {}", access.warning())
    with Server(Models(device, keep_models, Desk(limits)), access) as server:
        say("The page is at {} (Ctrl-C ends it)", server.url)
        server.wait()
