"""`i2i models card`."""

from pathlib import Path
from typing import Annotated

import typer

from i2i.cli.console import log_line, print_json, printable, stdout


def card(
    model: Annotated[str, typer.Argument(help="name of a run, or path of a model file")],
    edit: Annotated[bool, typer.Option("--edit", help="open the card in $VISUAL or $EDITOR")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=TEXT",
            help="write a field: author, licence, intended-use, data, metrics, limits, or sample with the path of an "
            "image; FIELD= removes it; may be repeated",
            show_default=False,
        ),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            help="write the field metrics from results of `i2i evaluate --json`, with their protocol",
            show_default=False,
        ),
    ] = None,
    openmodeldb: Annotated[
        bool, typer.Option("--openmodeldb", help="print a record of OpenModelDB, as JSON, in place of the card")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(help="with --openmodeldb: address of the model file; may be repeated", show_default=False),
    ] = None,
) -> None:
    """Show a model's card, or change it.

    i2i writes the parts of a card that its model file tells, and replaces them at each checkpoint. All other text is
    yours: it stays when the model is trained further, exported, pushed or imported.

    [bold]Examples[/bold]

        i2i models card stripes-cyclegan --set licence=CC-BY-4.0 --set "limits=Fails on spots."

        i2i models card stripes-cyclegan --edit
    """
    from i2i.checkpoints.card_editing import current_card, edit_card, metrics_text, parse_fields, set_fields
    from i2i.errors import UsageError

    fields = parse_fields(set_ or [])
    if evaluation is not None:
        if "metrics" in fields:
            raise UsageError("--evaluation and --set metrics= both write the field metrics: use one of them.")
        fields["metrics"] = metrics_text(evaluation)
    if openmodeldb and (edit or fields):
        raise UsageError("--openmodeldb prints a record: change the card first, in a call of its own.")
    if url and not openmodeldb:
        raise UsageError("--url is for --openmodeldb.")
    if openmodeldb:
        _print_record(model, url or [])
        return
    if fields:
        folder = set_fields(model, fields)
        log_line("{}: {}", printable(folder / "card.md"), ", ".join(fields))
    if edit and not edit_card(model):
        log_line("The card was not changed.")
    if not (edit or fields):
        text = current_card(model).encode("utf-8", "replace").decode()
        stdout.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _print_record(model: str, urls: list[str]) -> None:
    from i2i.checkpoints.card_editing import current_card, require_translator
    from i2i.checkpoints.model_file import find_model_file, load_model_info, model_name
    from i2i.checkpoints.openmodeldb import openmodeldb_record, record_id

    require_translator(model)
    path = find_model_file(model)
    info, name = load_model_info(path), model_name(path).removeprefix("hf://").replace("/", "-")
    print_json(openmodeldb_record(path, name, info, current_card(model), urls))
    log_line("Save it as data/models/{}.json in the repository of OpenModelDB.", record_id(name, info))
    if not urls:
        log_line("The record has no address of the model file yet: give --url.")
