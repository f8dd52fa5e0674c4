"""Schedules: of the learning rate, and of the actions between training steps."""

import math

from i2i.training.config import TrainingConfig


def lr_factor(config: TrainingConfig, step: int, epoch_length: int, fraction_used: float | None = None) -> float:
    """Return the factor on the learning rate: linear warm-up times the schedule.

    Args:
        config: warm-up, schedule and length of the training.
        step: index of the step, from 0.
        epoch_length: samples in an epoch.
        fraction_used: fraction of ``config.max_hours`` that is used, from 0 to 1; None if the length is not in hours.

    Returns: from 0 to 1.
    """
    warmup = min(1.0, (step + 1) / (config.warmup + 1))
    if fraction_used is not None:
        position = fraction_used
        length = 1.0
    elif config.steps:
        position = float(step)
        length = float(config.steps)
    else:
        position = float(step * config.images_per_step // epoch_length)
        length = config.epochs
    if config.schedule == "constant":
        return warmup
    if config.schedule == "cosine":
        return warmup * cosine(position, length)
    if fraction_used is not None:
        return warmup * linear_by_clock(fraction_used, config.decay_fraction)
    return warmup * linear(position, length, length * config.decay_fraction)


def cosine(position: float, length: float) -> float:
    """½ (1 + cos(π · position / length)) (Loshchilov & Hutter 2017, eq. 5, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, position / length)))


def linear(position: float, length: float, decay_length: float) -> float:
    """1 − max(0, n + 1 − constant) / (decaying + 1), as in the reference implementations of CycleGAN and pix2pix.

    Args:
        position: n, in whole epochs, or in steps if the length of the training is given in steps.
        length: of the training, in the same unit.
        decay_length: how long it decays at the end, in the same unit; it is constant before.
    """
    return max(0.0, 1 - max(0.0, position + 1 - (length - decay_length)) / (decay_length + 1))


def linear_by_clock(fraction_used: float, decay_fraction: float) -> float:
    """1, then falling linearly to 0 over the last ``decay_fraction`` of the time."""
    return min(1.0, (1 - fraction_used) / decay_fraction) if decay_fraction else 1.0


def is_due(step: int, interval: int) -> bool:
    """Return whether an action with this interval is due after ``step`` steps; never for an interval of 0."""
    return interval > 0 and step % interval == 0
