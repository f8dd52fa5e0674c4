"""`i2i models`."""

from typing import Annotated

import typer

from i2i.cli.console import print_json, say, stdout

app = typer.Typer(no_args_is_help=True, help="The trained models: which there are, and what they are.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """List the models under checkpoints/.

    [bold]Example[/bold]

        i2i models list
    """
    from rich.table import Table

    from i2i.checkpoint import find_bundle, list_models, load_header, root
    from i2i.errors import BundleError

    rows = []
    for name in list_models():
        try:
            rows.append((name, load_header(find_bundle(name))))
        except BundleError as error:
            say("[red]{}[/red]", error)
    if json:
        print_json([{"name": name, **header} for name, header in rows])
        return
    if not rows:
        say("No models under {} yet. `i2i train --help` shows how to make one.", root())
        return
    table = Table("name", "objective", "recipe", "size", "directions", "steps", "data", box=None)
    for name, header in rows:
        fields = (header.get(key, "?") for key in ("objective", "recipe", "size"))
        data = header.get("data", {}).get("name", "?")
        steps = f"{header.get('steps', '?')}/{header.get('total_steps', '?')}"
        table.add_row(name, *map(str, fields), " ".join(header.get("directions", [])), steps, data)
    stdout.print(table)


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="a run's name or a bundle's path")],
    json: Annotated[bool, typer.Option("--json", help="print the whole header as JSON")] = False,
) -> None:
    """Show all that a model's bundle says of itself, after checking that its weights load.

    [bold]Example[/bold]

        i2i models info stripes-cyclegan
    """
    from rich.table import Table

    from i2i.checkpoint import find_bundle
    from i2i.translate import load

    translator = load(model, device="cpu")
    header = translator.about
    if model == "identity":
        say("identity returns its input; it stands wherever a model is named.")
        return
    if json:
        print_json(header)
        return
    path = find_bundle(model)
    weights = sum(weight.numel() for weight in translator.network.parameters())
    table = Table(box=None, show_header=False)
    table.add_row("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    for key in ("objective", "recipe", "size", "steps", "total_steps", "ema", "version"):
        table.add_row(key, str(header.get(key)))
    table.add_row("directions", " ".join(header["directions"]))
    generator = header["generator"]
    table.add_row("generator", ", ".join(f"{key} {value}" for key, value in generator.items()))
    table.add_row("", f"{weights:,} parameters each")
    data = header["data"]
    table.add_row("data", f"{data['name']}: {' + '.join(map(str, data['pictures']))} training pictures")
    table.add_row("fingerprint", data["fingerprint"])
    stdout.print(table)
