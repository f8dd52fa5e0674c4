"""Spots under instance norm: a few locations of a feature map that hold most of the variance the norm divides by.

A generator can make one small region of a feature map very strong. That region then determines the variance, and the
norm weakens the rest of the image. StyleGAN2 (Karras et al. 2020, section 3) calls the results droplets.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from i2i.networks.instance_norm import InstanceNorm

STRONGEST = 100  # one location in so many counts as a part of the spot
MIN_LOCATIONS = 10 * STRONGEST  # of smaller maps, a healthy one has a few strong locations


def spot_share(x: Tensor) -> Tensor:
    """Return the share of the variance, summed over the channels, that the strongest 1 % of the locations hold.

    For Gaussian noise it is 0.08 with one channel, and nearly 0.01 with very many.

    Args:
        x: the input of a norm, (N, C, H, W) with at least ``STRONGEST`` locations.

    Returns: a scalar in float32, the mean over the images; NaN for uniform maps.
    """
    wide = x.float()
    energy = (wide - wide.mean((2, 3), keepdim=True)).square().sum(1).flatten(1)
    strongest = energy.topk(energy.shape[1] // STRONGEST).values
    return (strongest.sum(1) / energy.sum(1)).mean()


@contextmanager
def record_spot_shares(network: nn.Module) -> Iterator[Mapping[str, list[Tensor]]]:
    """Record, in each forward pass of the context, the ``spot_share`` of every instance norm, by its name.

    Maps of fewer than ``MIN_LOCATIONS`` locations are left out.
    """
    shares: dict[str, list[Tensor]] = defaultdict(list)

    def record(name: str, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs[0].shape[2:].numel() >= MIN_LOCATIONS:
            shares[name].append(spot_share(inputs[0].detach()))

    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, InstanceNorm)]
    hooks = [module.register_forward_pre_hook(partial(record, name)) for name, module in norms]
    try:
        yield shares
    finally:
        for hook in hooks:
            hook.remove()


def highest_spot_share(shares: Mapping[str, list[Tensor]]) -> float | None:
    """Return the highest of the norms' means over the forward passes; None if nothing was recorded. Synchronises."""
    if not shares:
        return None
    means = torch.stack([torch.stack(values).mean() for values in shares.values()])
    return means.nan_to_num(0).amax().item()
