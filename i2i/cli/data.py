"""`i2i data`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from i2i.cli.console import print_json, say, stderr, stdout

OUT = typer.Option(help=r"folder to make \[default: datasets/NAME]", show_default=False)
app = typer.Typer(no_args_is_help=True, help="Datasets: list, download, draw, check and score them.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """List the datasets that can be named in --data: those here, those i2i draws, those it downloads.

    [bold]Example[/bold]

        i2i data list
    """
    from rich.table import Table

    from i2i.data.catalogue import CATALOGUE
    from i2i.data.layout import locate, roots
    from i2i.data.synthetic import SAMPLES

    rows: list[dict[str, Any]] = []
    for sample in SAMPLES.values():
        rows.append({"name": sample.name, "kind": sample.kind, "from": "drawn on use", "summary": sample.summary})
    for entry in CATALOGUE.values():
        size = f"get, {entry.bytes / 1e6:.0f} MB" if entry.bytes else "get"
        rows.append({"name": entry.name, "kind": entry.kind, "from": size, "summary": entry.summary})
    known = {row["name"] for row in rows}
    for root in roots():
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith(".") and folder.name not in known:
                rows.append({"name": folder.name, "kind": "", "from": "your own", "summary": ""})
                known.add(folder.name)
    for row in rows:
        place = locate(row["name"])
        row["here"] = str(place) if place else None
    if json:
        print_json(rows)
        return
    cells = [(row["name"], row["kind"], "here" if row["here"] else row["from"], row["summary"]) for row in rows]
    table = Table(box=None, expand=True)
    for column, title in enumerate(("name", "kind", "where")):
        table.add_column(title, no_wrap=True, width=max(len(line[column]) for line in cells))
    table.add_column("what it shows", no_wrap=True, overflow="ellipsis", ratio=1)
    for line in cells:
        table.add_row(*map(escape, line))
    stdout.print(table)


@app.command(no_args_is_help=True)
def get(
    name: Annotated[str, typer.Argument(help="a name from `i2i data list`")],
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Download a dataset: resumable, verified by its checksum before it is unpacked.

    [bold]Example[/bold]

        i2i data get horse2zebra
    """
    from i2i.data.catalogue import CATALOGUE
    from i2i.data.catalogue import get as download
    from i2i.data.synthetic import SAMPLES, make

    folder = out or Path("datasets") / name
    if name in SAMPLES and name not in CATALOGUE:
        with _bar(f"drawing {name}", bytes=False) as advance:
            made = make(name, folder, progress=advance)
    else:
        with _bar(f"downloading {name}", bytes=True) as advance:
            made = download(name, folder, progress=advance)
    say("{} is in {}", name, made)


@app.command(no_args_is_help=True)
def sample(
    name: Annotated[str, typer.Argument(help="stripes (unpaired), outlines (paired), leaves or shapes (photos)")],
    out: Annotated[Path | None, OUT] = None,
    seed: Annotated[int, typer.Option(help="another seed draws other pictures")] = 0,
    size: Annotated[int | None, typer.Option(help=r"pixels a side \[default: the set's]", show_default=False)] = None,
    train: Annotated[int | None, typer.Option(help="training pictures a domain", show_default=False)] = None,
    test: Annotated[int | None, typer.Option(help="test pictures a domain", show_default=False)] = None,
) -> None:
    """Draw a built-in dataset: no download, the same pictures from the same seed.

    [bold]Examples[/bold]

        i2i data sample stripes

        i2i data sample leaves --out datasets/leaves256 --size 256 --train 1000
    """
    from i2i.data.synthetic import make

    with _bar(f"drawing {name}", bytes=False) as advance:
        made = make(
            name, out or Path("datasets") / name, seed=seed, size=size, train=train, test=test, progress=advance
        )
    say("{} is in {}", name, made)


@app.command(no_args_is_help=True)
def check(
    path: Annotated[str, typer.Argument(help="a dataset's folder, or its name")],
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Look at every picture of a dataset, say what is wrong with it, and which training suits it.

    The exit code is 1 where something would stop or spoil a training.

    [bold]Example[/bold]

        i2i data check datasets/mine
    """
    from i2i.data.audit import audit
    from i2i.data.layout import HINT, locate
    from i2i.errors import DatasetError

    folder = locate(path)
    if folder is None:
        raise DatasetError(f"No dataset {path!r} here. {HINT}")
    with _bar("reading", bytes=False) as advance:
        report = audit(folder, progress=advance)
    if json:
        print_json(report.to_json())
    else:
        stdout.print(report.text(), markup=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def score(
    translated: Annotated[Path, typer.Argument(help="folder with translated test pictures, or with painted shapes")],
    data: Annotated[str, typer.Option(help="the stripes set, or the shapes set")] = "stripes",
    direction: Annotated[Literal["AtoB", "BtoA"], typer.Option(help="which way they were translated")] = "AtoB",
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Score translations of the stripes set exactly, against the hidden true counterparts of its test pictures.

    Of a generator trained on the shapes set: how many of its pictures are clean shapes, and of how many kinds.

    [bold]Example[/bold]

        i2i data score striped/

        i2i data score plain/ --direction BtoA

        i2i data score painted/ --data shapes
    """
    from i2i.data.layout import HINT, locate
    from i2i.data.synthetic import sample_of, shapes
    from i2i.data.synthetic import score as measure
    from i2i.errors import DatasetError

    folder = locate(data)
    if folder is None:
        raise DatasetError(f"No dataset {data!r} here. {HINT}")
    painted = sample_of(folder) == "shapes"
    if not translated.is_dir():
        make = f"i2i convert MODEL {folder}/test{direction[0]} --out {translated}"
        if painted:
            make = f"i2i sample MODEL --count 500 --separate {translated}"
        raise DatasetError(f"{translated} is no folder. `{make}` makes it.")

    found = shapes.score(translated) if painted else measure(translated, folder, direction)
    if json:
        print_json(found)
        return
    if painted:
        stdout.print(f"{found['clean']:.1%} of {found['pictures']} pictures are one clean shape each")
        stdout.print(f"{found['kinds']} of {len(shapes.KINDS)} kinds are among them, as varied as {found['even']:.1f} "
                     "equally frequent ones")  # fmt: skip
        return
    stdout.print(f"{direction}: PSNR against the hidden truth, mean of {found['pictures']:.0f} pictures, in dB")
    for place, name in (("inside", "on the animal"), ("outside", "landscape")):
        ours, input_ = found[place], found[f"input_{place}"]
        stdout.print(f"  {name:14} translated {ours:6.2f}   left alone {input_:6.2f}   gain {ours - input_:+.2f}")


@contextmanager
def _bar(title: str, bytes: bool) -> Iterator[Any]:
    """A progress bar on a terminal, nothing elsewhere; yields what is told (done, total or None)."""
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
