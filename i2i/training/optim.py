"""Adam for channels-last weights on a CPU."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


def _without_dynamo_wrapper(name: str) -> Callable[..., Any]:
    """Return a method of ``torch.optim.Optimizer`` without its dynamo wrapper.

    Importing torch's compiler for the wrapper takes seconds at the start of a training.
    """
    method = getattr(torch.optim.Optimizer, name)
    return getattr(method, "__wrapped__", method)


class ChannelsLastAdam(torch.optim.Adam):
    """``torch.optim.Adam(fused=True)`` for weights that are channels-last in memory.

    The fused CPU kernel (torch 2.15) reads weight, gradient and moments linearly. If the strides of the gradient differ
    from those of the weight, it silently pairs each weight with the gradient of another one. If both are channels-last,
    it copies them first and takes five times as long. This class copies each tensor to the strides of its weight and
    passes contiguous views to the kernel.
    """

    add_param_group = _without_dynamo_wrapper("add_param_group")
    zero_grad = _without_dynamo_wrapper("zero_grad")
    state_dict = _without_dynamo_wrapper("state_dict")
    load_state_dict = _without_dynamo_wrapper("load_state_dict")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights that have gradients; no weight if ``found_inf`` is 1. ``closure`` is ignored."""
        for group in self.param_groups:
            lists: list[list[Tensor]] = [[] for _ in range(6)]
            has_complex = self._init_group(group, *lists)
            weights, gradients, *moments = lists[:4]
            for index, weight in enumerate(weights):
                gradients[index] = _with_strides_of(weight, gradients[index])
                for name, moment in zip(("exp_avg", "exp_avg_sq"), moments, strict=True):
                    moment[index] = self.state[weight][name] = _with_strides_of(weight, moment[index])
            beta1, beta2 = group["betas"]
            weights, gradients, exp_avgs, exp_avg_sqs = (list(map(_as_contiguous_view, x)) for x in lists[:4])
            adam(
                weights, gradients, exp_avgs, exp_avg_sqs, lists[4], lists[5],
                fused=True, found_inf=getattr(self, "found_inf", None), has_complex=has_complex, amsgrad=False,
                beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
                maximize=False, decoupled_weight_decay=group["decoupled_weight_decay"],
            )  # fmt: skip


def _with_strides_of(weight: Tensor, x: Tensor) -> Tensor:
    return x if x.stride() == weight.stride() else torch.empty_like(weight).copy_(x)


def _as_contiguous_view(x: Tensor) -> Tensor:
    """Return a view of a channels-last tensor's memory that is contiguous; any other tensor unchanged."""
    channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if channels_last else x
