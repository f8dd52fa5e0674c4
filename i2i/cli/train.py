"""`i2i train`."""

import shlex
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from i2i.api.reference_options import help_table
from i2i.cli._options import FixedOption
from i2i.cli.console import log_line, stderr
from i2i.cli.method_commands import command_group, recipe_option
from i2i.cli.old_flags import option_value
from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

EXAMPLES = {
    "cyclegan": [
        "i2i train cyclegan --data stripes --recipe tiny",
        "i2i train cyclegan --data horse2zebra --size 128 --blocks 6 --epochs 50",
        "i2i train cyclegan --resume horse2zebra-cyclegan",
    ],
    "cut": [
        "i2i train cut --data stripes --recipe tiny",
        "i2i train cut --data horse2zebra --recipe fastcut",
        "i2i train cut --data horse2zebra --direction BtoA --name zebra2horse",
    ],
    "pix2pix": [
        "i2i train pix2pix --data outlines --recipe tiny",
        "i2i train pix2pix --data facades --direction BtoA",
        "i2i train pix2pix --data facades --resume --epochs 300",
        "i2i train pix2pix --data path/to/photos --task inpaint --recipe restore",
    ],
    "regression": [
        "i2i train regression --data path/to/photos --task denoise --max-hours 2",
        "i2i train regression --data path/to/photos --task superres --scale 4 --width 48",
        "i2i train regression --data facades",
    ],
    "distill": [
        "i2i train distill --teacher horse2zebra --data horse2zebra",
        "i2i train distill --teacher denoise --data path/to/photos --task denoise --recipe restore",
    ],
    "gan": [
        "i2i train gan --data shapes --recipe tiny",
        "i2i train gan --data shapes --recipe tiny --adversarial wgan-gp --name shapes-wgan-gp",
        "i2i train gan --data path/to/photos --recipe wgan-gp --size 128",
    ],
}


RESUME_HELP = (
    "continue a run: --resume NAME or PATH, or the one that --name or --data selects; --resume auto starts it if there "
    "is none"
)
TIME_LIMIT_HELP = "stop after this time, such as 2h or 1h30m, with the run saved; exit code 0"
CHANGED_DATA_HELP = "with --resume: go on although training images were added, removed or resized"
CONFIG_HELP = "start from the settings of a file: a run's config.json or one of --save-config; flags override them"
SAVE_HELP = "write the settings to a file, and do not train"


def _fixed_options(method: str) -> list[FixedOption]:
    default_name = f"DATA-{method}"
    if method == "regression":
        default_name += ", or DATA-TASK"
    elif method == "pix2pix":
        default_name += ", or DATA-pix2pix-TASK"
    help = rf"name of the run \[default: {default_name}]"
    return [
        recipe_option(method),
        FixedOption("name", str | None, typer.Option(None, help=help, show_default=False)),
        FixedOption("resume", bool, typer.Option(False, "--resume", metavar="[NAME]", help=RESUME_HELP)),
        FixedOption("resume_auto", bool, typer.Option(False, "--resume-auto", hidden=True)),
        FixedOption("allow_changed_data", bool, typer.Option(False, "--allow-changed-data", help=CHANGED_DATA_HELP)),
        FixedOption(
            "time_limit", str | None, typer.Option(None, metavar="DURATION", help=TIME_LIMIT_HELP, show_default=False)
        ),
        FixedOption("config", Path | None, typer.Option(None, metavar="FILE", help=CONFIG_HELP, show_default=False)),
        FixedOption("save_config", Path | None, typer.Option(None, metavar="FILE", help=SAVE_HELP, show_default=False)),
    ]


def _name_of_resume(args: list[str]) -> list[str]:
    """Return the arguments with ``--resume NAME`` spelled as ``--resume --name NAME``.

    ``--resume auto`` becomes ``--resume-auto``.

    Raises:
        UsageError: --name gives another name.
    """
    words = list[str]()
    for arg, following in pairwise(["", *_resume_auto_as_flag(args)]):
        name = following if arg == "--resume" and not following.startswith("-") else ""
        resume, equals, value = following.partition("=")
        if resume == "--resume" and equals:
            words.append(resume)
            name = value
        if not name:
            words.append(following)
            continue
        from i2i.checkpoints.run import run_name_of_path  # imported here: `i2i train --help` needs no NumPy

        name = run_name_of_path(name)
        other = option_value(args, "--name")
        if other not in ("", name):
            raise UsageError(f"Two runs are named: --resume {name} and --name {other}. Name one.")
        words += ["--name", name]
    return words


def _resume_auto_as_flag(args: list[str]) -> list[str]:
    words = list[str]()
    for arg in args:
        if words and (words[-1], arg) == ("--resume", "auto"):
            words[-1] = "--resume-auto"
        else:
            words.append("--resume-auto" if arg == "--resume=auto" else arg)
    return words


def distill_as_training(args: list[str]) -> list[str]:
    """Return ``distill TEACHER …`` as ``train distill --teacher TEACHER …``, and other arguments as they are."""
    if args[:1] != ["distill"]:
        return args
    teacher = args[1:2] if args[1:] and not args[1].startswith("-") else []
    return ["train", "distill", *(f"--teacher={name}" for name in teacher), *args[1 + len(teacher) :]]


