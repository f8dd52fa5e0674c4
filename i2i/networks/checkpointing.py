"""Activation checkpointing: keep the input of a part of a network, and compute the rest again in the backward pass.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost". The gradients are the same, bit for bit: the second
pass starts with the same random state and the same buffers, and leaves both as they were.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class CheckpointedSequential(nn.Sequential):
    """``nn.Sequential`` that can keep its input only, see ``set_checkpointing``.

    Attributes:
        checkpointing: whether the activations are computed again in the backward pass of a training.
    """

    checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return recompute(self, super().forward, x)
        return super().forward(x)


def set_checkpointing(network: nn.Module) -> int:
    """Switch activation checkpointing on. Return the number of parts that are computed again."""
    parts = [module for module in network.modules() if isinstance(module, CheckpointedSequential) and len(module)]
    for part in parts:
        part.checkpointing = True
    return len(parts)


def recompute(network: nn.Module, function: Callable[..., Any], *inputs: Any) -> Any:
    """Return ``function(*inputs)``, which is computed again in the backward pass.

    Args:
        network: contains all layers that ``function`` calls.
        function: a pass through ``network`` or a part of it.
        inputs: arguments of ``function``.
    """
    buffers = _Buffers(network)
    return checkpoint(
        function, *inputs, use_reentrant=False, preserve_rng_state=draws_random_numbers(network),
        context_fn=buffers.contexts,
    )  # fmt: skip


def draws_random_numbers(network: nn.Module) -> bool:
    """Return whether the network draws random numbers in training."""
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in network.modules())


class _Buffers:
    """The buffers of a network before a pass: running statistics and the vectors of spectral norm."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.before: list[tuple[nn.Module, str, Tensor]] = []
        if network.training:
            with torch.no_grad():
                self.before = [
                    (module, name, buffer.clone())
                    for module in network.modules()
                    for name, buffer in module._buffers.items()
                    if buffer is not None
                ]

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """Return the contexts of the first pass and of its repetition."""
        return nullcontext(), self._replaced() if self.before else nullcontext()

    @contextmanager
    def _replaced(self) -> Iterator[None]:
        """Replace the buffers by those before the first pass. The present tensors return unchanged."""
        present = [module._buffers[name] for module, name, _ in self.before]
        for module, name, buffer in self.before:
            module._buffers[name] = buffer
        try:
            yield
        finally:
            for (module, name, _), original in zip(self.before, present, strict=True):
                module._buffers[name] = original
