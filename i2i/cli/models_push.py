"""`i2i models push`."""

from typing import Annotated

import typer

from i2i.cli.console import log_line, printable


def push(
    model: Annotated[str, typer.Argument(help="name of a run, or path of a model file of i2i")],
    repo: Annotated[
        str, typer.Argument(metavar="USER/REPO", help="repository on the Hub; it is made if it is missing")
    ],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help=r"who sees a new repository: you and your organisation, or everybody \[default: as your account is "
            "set, else public]",
            show_default=False,
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="upload a new version to a repository that holds files already")
    ] = False,
    replace_card: Annotated[
        bool, typer.Option("--replace-card", help="with --update: replace a README.md that was edited on the Hub")
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="weights in float16, half the size")] = False,
    message: Annotated[str, typer.Option(help="message of the commit", show_default=False)] = "",
) -> None:
    """Upload a model and its card to the Hugging Face Hub. Needs the extra hub and a login.

    In the clone of i2i, `uv pip install -e ".\\[hub]"` installs the extra. The login is that of
    `hf auth login`, or the variable HF_TOKEN. HF_ENDPOINT names another Hub.

    [bold]Examples[/bold]

        i2i models push stripes-cyclegan user/stripes --private

        i2i convert hf://user/stripes photos/ --out striped/
    """
    from i2i.checkpoints.hub.push import PushOptions, push_model
    from i2i.errors import UsageError

    if replace_card and not update:
        raise UsageError("--replace-card is for --update.")
    options = PushOptions(private=private, update=update, replace_card=replace_card, half=half, message=message)
    pushed = push_model(model, repo, options)
    visibility = "private" if pushed.private else "public"
    log_line("{} ({}): {}", printable(pushed.url), visibility, ", ".join(pushed.files))
    if pushed.keeps_card:
        log_line("README.md was edited on the Hub and is kept. --replace-card replaces it.")
    address = pushed.url.rsplit("/", 2)
    log_line("Use: `i2i convert hf://{}/{} photos/ --out out/`.", *address[1:])
