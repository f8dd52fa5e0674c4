"""`i2i data`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from i2i.cli._data_options import (
    DataAOption,
    DataBOption,
    LayoutOption,
    PairsOption,
    PairSuffixesOption,
    StackOption,
    TestAOption,
    TestBOption,
)
from i2i.cli._preview import HELP as PREVIEW_HELP
from i2i.cli._preview import LazyPreview
from i2i.cli.console import log_line, print_json, stdout
from i2i.cli.data_distance import distance
from i2i.cli.data_pack import pack

OutOption = Annotated[
    Path | None, typer.Option("--out", help=r"folder to create \[default: datasets/NAME]", show_default=False)
]
app = typer.Typer(no_args_is_help=True, help="List, download, generate, check, preview, pack and score datasets.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """List the datasets that --data accepts by name: local ones, synthetic ones and downloadable ones.

    [bold]Example[/bold]

        i2i data list
    """
    from rich.table import Table

    from i2i.data.layout import find_dataset

    rows = _dataset_rows()
    for row in rows:
        folder = find_dataset(row["name"])
        row["here"] = str(folder) if folder else None
    if json:
        print_json(rows)
        return
    cells = [(row["name"], row["kind"], _location(row), row["summary"]) for row in rows]
    table = Table(box=None, expand=True)
    for column, title in enumerate(("name", "kind", "location")):
        table.add_column(title, no_wrap=True, width=max(len(row[column]) for row in cells))
    table.add_column("content", no_wrap=True, overflow="ellipsis", ratio=1)
    for row_cells in cells:
        table.add_row(*map(escape, row_cells))
    stdout.print(table)


def _dataset_rows() -> list[dict[str, Any]]:
    """Return name, kind, origin and summary of each dataset: synthetic ones, the catalogue's, and the user's own."""
    from i2i.data.catalogue_lookup import catalogue_entries
    from i2i.data.layout import dataset_dirs
    from i2i.data.synthetic import synthetic_datasets

    rows: list[dict[str, Any]] = []
    for dataset in synthetic_datasets():
        rows.append({"name": dataset.name, "kind": dataset.kind, "from": "drawn on use", "summary": dataset.summary})
    for entry in catalogue_entries():
        origin = f"get, {entry.bytes / 1e6:.0f} MB" if entry.bytes else "get"
        rows.append({"name": entry.name, "kind": entry.kind, "from": origin, "summary": entry.summary})
    names = {row["name"] for row in rows}
    for root in dataset_dirs():
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith(".") and folder.name not in names:
                rows.append({"name": folder.name, "kind": "", "from": "your own", "summary": ""})
                names.add(folder.name)
    return rows


def _location(row: dict[str, Any]) -> str:
    """Return the text of the location column. The JSON keeps its earlier wording of the origin."""
    if row["here"]:
        return "local"
    return str(row["from"]).replace("get", "download").replace("drawn on use", "generated on use")


@app.command(no_args_is_help=True)
def download(
    name: Annotated[str, typer.Argument(help="a name from `i2i data list`")],
    out: OutOption = None,
    allow_changed: Annotated[
        bool,
        typer.Option("--allow-changed", help="accept another archive than the one received last from its address"),
    ] = False,
) -> None:
    """Download a dataset. An interrupted download resumes; its checksum is verified before it is unpacked.

    [bold]Example[/bold]

        i2i data download horse2zebra
    """
    from i2i.cli._progress import ProgressBars
    from i2i.data.catalogue import CATALOGUE
    from i2i.data.download_dataset import download_dataset
    from i2i.data.synthetic import find_synthetic
    from i2i.data.synthetic import generate as generate_dataset

    folder = out or Path("datasets") / name
    if name not in CATALOGUE and find_synthetic(name) is not None:
        with ProgressBars(transient=True) as bars:
            folder = generate_dataset(
                name, folder, progress=lambda done, total: bars.update(f"generating {name}", done, total)
            )
    else:
        with ProgressBars(in_bytes=True, transient=True) as bars:
            folder = download_dataset(
                name,
                folder,
                allow_changed=allow_changed,
                progress=lambda done, total: bars.update(f"downloading {name}", done, total),
            )
    log_line("{} is in {}", name, folder)


@app.command(no_args_is_help=True)
def generate(
    name: Annotated[str, typer.Argument(help="stripes (unpaired), outlines (paired), leaves or shapes (photos)")],
    out: OutOption = None,
    seed: Annotated[int, typer.Option(help="seed of the images")] = 0,
    size: Annotated[
        int | None, typer.Option(help=r"height of an image in pixels \[default: the dataset's]", show_default=False)
    ] = None,
    num_train: Annotated[
        int | None,
        typer.Option(help=r"number of training images of each domain \[default: the dataset's]", show_default=False),
    ] = None,
    num_test: Annotated[
        int | None,
        typer.Option(help=r"number of test images of each domain \[default: the dataset's]", show_default=False),
    ] = None,
) -> None:
    """Generate a synthetic dataset. Needs no download; equal seeds give equal images.

    [bold]Examples[/bold]

        i2i data generate stripes

        i2i data generate leaves --out datasets/leaves256 --size 256 --num-train 1000
    """
    from i2i.cli._progress import ProgressBars
    from i2i.data.synthetic import generate as generate_dataset

    with ProgressBars(transient=True) as bars:
        folder = generate_dataset(
            name,
            out or Path("datasets") / name,
            seed=seed,
            size=size,
            train=num_train,
            test=num_test,
            progress=lambda done, total: bars.update(f"generating {name}", done, total),
        )
    log_line("{} is in {}", name, folder)


@app.command(no_args_is_help=True)
def check(
    dataset: Annotated[str, typer.Argument(help="folder or name of a dataset")] = "",
    layout: LayoutOption = "auto",
    data_a: DataAOption = "",
    data_b: DataBOption = "",
    test_a: TestAOption = "",
    test_b: TestBOption = "",
    pairs: PairsOption = None,
    pair_suffixes: PairSuffixesOption = None,
    stack: StackOption = "",
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="values of black and white, such as 0 4095, for images of a type that can hold them "
            r"\[default: those of the type]",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Check every image of a dataset. Reports problems, and which training suits the dataset.

    The exit code is 1 if a problem would stop or spoil a training.

    [bold]Examples[/bold]

        i2i data check datasets/mine

        i2i data check --pairs sketches/ drawings/
    """
    from i2i.cli._progress import ProgressBars
    from i2i.data.audit import audit
    from i2i.data.source import DataSource

    source = DataSource(
        data=dataset, layout=layout, data_a=data_a, data_b=data_b, test_a=test_a, test_b=test_b, pairs=pairs,
        pair_suffixes=pair_suffixes, stack=stack,
    )  # fmt: skip
    source.require_here()
    with ProgressBars(transient=True) as bars:
        report = audit(
            source, value_range=value_range, progress=lambda done, total: bars.update("reading", done, total)
        )
    if json:
        print_json(report.to_json())
    else:
        stdout.print(report.text(), markup=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


app.command("preview", cls=LazyPreview, help=PREVIEW_HELP)(lambda: None)


@app.command(no_args_is_help=True)
def score(
    translated: Annotated[Path, typer.Argument(help="folder with translated test images, or with generated shapes")],
    data: Annotated[str, typer.Option(help="the stripes dataset, or the shapes dataset")] = "stripes",
    direction: Annotated[Literal["AtoB", "BtoA"], typer.Option(help="direction of the translation")] = "AtoB",
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Score results on a synthetic dataset exactly.

    For stripes: PSNR of translated test images against their hidden targets, which no training sees. For shapes: the
    fraction of generated images that are one clean shape, and the number of different kinds among them.

    [bold]Examples[/bold]

        i2i data score striped/

        i2i data score plain/ --direction BtoA

        i2i data score generated/ --data shapes
    """
    from i2i.data.synthetic import score as score_stripes
    from i2i.data.synthetic import shapes, synthetic_name
    from i2i.errors import DatasetError

    folder = _find_folder(data)
    is_shapes = synthetic_name(folder) == "shapes"
    if not translated.is_dir():
        command = f"i2i convert MODEL {folder}/test{direction[0]} --out {translated}"
        if is_shapes:
            command = f"i2i sample MODEL --num-images 500 --out-dir {translated}"
        raise DatasetError(f"{translated} is not a folder. To create it: `{command}`.")

    scores = shapes.score(translated) if is_shapes else score_stripes(translated, folder, direction)
    if json:
        print_json(scores)
    elif is_shapes:
        stdout.print(f"{scores['clean']:.1%} of {scores['pictures']} images are one clean shape")
        stdout.print(f"{scores['kinds']} of {len(shapes.CLASSES)} kinds are among them, with the diversity of "
                     f"{scores['even']:.1f} equally frequent kinds")  # fmt: skip
    else:
        stdout.print(f"{direction}: PSNR against the hidden target, mean of {scores['pictures']:.0f} images, in dB")
        for region, label in (("inside", "animal"), ("outside", "landscape")):
            output, input_ = scores[region], scores[f"input_{region}"]
            stdout.print(f"  {label:10} translated {output:6.2f}   input {input_:6.2f}   gain {output - input_:+.2f}")


def _find_folder(dataset: str) -> Path:
    """Return the folder of a local dataset. Raises DatasetError if there is none."""
    from i2i.data.layout import HINT, find_dataset
    from i2i.errors import DatasetError

    folder = find_dataset(dataset)
    if folder is None:
        from i2i.data.synthetic import find_synthetic

        is_synthetic = find_synthetic(dataset) is not None
        advice = f"`i2i data generate {dataset}` makes it; --data names another one." if is_synthetic else HINT
        raise DatasetError(f"No dataset {dataset!r} here. {advice}")
    return folder


app.command(no_args_is_help=True)(pack)
app.command(no_args_is_help=True)(distance)
