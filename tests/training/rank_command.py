"""The `i2i` command of one rank, for ``test_ranks``: python -m tests.training.rank_command [--die-at STEP] ARGS."""

import os
import sys
from typing import Any

from i2i.cli import main
from i2i.training.train_step import TrainStep


def die_at(step: int) -> None:
    """End this process without notice when it runs a step, between the turns of its players."""
    optimizer_step = TrainStep._optimizer_step

    def die_or_step(self: TrainStep, *args: Any) -> None:
        if int(self.steps_run) == step:
            os._exit(9)
        optimizer_step(self, *args)

    TrainStep._optimizer_step = die_or_step  # type: ignore[method-assign]


if __name__ == "__main__":
    if sys.argv[1] == "--die-at":
        die_at(int(sys.argv[2]))
        del sys.argv[1:3]
    main()
