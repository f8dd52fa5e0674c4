"""`i2i bench`."""

from typing import TYPE_CHECKING, Any

import typer

from i2i.cli._options import FixedOption
from i2i.cli.console import print_json, stdout
from i2i.cli.method_commands import command_group, recipe_option

if TYPE_CHECKING:
    from i2i.recipes.benchmark import StepCost

TIME_LIMIT_HELP = "start no further step after this time, such as 30s or 5m; two warm-up steps and one timed step run"
COST = (
    "Takes about a minute: runs two steps to warm up, then times up to ten steps within --time-limit, but at least "
    "one. On a slow CPU, a step of the recipe paper takes many seconds; --recipe tiny or a smaller --size takes less."
)
EXAMPLES = {
    "cyclegan": ["i2i bench cyclegan", "i2i bench cyclegan --data horse2zebra --size 128 --blocks 6 --epochs 50"],
    "cut": ["i2i bench cut --recipe fastcut", "i2i bench cut --data horse2zebra --size 128 --nce-layers 0,4,8,12"],
    "pix2pix": ["i2i bench pix2pix --data facades --batch-size 4"],
    "gan": ["i2i bench gan --size 128 --batch-size 64"],
}


def _fixed_options(method: str) -> list[FixedOption]:
    return [
        recipe_option(method),
        FixedOption("timed_steps", int, typer.Option(10, min=1, help="largest number of training steps to time")),
        FixedOption("time_limit", str, typer.Option("1m", metavar="DURATION", help=TIME_LIMIT_HELP)),
        FixedOption("json", bool, typer.Option(False, "--json", help="print as JSON")),
    ]


def _bench(method: str, overrides: dict[str, Any], values: dict[str, Any]) -> None:
    from i2i.data.source import DataSource
    from i2i.recipes import find_recipe
    from i2i.recipes.benchmark import benchmark_step
    from i2i.recipes.training_data import fit_to_pairs
    from i2i.training.time_budget import parse_duration

    recipe = find_recipe(method, values["recipe"]).with_overrides(overrides)
    epoch_length = None
    source = DataSource.from_config(recipe.data)
    if source.is_named:
        recipe, layout = fit_to_pairs(recipe, source.load(recipe.data_kind(), download=False), overrides)
        epoch_length = layout.count()
    cost = benchmark_step(recipe, epoch_length, values["timed_steps"], parse_duration(values["time_limit"]))
    if values["json"]:
        print_json(cost.to_json())
    else:
        stdout.print("\n".join(_report(method, cost)))


def _report(method: str, cost: "StepCost") -> list[str]:
    device = cost.device
    if device == "cpu":
        device += f", {cost.threads} {'thread' if cost.threads == 1 else 'threads'}"
    length = "unknown: add --data or --steps"
    if cost.total_hours is not None:
        length = f"{cost.total_steps} steps, {_format_hours(cost.total_hours)}"
    return [
        f"{method}, {cost.size} px, batch {cost.batch_size}, on {device}, {cost.precision}",
        f"  one step     {cost.seconds_per_step:.4g} s (median of {cost.steps}), "
        f"{cost.images_per_second:.3g} images of each domain per second",
        f"  memory       {cost.peak_memory_mb:.0f} MB at the peak",
        f"  arithmetic   {cost.tflop_per_step:.3g} TFLOP per step, {cost.tflops:.3g} TFLOP/s: "
        f"{cost.conv_utilisation:.0%} of the speed of one large convolution on this device",
        f"  whole run    {length}",
    ]


def _format_hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.3g} minutes"
    return f"{hours:.3g} hours" if hours < 72 else f"{hours / 24:.3g} days"


app = command_group(
    "Measure the cost of a training on this machine: time per step, memory, and duration of the whole run.",
    EXAMPLES,
    f"Takes the options of `i2i train`. Keeps no trained weights and writes no files. {COST}",
    _fixed_options,
    _bench,
    group_epilog=COST,
    no_args_is_help=False,
)
