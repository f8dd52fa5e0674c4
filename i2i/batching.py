"""Fewer, bigger passes over a network."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


def together(network: Callable[[Tensor], Tensor], *pictures: Tensor) -> list[Tensor]:
    """``network`` on each of ``pictures`` (N, C, H, W), in one pass over them all where that is the same.

    It is where no layer looks across the batch, draws at random or changes with every pass; then one bigger pass is
    faster than several small ones.
    """
    if not isinstance(network, nn.Module) or any(_minds_company(module) for module in network.modules()):
        return [network(x) for x in pictures]
    return list(network(torch.cat(pictures)).split([len(x) for x in pictures]))


def _minds_company(module: nn.Module) -> bool:
    drawing = isinstance(module, nn.Dropout) and module.p > 0
    return module.training and (drawing or isinstance(module, nn.BatchNorm2d) or is_parametrized(module))