def _train(method: str, overrides: dict[str, Any], values: dict[str, Any]) -> None:
    if values["save_config"] is not None:
        _save_config(method, overrides, values)
        return
    from i2i.device import resolve_device
    from i2i.distributed import device_of_rank, process_group
    from i2i.training.time_budget import TimeLimit, parse_duration

    time_limit = TimeLimit(parse_duration(values["time_limit"]) if values["time_limit"] else None)
    device = overrides.get("training", {}).get("device", "auto")
    with process_group(resolve_device(device_of_rank(device))):
        trainer = _make_trainer(method, overrides, values)
        trainer.time_limit = time_limit
        _run(method, trainer)


def _run(method: str, trainer: "Trainer") -> None:
    """Train, and say how to go on or to use the model. Of several processes, the first one says it."""
    from i2i.checkpoints.model_card import usage_examples
    from i2i.distributed import rank

    if rank():
        stop_signal = trainer.train() if trainer.step < trainer.total_steps() else None
        sys.exit(0 if stop_signal is None else 128 + stop_signal)
    run = trainer.run.path
    if trainer.step >= trainer.total_steps():
        log_line("{} is finished: {} steps. To continue: --resume --steps N.", run, trainer.step)
        return
    _log_start(trainer)
    stop_signal = trainer.train()
    if trainer.step < trainer.total_steps():
        reason = signal.Signals(stop_signal).name if stop_signal is not None else "--time-limit"
        reference = trainer.run.reference
        words = ["--name", reference, "--resume"] if reference == run.name else ["--resume", reference]
        command = shlex.join(["i2i", "train", method, *words])
        log_line("stopped by {} at step {}; the run is saved. To continue:\n\n    {}", reason, trainer.step, command)
        sys.exit(0 if stop_signal is None else 128 + stop_signal)
    log_line("finished. To use the model:\n\n    {}",
             "\n    ".join(usage_examples(trainer.run.reference, trainer.info.directions)))  # fmt: skip
    if trainer.validator is not None and trainer.validator.best is not None:
        best = trainer.validator.best
        log_line("best model by {}: {}/best, from step {}", best.metric.upper(), trainer.run.reference, best.step)


def _make_trainer(method: str, overrides: dict[str, Any], values: dict[str, Any]) -> "Trainer":
    from rich.console import Console

    from i2i.distributed import is_restart, rank
    from i2i.recipes import launch
    from i2i.recipes.config_file import load_base_recipe
    from i2i.training.progress import TrainingProgress

    if values["resume"] and values["resume_auto"]:
        raise UsageError("--resume and --resume auto exclude each other. Name the run by --name or --data.")
    progress = TrainingProgress(stderr if rank() == 0 else Console(quiet=True))
    if is_restart():  # after a process was lost, torchrun repeats the command
        values = {**values, "resume": False, "resume_auto": True}
    if values["resume"] and values["config"] is not None:
        raise UsageError("--resume takes the settings of the run. Leave out --config, or start a new run with it.")
    if values["resume"] or (values["resume_auto"] and launch.existing_run(method, overrides, values["name"])):
        allow = values["allow_changed_data"]
        name, recipe = values["name"], values["recipe"]
        return launch.resume_training(method, recipe, overrides, name, progress, allow_changed_data=allow)
    base = load_base_recipe(method, values["recipe"], values["config"])
    return launch.new_training(method, base.name, overrides, values["name"], progress, base=base)


def _save_config(method: str, overrides: dict[str, Any], values: dict[str, Any]) -> None:
    from i2i.recipes.config_file import load_base_recipe, save_config_file

    if values["resume"] or values["resume_auto"]:
        raise UsageError("--save-config writes the settings of a new run. Those of an old run are in its config.json.")
    path = values["save_config"]
    base = load_base_recipe(method, values["recipe"], values["config"])
    save_config_file(path, base.with_overrides(overrides))
    command = shlex.join(["i2i", "train", method, "--config", str(path)])
    log_line("settings saved to {}; no training was started. To train with them:\n\n    {}", path, command)


def _log_start(trainer: "Trainer") -> None:
    layout = trainer.dataset.layout
    counts = "; ".join(
        f"{split} {' + '.join(str(len(d)) for d in domains)}" for split, domains in layout.splits.items()
    )
    log_line("data: {} ({} data in {}: {})", layout.title or layout.root, layout.kind, layout.source, counts)
    dtype = str(trainer.dtype).removeprefix("torch.")
    length = f"steps {trainer.step} to {trainer.total_steps()}"
    if max_hours := trainer.config.max_hours:
        length = f"from step {trainer.step}, {max_hours:g} hours in total"
    ranks = f" in {trainer.config.ranks} processes" if trainer.config.ranks > 1 else ""
    log_line("training [bold]{}[/bold] on {}{}, {}: {}", trainer.run.path, trainer.device, ranks, dtype, length)
    log_line("sample images appear in {}", trainer.run.path / "samples")


app = command_group(
    "Train a model, or resume a training. `i2i train METHOD --help` lists the settings that matter "
    "most, and `--help-all` all of them.",
    EXAMPLES,
    "The defaults are those of the first recipe. --resume continues a stopped training (Ctrl-C, SIGTERM, crash) "
    "from its last saved state. --help-all shows all settings; with --task TASK, --help shows those of the task too.",
    _fixed_options,
    _train,
    rewrite=_name_of_resume,
    group_epilog=help_table(),
    no_args_is_help=True,
)
