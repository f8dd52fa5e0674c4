"""`i2i evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

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
from i2i.cli.console import log_line, print_json, stdout


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(help="one or several: names of runs, paths of model files, hf://user/repo, or identity"),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help=r"dataset, by name or path \[default: the first model's training dataset]", show_default=False
        ),
    ] = None,
    layout: LayoutOption = "auto",
    data_a: DataAOption = "",
    data_b: DataBOption = "",
    test_a: TestAOption = "",
    test_b: TestBOption = "",
    pairs: PairsOption = None,
    pair_suffixes: PairSuffixesOption = None,
    stack: StackOption = "",
    direction: Annotated[
        str | None, typer.Option(help=r"AtoB, BtoA or sample \[default: all that the models have]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print all results as JSON")] = False,
    report: Annotated[Path | None, typer.Option(help="write a self-contained HTML report", show_default=False)] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(help="such as psnr=24: exit with code 1 if a model has less; may be repeated", show_default=False),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(help="such as fid=80: exit with code 1 if a model has more; may be repeated", show_default=False),
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(
            help=r"metric that orders the models \[default: LPIPS or PSNR with targets, else KID]", show_default=False
        ),
    ] = None,
    checkpoint: Annotated[
        Literal["last", "best", "both"], typer.Option(help="which checkpoint of a run to evaluate")
    ] = "both",
    split: Annotated[
        str | None, typer.Option(help=r"split of the dataset \[default: test, else val]", show_default=False)
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(help=r"largest number of images of each domain \[default: all]", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help=r"resize images to this many pixels a side; 0: no resizing \[default: largest training size of the "
            "models]",
            show_default=False,
        ),
    ] = None,
    resize: Annotated[
        Literal["stretch", "cover"] | None,
        typer.Option(
            help=r"stretch to a square, or scale and crop the centre (cover) \[default: as in training]",
            show_default=False,
        ),
    ] = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="values of black and white, such as 0 4095, for images of a type that can hold them "
            r"\[default: those of the models' training, else of the dataset]",
            show_default=False,
        ),
    ] = None,
    cycle: Annotated[
        bool, typer.Option("--cycle/--no-cycle", help="measure the error after translation there and back")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="seed of the intervals, and of the images in the report")] = 0,
    votes_file: Annotated[
        Path | None,
        typer.Option(
            help=r"votes of the demo's blind test \[default: the file in the checkpoints folder]", show_default=False
        ),
    ] = None,
    degradation_level: Annotated[
        float | None,
        typer.Option(
            help=r"strength of the degradation, for restoration models \[default: the middle of the task's range]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="precision of the models; metrics are computed in float32"),
    ] = "auto",
) -> None:
    """Evaluate and compare models on test images.

    Computes FID and KID with 95 % intervals and, for paired data, LPIPS, PSNR and SSIM. The table also has two
    baselines: the unchanged input, which a model should improve on, and real images of another split. Results with the
    same protocol are comparable.

    [bold]Examples[/bold]

        i2i evaluate horse2zebra-cyclegan --report zebras.html

        i2i evaluate cyclegan-run cut-run --data horse2zebra --direction AtoB

        i2i evaluate facades-pix2pix --json --fail-under psnr=13
    """
    from i2i.api.evaluate import evaluate as run_evaluation
    from i2i.cli._progress import ProgressBars
    from i2i.evaluation.metric_specs import parse_thresholds
    from i2i.evaluation.text_report import format_report

    thresholds = parse_thresholds(fail_under or [], fail_over or [])
    with ProgressBars() as bars:

        def log_progress(text: str, done: int, total: int) -> None:
            bars.update(text, done, total)
            if done == total:
                bars.finish(text)
                if not bars.visible:
                    log_line("{}: {} images", text, total)

        result = run_evaluation(
            models, data=data, layout=layout, data_a=data_a, data_b=data_b, test_a=test_a, test_b=test_b, pairs=pairs,
            pair_suffixes=pair_suffixes, stack=stack, direction=direction, report=report, rank_by=rank_by,
            checkpoint=checkpoint, split=split, max_images=max_images, size=size, resize=resize,
            value_range=value_range, cycle=cycle, seed=seed, votes_file=votes_file,
            degradation_level=degradation_level, device=device, precision=precision, progress=log_progress,
        )  # fmt: skip
    violations = result.threshold_violations(thresholds)
    if json:
        print_json(result.to_json())
    else:
        stdout.print(format_report(result), markup=False, soft_wrap=True)
    if report is not None:
        log_line("the report is in {}", report)
    for violation in violations:
        log_line("[red]beyond the limit:[/red] {}", violation)
    if violations:
        raise typer.Exit(1)
