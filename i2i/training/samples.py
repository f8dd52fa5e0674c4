"""Sample grids: what the translators make of a few fixed images."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from i2i.checkpoints.log import MetricsLog
from i2i.checkpoints.run import Run, write_or_explain
from i2i.checkpoints.writing import training_goes_on
from i2i.images import encode, sample_grid
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.methods.base import Method
from i2i.networks import prepare_for_inference

MIN_SHOWN_SIZE = 128  # pixels; smaller images are enlarged in the grid


def inference_copies(method: Method, translators: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return copies of the translators in inference mode."""
    config = method.generator_config()
    return {name: prepare_for_inference(copy.deepcopy(network), config) for name, network in translators.items()}


@torch.no_grad()
def save_sample_grid(
    columns: Mapping[str, Tensor], size: int, run: Run, step: int, log: MetricsLog, formats: DomainFormats = RGB_FORMATS
) -> None:
    """Save a grid as ``samples/STEP.png`` of a run and log it. Logs a warning if it cannot be written.

    Args:
        columns: title → images (N, C, H, W) in [-1, 1].
        size: of the training, in pixels.
        run: where to save it.
        step: number of training steps that are done.
        log: receives the grid for TensorBoard.
        formats: of the domains, for the names of their channels.
    """
    scale = max(1, MIN_SHOWN_SIZE // size)
    enlarged = {title: x.repeat_interleave(scale, 2).repeat_interleave(scale, 3) for title, x in columns.items()}
    grid = sample_grid(enlarged, formats)
    with training_goes_on("A sample grid"):
        write_or_explain(run.path / "samples" / f"{step:07}.png", encode(grid, ".png"))
    log.log_image(step, np.asarray(grid))
