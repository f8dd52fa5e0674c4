"""`i2i train`."""

import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

import typer

from i2i.cli._options import FixedOption
from i2i.cli.console import log_line, stderr
from i2i.cli.method_commands import command_group, recipe_option

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

EXAMPLES = {
    "cyclegan": [
        "i2i train cyclegan --data stripes --recipe tiny",
        "i2i train cyclegan --data horse2zebra --size 128 --blocks 6 --epochs 50",
        "i2i train cyclegan --data horse2zebra --resume",
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
    "gan": [
        "i2i train gan --data shapes --recipe tiny",
        "i2i train gan --data shapes --recipe tiny --adversarial wgan-gp --name shapes-wgan-gp",
        "i2i train gan --data path/to/photos --recipe wgan-gp --size 128",
    ],
}


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
        FixedOption(
            "resume", bool, typer.Option(False, "--resume", help="continue the run that --name or --data selects")
        ),
    ]


def _train(method: str, overrides: dict[str, Any], values: dict[str, Any]) -> None:
    from i2i.checkpoints.model_card import usage_examples
    from i2i.recipes import launch
    from i2i.training.progress import TrainingProgress

    progress = TrainingProgress(stderr)
    make_trainer = launch.resume_training if values["resume"] else launch.new_training
    trainer = make_trainer(method, values["recipe"], overrides, values["name"], progress)
    run = trainer.run.path
    if trainer.step >= trainer.total_steps():
        log_line("{} is finished: {} steps. To continue: --resume --steps N.", run, trainer.step)
        return
    _log_start(trainer)
    stop_signal = trainer.train()
    if stop_signal is not None:
        command = shlex.join(["i2i", "train", method, "--name", run.name, "--resume"])
        signal_name = signal.Signals(stop_signal).name
        log_line(
            "stopped by {} at step {}; the run is saved. To continue:\n\n    {}", signal_name, trainer.step, command
        )
        sys.exit(128 + stop_signal)
    log_line("finished. To use the model:\n\n    {}",
             "\n    ".join(usage_examples(run.name, trainer.info.directions)))  # fmt: skip
    if trainer.validator is not None and trainer.validator.best is not None:
        best = trainer.validator.best
        log_line("best model by {}: {}/best, from step {}", best.metric.upper(), run.name, best.step)


def _log_start(trainer: "Trainer") -> None:
    dtype = str(trainer.dtype).removeprefix("torch.")
    length = f"steps {trainer.step} to {trainer.total_steps()}"
    if max_hours := trainer.config.max_hours:
        length = f"from step {trainer.step}, {max_hours:g} hours in total"
    log_line("training [bold]{}[/bold] on {}, {}: {}", trainer.run.path, trainer.device, dtype, length)
    log_line("sample images appear in {}", trainer.run.path / "samples")


app = command_group(
    "Train a model, or resume a training. `i2i train METHOD --help` lists all settings of a method.",
    EXAMPLES,
    "The defaults are those of the first recipe. --resume continues a stopped training (Ctrl-C, SIGTERM, crash) "
    "from its last saved state.",
    _fixed_options,
    _train,
    no_args_is_help=True,
)
