"""`i2i models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from i2i.cli.console import plain, print_json, say, stdout

app = typer.Typer(no_args_is_help=True, help="The trained models: which there are, and what they are.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """List the models under checkpoints/.

    [bold]Example[/bold]

        i2i models list
    """
    from rich.table import Table

    from i2i.checkpoints.run import find_bundle, list_models, load_header, root
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
        steps = plain(header, "steps") + "/" + plain(header, "total_steps")
        fields = (plain(header, *keys) for keys in (["objective"], ["recipe"], ["size"], ["directions"]))
        table.add_row(name, *fields, steps, plain(header, "data", "name"))
    stdout.print(table)


def _checkpoint(path: Path, header: dict[str, Any]) -> str:
    """Whether a bundle is the last or the best of its run, and where the other is."""
    if header.get("best"):
        counts = plain(header, "best", "pictures").replace(" ", " + ")
        return (
            f"the best by {plain(header, 'best', 'metric').upper()}: {plain(header, 'best', 'value')} on {counts} "
            f"{plain(header, 'best', 'split')} pictures"
        )
    kept = path.name == "weights.safetensors" and path.with_name("best.safetensors").is_file()
    return f"the last; the best is {path.resolve().parent.name}/best" if kept else "the last"


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

    from i2i.checkpoints.run import find_bundle, load_header
    from i2i.inference import sampler, translator
    from i2i.inference.loading import SAMPLE
    from i2i.inference.restoration import some_strength

    known = load_header(find_bundle(model)) if model != "identity" else {}
    paints = known.get("directions") == SAMPLE
    strength = some_strength(known)
    used = sampler.load(model, device="cpu") if paints else translator.load(model, device="cpu", strength=strength)
    header = used.about
    if model == "identity":
        say("identity returns its input; it stands wherever a model is named.")
        return
    if json:
        print_json(header)
        return
    path = find_bundle(model)
    weights = sum(weight.numel() for weight in used.network.parameters())
    table = Table(box=None, show_header=False)
    table.add_row("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    table.add_row("checkpoint", _checkpoint(path, header))
    for key in ("objective", "recipe", "size", "directions", "steps", "total_steps", "ema", "version", "generator"):
        table.add_row(key, plain(header, key))
    table.add_row("", f"{weights:,} parameters each")
    if "task" in header:
        table.add_row("task", plain(header, "task"))
    table.add_row(
        "data",
        f"{plain(header, 'data', 'name')}: {plain(header, 'data', 'pictures').replace(' ', ' + ')} training pictures",
    )
    table.add_row("fingerprint", plain(header, "data", "fingerprint"))
    stdout.print(table)


@app.command(no_args_is_help=True)
def export(
    model: Annotated[str, typer.Argument(help="a run's name or a bundle's path")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to make; its name is the model's name")],
    half: Annotated[bool, typer.Option("--half/--full", help="weights in half precision, half the size")] = True,
) -> None:
    """Take a model out of its run, to be shared: the bundle and its card, without what only training needs.

    [bold]Example[/bold]

        i2i models export stripes-cyclegan --out stripes
    """
    from i2i.checkpoints.model_card import write_card
    from i2i.checkpoints.run import find_bundle, in_half_precision, load_bundle, save_bundle
    from i2i.errors import UsageError

    target = out / "weights.safetensors"
    if target.exists():
        raise UsageError(f"{target} exists already; nothing is overwritten. Choose another --out.")
    bundle = load_bundle(find_bundle(model))
    out.mkdir(parents=True, exist_ok=True)
    save_bundle(target, in_half_precision(bundle) if half else bundle)
    write_card(out, bundle.header)
    say("{} ({} MB)", target, round(target.stat().st_size / 1e6, 1))
