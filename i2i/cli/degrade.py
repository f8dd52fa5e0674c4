"""`i2i degrade`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from i2i.cli._options import ConfigOption, FixedOption, build_command, lazy_command
from i2i.cli.console import log_line
from i2i.cli.method_commands import task_option

HELP = """Degrade clean photos as a restoration task does, to make test sets or to see what a model is trained on.

The degradation of a photo is random but reproducible: it depends on the photo and on --seed. For the task inpaint, the
masked region of the result is transparent.

[bold]Examples[/bold]

    i2i degrade photos/ --task denoise --strength 25 --out noisy/

    i2i degrade photo.jpg --task oldphoto --severity 0.8 1 --out old/
"""


def _build(name: str, group_path: str, args: list[str]) -> TyperCommand:
    from i2i.config import flags
    from i2i.data.config import PairedConfig

    task_options = []
    for flag in sorted(
        flags(PairedConfig()), key=lambda flag: len(flag.variants) > 1
    ):  # settings of several tasks last
        if flag.path == ("task", "task"):
            task_flag = replace(flag, help="restoration task whose degradation is applied", default=None)
            task_options.append(ConfigOption(flag=task_flag, path=flag.path))
        elif flag.path[0] == "task":
            task_options.append(task_option(flag, flag.path))
    return build_command(name, _degrade, FIXED_OPTIONS, task_options, help=HELP, no_args_is_help=True)


FIXED_OPTIONS = (
    FixedOption("sources", list[Path], typer.Argument(help="photos, and folders of photos with their subfolders")),
    FixedOption("out", Path, typer.Option(help="folder for the results; created if missing")),
    FixedOption(
        "strength",
        float | None,
        typer.Option(
            None,
            help="fixed strength of the degradation, instead of a random one for each photo, in the unit of the task: "
            "σ in grey levels for denoise, JPEG quality for dejpeg, pixels of blur for deblur …",
            show_default=False,
        ),
    ),
    FixedOption("seed", int, typer.Option(0, help="seed of the random choices")),
    FixedOption("overwrite", bool, typer.Option(False, "--overwrite", help="replace existing results")),
)
LazyDegrade = lazy_command(_build)


def _degrade(overrides: dict[str, Any], values: dict[str, Any]) -> None:
    from i2i.config import merge
    from i2i.convert.api import convert
    from i2i.data.config import PairedConfig
    from i2i.errors import UsageError
    from i2i.restoration.degrader import Degrader

    task = merge(PairedConfig(), overrides).restoration_task
    if task is None:
        raise UsageError("No task is given. Add --task denoise, dejpeg, …: `i2i degrade --help` lists the tasks.")
    degrader = Degrader(task, values["strength"], values["seed"])
    result = convert(degrader, values["sources"], values["out"], overwrite=values["overwrite"])
    for path, reason in result.failed:
        log_line("[red]failed[/red] {}: {}", path, reason.removeprefix(str(path)).lstrip(": "))
    if result.skipped:
        log_line("{} skipped because the result exists already (--overwrite replaces it)", len(result.skipped))
    log_line("{} degraded into {}", len(result.converted), values["out"])
    if result.failed:
        raise typer.Exit(1)
