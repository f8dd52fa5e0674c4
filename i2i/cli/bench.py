"""`i2i bench`."""

from typing import Any

import typer

from i2i.cli.console import print_json, say, stdout
from i2i.cli.method_commands import Fixed, group, recipe_option

EXAMPLES = {
    "cyclegan": ["i2i bench cyclegan", "i2i bench cyclegan --data horse2zebra --size 128 --blocks 6 --epochs 50"],
    "cut": ["i2i bench cut --recipe fastcut", "i2i bench cut --data horse2zebra --size 128 --nce-layers 0,4,8,12"],
    "pix2pix": ["i2i bench pix2pix --data facades --batch-size 4"],
    "gan": ["i2i bench gan --size 128 --batch-size 64"],
}


def _fixed(objective: str) -> Fixed:
    return (
        recipe_option(objective),
        ("rounds", int, typer.Option(10, min=1, help="training steps to time")),
        ("json", bool, typer.Option(False, "--json", help="print as JSON")),
    )


def _bench(objective: str, changes: dict[str, Any], given: dict[str, Any]) -> None:
    from i2i.data.layout import HINT, layout, locate
    from i2i.errors import DatasetError
    from i2i.recipes import recipe
    from i2i.recipes.benchmark import bench

    plan = recipe(objective, given["recipe"]).merged(changes)
    length = None
    if name := plan.data.data:
        folder = locate(name)
        if folder is None:
            raise DatasetError(f"No dataset {name!r} here. {HINT}")
        length = layout(folder).count()
    cost = bench(plan, length, given["rounds"], say)
    if given["json"]:
        print_json(cost.to_json())
        return
    threads = f", {cost.threads} thread{'s'[: cost.threads > 1]}" if cost.device == "cpu" else ""
    stdout.print(f"{objective}, {cost.size} px, batch {cost.batch_size}, on {cost.device}{threads}, {cost.precision}")
    stdout.print(f"  one step     {cost.seconds_per_step:.4g} s (median of {cost.steps}), "
                 f"{cost.pictures_per_second:.3g} pictures of each domain a second")  # fmt: skip
    stdout.print(f"  memory       {cost.peak_memory_mb:.0f} MB at the peak")
    stdout.print(f"  arithmetic   {cost.tflop_per_step:.3g} TFLOP a step, {cost.tflops:.3g} TFLOP/s: "
                 f"{cost.share_of_conv:.0%} of what a large convolution reaches here")  # fmt: skip
    if cost.total_hours is None:
        stdout.print("  whole run    --data or --steps says how long it is")
    else:
        stdout.print(f"  whole run    {cost.total_steps} steps, {_spoken(cost.total_hours)}")


def _spoken(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.3g} minutes"
    return f"{hours:.3g} hours" if hours < 72 else f"{hours / 24:.3g} days"


app = group(
    "Measure what a training will cost on this machine: speed, memory, time of the whole run.",
    EXAMPLES,
    "Takes the flags of `i2i train`; nothing is trained for good and nothing is written.",
    _fixed,
    _bench,
    needs_flags=False,
)
