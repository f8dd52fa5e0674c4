"""Fewer, bigger passes over a network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


def together(network: Callable[[Tensor], Any], *pictures: Tensor) -> list[Any]:
    """``network`` on each of ``pictures`` (N, C, H, W), in one pass over them all where that is the same.

    It is where no layer looks across the batch, draws at random or changes with every pass; then one bigger pass is
    faster than several small ones. The network returns a tensor, or a tuple of tensors, of N rows.
    """
    if not isinstance(network, nn.Module) or minds_company(network):
        return [network(x) for x in pictures]
    whole, sizes = network(torch.cat(pictures)), [len(x) for x in pictures]
    if isinstance(whole, Tensor):
        return list(whole.split(sizes))
    return list(zip(*(part.split(sizes) for part in whole), strict=True))


def minds_company(network: nn.Module) -> bool:
    """Whether a picture's way through ``network`` depends on the others of its batch, or on the pass."""
    return any(_minds_company(module) for module in network.modules())


def _minds_company(module: nn.Module) -> bool:
    drawing = isinstance(module, nn.Dropout) and module.p > 0
    return module.training and (drawing or isinstance(module, nn.BatchNorm2d | MinibatchStd) or is_parametrized(module))


class MinibatchStd(nn.Module):
    """One more channel, the same everywhere: how much the maps of the batch differ (Karras et al. 2018, section 3).

    The standard deviation of each place over the batch, and of these the mean. (N, C, H, W) to (N, C + 1, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        differs = (x.float().var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([x, differs.to(x.dtype).expand(len(x), 1, *x.shape[2:])], 1)
