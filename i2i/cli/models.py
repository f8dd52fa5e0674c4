"""`i2i models`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i.cli.console import log_line, print_json, printable, safe_text, stdout
from i2i.cli.models_card import card
from i2i.cli.models_cleanup import format_bytes, prune_models, remove_models
from i2i.cli.models_export import export
from i2i.cli.models_import import import_
from i2i.cli.models_interpolate import interpolate
from i2i.cli.models_push import push

if TYPE_CHECKING:
    from i2i.checkpoints.inventory import StoredModel
    from i2i.checkpoints.model_info import ModelInfo

app = typer.Typer(no_args_is_help=True, help="List, inspect, import, export, share and remove models.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """List the models under checkpoints/ and those that come with i2i: steps, date, size on disk and best result.

    [bold]Example[/bold]

        i2i models list
    """
    from i2i.checkpoints.inventory import StoredModel, stored_models
    from i2i.checkpoints.run import checkpoints_dir

    models = list[StoredModel]()
    for model in stored_models():
        if isinstance(model, StoredModel):
            models.append(model)
        else:
            log_line("[red]{}[/red]", model)
    if json:
        print_json([_stored_to_json(model) for model in models])
        return
    stdout.print(_list_table(models))
    for model in models:
        if model.hides_shipped:
            log_line("{} is a run of yours. It is used in place of the shipped model of that name.", model.name)
    if all(model.shipped for model in models):
        log_line("No models under {} yet. `i2i train --help` shows how to train one.", checkpoints_dir())


def _list_table(models: "Sequence[StoredModel]") -> Any:
    from rich.table import Column, Table

    table = Table(
        Column("name", overflow="fold"),
        "method",
        "data",
        "directions",
        "steps",
        "date",
        "on disk",
        "best result",
        box=None,
    )
    for model in models:
        info = model.info
        steps = safe_text(info.steps)
        if info.steps != info.total_steps:
            steps += f"/{safe_text(info.total_steps)}"
        date = "shipped" if model.date is None else f"{model.date:%Y-%m-%d %H:%M}"
        best = "–"
        if model.best is not None:
            best = f"{safe_text(model.best['metric']).upper()} {model.best['value']:.4g}, step {model.best['steps']}"
        method = info.method or ("imported" if info.source else "")
        cells = map(safe_text, (method, info.data.name, info.directions))
        table.add_row(model.name, *cells, steps, date, format_bytes(model.num_bytes), best)
    return table


def _stored_to_json(model: "StoredModel") -> dict[str, Any]:
    return {
        "name": model.name,
        **_to_json(model.info),
        "best": model.best,
        "shipped": model.shipped,
        "hides_shipped": model.hides_shipped,
        "path": str(model.path),
        "date": model.date.isoformat(timespec="seconds") if model.date else None,
        "bytes": model.num_bytes,
    }


@app.command("info")
def show_info(
    model: Annotated[str, typer.Argument(help="name of a run, or path of a model file")],
    json: Annotated[bool, typer.Option("--json", help="print all metadata as JSON")] = False,
) -> None:
    """Show the metadata of a model, and check that its weights load.

    [bold]Example[/bold]

        i2i models info stripes-cyclegan
    """
    if model == "identity":
        log_line("identity returns its input unchanged. Commands accept it in place of a model.")
        return
    from i2i.checkpoints.model_file import find_model_file, load_any_model_info
    from i2i.engines.formats import format_of_path

    path = find_model_file(model)
    if format_of_path(path) is not None:
        _show_exported(path, json)
        return
    info = load_any_model_info(path)
    num_parameters = _count_parameters(model, info)
    if json:
        print_json(_to_json(info))
    else:
        stdout.print(_info_table(path, info, num_parameters))


def _show_exported(path: Path, json: bool) -> None:
    """Show the metadata of a file for another runtime, which is tried on a small image."""
    from rich.table import Table

    from i2i.inference.exported import open_exported

    opened = open_exported(path)
    if opened.export is None:
        log_line("{} has no metadata of i2i.", printable(path))
        found = {"scale": opened.probed.scale, "size_multiple": opened.probed.multiple, "reach": opened.probed.reach}
        texts = {name: str(value) for name, value in found.items() if value is not None}
    else:
        texts = opened.export.to_strings()
    if json:
        print_json(texts)
        return
    table = Table(box=None, show_header=False)
    for name, text in texts.items():
        if not name.startswith("i2i"):
            table.add_row(name, safe_text(text))
    stdout.print(table)


def _to_json(info: "ModelInfo") -> dict[str, Any]:
    """Return the metadata of a model file as JSON. Keys of i2i 0.1 stay beside those that replaced them."""
    metadata = info.to_metadata()
    metadata["objective"] = info.method
    for name in metadata.keys() & {"data", "best"}:
        metadata[name] = {**metadata[name], "pictures": metadata[name]["images"]}
    return metadata


def _count_parameters(model: str, info: "ModelInfo") -> int:
    """Load a model on the CPU, and return the number of parameters of one direction."""
    from i2i.inference import loading, sampler
    from i2i.inference.restoration import default_strength

    if info.samples_from_noise:
        network = sampler.load(model, device="cpu").network
    else:
        network = loading.load(model, device="cpu", strength=default_strength(info)).network
    return sum(parameter.numel() for parameter in network.parameters())


def _info_table(path: Path, info: "ModelInfo", num_parameters: int) -> Any:
    from rich.table import Table

    from i2i.images.value_range import format_range

    table = Table(box=None, show_header=False)
    table.add_row("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    table.add_row("checkpoint", _describe_checkpoint(path, info))
    for name in ("method", "recipe", "size", "directions", "steps", "total_steps", "ema", "version", "generator"):
        table.add_row(name, safe_text(getattr(info, name)))
    table.add_row("", f"{num_parameters:,} parameters in each direction")
    if info.task is not None:
        table.add_row("task", safe_text(info.task))
    elif info.task_title:
        table.add_row("task", f"{info.task_title}, from pairs of small and large images")
    for direction in () if info.samples_from_noise else info.directions:
        takes, returns = info.input_format(direction), info.output_format(direction)
        table.add_row(direction, safe_text(f"takes {takes}; returns {returns}"))
    for domain, ranges in zip("AB", info.value_ranges, strict=True):
        for type, limits in sorted(ranges.items()):
            table.add_row("value range", f"{format_range(limits).replace(' ', ' to ')} ({type}, images {domain})")
    for note in info.source_notes:
        table.add_row("", safe_text(note))
    if info.source:
        table.add_row("imported from", safe_text(info.source))
        table.add_row("licence", safe_text(info.licence or "not stated"))
        table.add_row("data", safe_text(info.data.name or "not stated"))
        return table
    counts = " + ".join(map(str, info.data.image_counts))
    table.add_row("data", f"{safe_text(info.data.name)}: {counts} training images")
    table.add_row("fingerprint", safe_text(info.data.fingerprint))
    return table


def _describe_checkpoint(path: Path, info: "ModelInfo") -> str:
    """Return whether a model file is the last or the best checkpoint of its run, and the name of the best one."""
    best = info.best
    if best is not None:
        counts = " + ".join(map(str, best.image_counts))
        return f"the best by {safe_text(best.metric.upper())}: {best.value} on {counts} {safe_text(best.split)} images"
    has_best = path.name == "weights.safetensors" and path.with_name("best.safetensors").is_file()
    return f"the last; the best is {path.resolve().parent.name}/best" if has_best else "the last"


app.command("card", no_args_is_help=True)(card)
app.command("import", no_args_is_help=True)(import_)
app.command("export", no_args_is_help=True)(export)
app.command("interpolate", no_args_is_help=True)(interpolate)
app.command("push", no_args_is_help=True)(push)
app.command("rm", no_args_is_help=True)(remove_models)
app.command("prune")(prune_models)
