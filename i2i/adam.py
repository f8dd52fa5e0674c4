"""Adam for a CPU, whatever order the weights have in memory."""

from typing import Any

import torch
from torch import Tensor


class MemoryOrderAdam(torch.optim.Adam):
    """``torch.optim.Adam(fused=True)`` for weights that are channels-last in memory.

    The fused kernel of a CPU (torch 2.15) goes through weight, gradient and moments in one run of memory. Where the
    gradient's order is not the weight's, it moves each weight by another's gradient, without a word; where both are
    channels-last, it first copies them, and takes five times as long. Here every tensor is brought to the weight's
    order and handed over as memory has it.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
        """Collects weights, gradients, first and second moments (and more) of a group in ``lists``."""
        found = super()._init_group(group, *lists)
        weights, gradients, *moments = lists[:4]
        for place, weight in enumerate(weights):
            gradients[place] = _aligned(gradients[place], weight)
            for name, moment in zip(("exp_avg", "exp_avg_sq"), moments, strict=True):
                moment[place] = self.state[weight][name] = _aligned(moment[place], weight)
        for tensors in lists[:4]:
            tensors[:] = map(_as_it_lies, tensors)
        return found


def _aligned(x: Tensor, like: Tensor) -> Tensor:
    return x if x.stride() == like.stride() else torch.empty_like(like).copy_(x)


def _as_it_lies(x: Tensor) -> Tensor:
    """The same memory, seen as contiguous."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if last else x
