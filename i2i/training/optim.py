"""Adam for a CPU, whatever order the weights have in memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


def _uncompiled(name: str) -> Callable[..., Any]:
    """A method of every optimiser without its mark for torch's compiler, for whose sake it would load the compiler."""
    method = getattr(torch.optim.Optimizer, name)
    return getattr(method, "__wrapped__", method)


class MemoryOrderAdam(torch.optim.Adam):
    """``torch.optim.Adam(fused=True)`` for weights that are channels-last in memory.

    The fused kernel of a CPU (torch 2.15) goes through weight, gradient and moments in one run of memory. Where the
    gradient's order is not the weight's, it moves each weight by another's gradient, without a word; where both are
    channels-last, it first copies them, and takes five times as long. Here every tensor is brought to the weight's
    order and handed over as memory has it.
    """

    # Nothing here loads torch's compiler: seconds at the start of a training.
    add_param_group, zero_grad, state_dict, load_state_dict = map(
        _uncompiled, ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move the weights that have gradients; none where ``found_inf`` is 1. Takes no closure."""
        for group in self.param_groups:
            lists: list[list[Tensor]] = [[] for _ in range(6)]
            has_complex = self._init_group(group, *lists)
            weights, gradients, *moments = lists[:4]
            for place, weight in enumerate(weights):
                gradients[place] = _aligned(gradients[place], weight)
                for name, moment in zip(("exp_avg", "exp_avg_sq"), moments, strict=True):
                    moment[place] = self.state[weight][name] = _aligned(moment[place], weight)
            beta1, beta2 = group["betas"]
            weights, gradients, means, squares = (list(map(_as_it_lies, tensors)) for tensors in lists[:4])
            adam(
                weights, gradients, means, squares, lists[4], lists[5],
                fused=True, found_inf=getattr(self, "found_inf", None), has_complex=has_complex, amsgrad=False,
                beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
                maximize=False, decoupled_weight_decay=group["decoupled_weight_decay"],
            )  # fmt: skip


def _aligned(x: Tensor, like: Tensor) -> Tensor:
    return x if x.stride() == like.stride() else torch.empty_like(like).copy_(x)


def _as_it_lies(x: Tensor) -> Tensor:
    """The same memory, seen as contiguous."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if last else x
