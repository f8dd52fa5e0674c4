"""`i2i train`."""

import shlex
import signal
import sys
from typing import Any

import typer

from i2i.cli.console import say
from i2i.cli.method_commands import Fixed, group, recipe_option

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
        "i2i train regression --data path/to/photos --task denoise --hours 2",
        "i2i train regression --data path/to/photos --task superres --scale 4 --width 48",
        "i2i train regression --data facades",
    ],
    "gan": [
        "i2i train gan --data shapes --recipe tiny",
        "i2i train gan --data shapes --recipe tiny --adversarial wgan-gp --name shapes-wgan-gp",
        "i2i train gan --data path/to/photos --recipe wgan-gp --size 128",
    ],
}


def _fixed(objective: str) -> Fixed:
    return (
        recipe_option(objective),
        (
            "name",
            str | None,
            typer.Option(None, help=r"the run's name \[default: DATA-OBJECTIVE, or DATA-TASK]", show_default=False),
        ),
        ("resume", bool, typer.Option(False, "--resume", help="go on with the run of that name, or data")),
    )


def _train(objective: str, changes: dict[str, Any], given: dict[str, Any]) -> None:
    from i2i.checkpoints.model_card import uses
    from i2i.recipes import launch
    from i2i.training.progress import TrainingProgress

    progress = TrainingProgress()
    begin = launch.resume if given["resume"] else launch.start
    trainer = begin(objective, given["recipe"], changes, given["name"], progress)
    run = trainer.run.path
    if trainer.step >= trainer.total_steps():
        say("{} is finished: {} steps. --resume --steps N trains on.", run, trainer.step)
        return
    kind = str(trainer.dtype).removeprefix("torch.")
    length = f"steps {trainer.step} to {trainer.total_steps()}"
    if hours := trainer.config.hours:
        length = f"from step {trainer.step} on, {hours:g} hours in all"
    say("training [bold]{}[/bold] on {}, {}: {}", run, trainer.device, kind, length)
    say("pictures to look at appear in {}", run / "samples")
    stopped = trainer.train()
    if stopped is not None:
        again = shlex.join(["i2i", "train", objective, "--name", run.name, "--resume"])
        say("stopped by {} at step {}; everything is saved. Go on:\n\n    {}", signal.Signals(stopped).name,
            trainer.step, again)  # fmt: skip
        sys.exit(128 + stopped)
    say("done. Use it:\n\n    {}", "\n    ".join(uses(run.name, trainer.about["directions"])))
    if trainer.exam is not None and trainer.exam.best is not None:
        best = trainer.exam.best
        say("the best by {}, after {} steps, is {}/best", best.metric.upper(), best.steps, run.name)


app = group(
    "Train a translator, or go on with a training that was stopped.",
    EXAMPLES,
    "Defaults shown are those of the first recipe. A stopped training (Ctrl-C, SIGTERM, a crash) goes on by --resume, "
    "exactly where it was.",
    _fixed,
    _train,
    needs_flags=True,
)
