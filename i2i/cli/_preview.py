"""`i2i data preview`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from i2i.cli._options import ConfigOption, FixedOption, build_command, lazy_command
from i2i.cli.console import log_line
from i2i.cli.method_commands import task_option
from i2i.errors import UsageError

HELP = """Write a sheet of training samples as a PNG: each without and with --augmentations, side by side.

The samples are the first ones of a training with these settings and --seed. With --task, the source is the degraded
photo.

[bold]Examples[/bold]

    i2i data preview facades --augmentations geometric --out sheet.png

    i2i data preview photos/ --augmentations mine.json --task denoise --out sheet.png
"""
FIXED_OPTIONS = (
    FixedOption("dataset", str, typer.Argument("", help="folder or name of a dataset", show_default=False)),
    FixedOption("out", Path, typer.Option(..., "--out", "-o", help="the sheet, such as sheet.png")),
    FixedOption("num_images", int, typer.Option(6, min=1, max=100, help="number of samples")),
    FixedOption("seed", int, typer.Option(0, min=0, help="seed of the training")),
    FixedOption("overwrite", bool, typer.Option(False, "--overwrite", help="replace an existing file")),
)


def _build(name: str, group_path: str, args: list[str]) -> TyperCommand:
    from i2i.config import flags
    from i2i.data.config import PairedConfig

    options = []
    for flag in sorted(flags(PairedConfig()), key=lambda flag: flag.path[0] == "task"):
        if flag.name == "data":  # is the argument
            continue
        if flag.path == ("task", "task"):
            flag = replace(flag, help="restoration task that makes the source from the target")
        is_setting_of_task = flag.path[0] == "task" and flag.name != "task"
        option = task_option(flag, flag.path) if is_setting_of_task else ConfigOption(flag=flag, path=flag.path)
        options.append(replace(option, has_off_switch=option.has_off_switch or flag.default is True))
    return build_command(name, _preview, FIXED_OPTIONS, options, help=HELP, no_args_is_help=True)


LazyPreview = lazy_command(_build)


def _preview(overrides: dict[str, Any], values: dict[str, Any]) -> None:
    from i2i.config import merge
    from i2i.data.config import PairedConfig
    from i2i.data.preview import preview
    from i2i.errors import io_errors
    from i2i.images import Writer, write_atomic

    out: Path = values["out"]
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must be the name of a PNG, such as sheet.png.")
    if out.exists() and not values["overwrite"]:
        raise UsageError(f"{out} exists already: choose another output, or add --overwrite.")
    config = merge(PairedConfig(), {**overrides, **({"data": values["dataset"]} if values["dataset"] else {})})
    result = preview(config, values["num_images"], values["seed"])
    with io_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, Writer(suffix=".png")(result.sheet))
    log_line("written: {}", out)
    if result.augmented_ms is not None:
        times = f"{result.augmented_ms:.1f} ms, and {result.plain_ms:.1f} ms without augmentations"
        log_line("a sample takes {}", times)
