"""The options that name a dataset, shared by the commands that are not `i2i train`."""

from typing import Annotated, Literal

import typer

# The same values as i2i.data.layout.LayoutName, which a listing of the commands need not import.
LayoutChoice = Literal["auto", "unpaired", "pairs", "superres", "side-by-side", "photos"]

LayoutOption = Annotated[LayoutChoice, typer.Option(help="how the folders are laid out (`i2i docs data`)")]
DataAOption = Annotated[
    str, typer.Option("--data-a", help="folder of the images A, instead of a dataset", show_default=False)
]
DataBOption = Annotated[str, typer.Option("--data-b", help="folder of the images B", show_default=False)]
TestAOption = Annotated[str, typer.Option("--test-a", help="folder of the test images A", show_default=False)]
TestBOption = Annotated[str, typer.Option("--test-b", help="folder of the test images B", show_default=False)]
PairsOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--pairs", help="folder of the inputs and folder of the targets, paired by name", show_default=False),
]
PairSuffixesOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--pair-suffixes",
        help="ends of the names of the two images of a pair, such as _in _out for x_in.png and x_out.png",
        show_default=False,
    ),
]
StackOption = Annotated[
    str,
    typer.Option(
        "--stack",
        help="files that form one image of several channels, such as '{stem}_{B02,B03,B04}.tif' (`i2i docs channels`)",
        show_default=False,
    ),
]
