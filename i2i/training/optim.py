"""Adam for channels-last weights on a CPU."""

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class ChannelsLastAdam(torch.optim.Adam):
    """``torch.optim.Adam(fused=True)`` for weights that are channels-last in memory.

    The fused CPU kernel (torch 2.15) reads weight, gradient and moments linearly. If the strides of the gradient differ
    from those of the weight, it silently pairs each weight with the gradient of another one. If both are channels-last,
    it copies them first and takes five times as long. This class copies each tensor to the strides of its weight and
    passes contiguous views to the kernel.

    torch wraps some methods of optimizers so that its compiler does not trace them. Importing the compiler for the
    wrapper takes seconds at the start of a training, so this class has the methods without it.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights that have gradients; no weight if ``found_inf`` is 1. ``closure`` is ignored."""
        for group in self.param_groups:
            weights: list[Tensor] = []
            gradients: list[Tensor] = []
            exp_avgs: list[Tensor] = []
            exp_avg_sqs: list[Tensor] = []
            steps: list[Tensor] = []
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self._state_of(weight)
                weights.append(_as_contiguous_view(weight))
                gradients.append(_as_contiguous_view(_with_strides_of(weight, weight.grad)))
                exp_avgs.append(_as_contiguous_view(state["exp_avg"]))
                exp_avg_sqs.append(_as_contiguous_view(state["exp_avg_sq"]))
                steps.append(state["step"])
            beta1, beta2 = group["betas"]
            adam(
                weights, gradients, exp_avgs, exp_avg_sqs, [], steps,
                fused=True, found_inf=getattr(self, "found_inf", None), has_complex=False, amsgrad=False,
                beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
                maximize=False, decoupled_weight_decay=group["decoupled_weight_decay"],
            )  # fmt: skip

    def _state_of(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the state of a weight, as ``torch.optim.Adam(fused=True)`` has it, with the strides of the weight."""
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        for name in ("exp_avg", "exp_avg_sq"):  # a state from a file may have other strides
            state[name] = _with_strides_of(weight, state[name])
        return state


def _with_strides_of(weight: Tensor, x: Tensor) -> Tensor:
    return x if x.stride() == weight.stride() else torch.empty_like(weight).copy_(x)


def _as_contiguous_view(x: Tensor) -> Tensor:
    """Return a view of a channels-last tensor's memory that is contiguous; any other tensor unchanged."""
    channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if channels_last else x
