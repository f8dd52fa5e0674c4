"""Layers and functions that depend on the batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


def batched_forward(network: Callable[[Tensor], Any], *batches: Tensor) -> list[Any]:
    """Return ``network(x)`` for each of ``batches``, computed in one pass where the results are the same.

    One large pass is faster than several small ones. The results are the same where no layer of the network mixes the
    images of a batch, draws random numbers or changes with every pass.

    Args:
        network: returns a tensor, or a tuple of tensors, of N rows.
        batches: (N, C, H, W) each; N may differ.
    """
    if not isinstance(network, nn.Module) or depends_on_batch(network):
        return [network(x) for x in batches]
    output = network(torch.cat(batches))
    sizes = [len(x) for x in batches]
    if isinstance(output, Tensor):
        return list(output.split(sizes))
    return list(zip(*(part.split(sizes) for part in output), strict=True))


def depends_on_batch(network: nn.Module) -> bool:
    """Return whether the output for an image depends on the other images of its batch, or on the pass."""
    return any(_depends_on_batch(module) for module in network.modules())


def _depends_on_batch(module: nn.Module) -> bool:
    is_random = isinstance(module, nn.Dropout) and module.p > 0
    mixes_images = isinstance(module, nn.BatchNorm2d | MinibatchStd)
    return module.training and (is_random or mixes_images or is_parametrized(module))


class MinibatchStd(nn.Module):
    """Append one constant channel: how much the features of the batch differ (Karras et al. 2018, section 3).

    Its value is the standard deviation over the batch, averaged over channels and positions. Takes (N, C, H, W),
    returns (N, C + 1, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        std = (x.float().var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([x, std.to(x.dtype).expand(len(x), 1, *x.shape[2:])], 1)
