"""Training steps as the trainer makes them, without the trainer."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from i2i.methods.base import Method, Turn


def random_batch(count: int, size: int, domains: int = 2, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Return ``count`` random images (3, size, size) in [-1, 1] of each domain."""
    return tuple(torch.rand(count, 3, size, size, dtype=dtype) * 2 - 1 for _ in range(domains))


def trainable(*modules: nn.Module) -> list[nn.Parameter]:
    return [weight for module in modules for weight in module.parameters() if weight.requires_grad]


def gradient_step(weights: Iterable[nn.Parameter], loss: Tensor, lr: float) -> None:
    """Make one step of gradient descent."""
    weights = [weight for weight in weights if weight.requires_grad]
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= lr * gradient


def run_step(method: Method, batch: tuple[Tensor, ...], step: int = 0, lr: float = 0.01) -> list[Turn]:
    """Run one training step with plain gradient descent, and return its turns."""
    turns = []
    method.prepare_step(len(batch[0]))
    for player, losses in method.turns(batch, step):
        weights = trainable(*method.players()[player])
        optimizer = torch.optim.SGD(weights, lr)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        optimizer.step()
        turns.append((player, losses))
    return turns


def merge_losses(turns: Iterable[Turn]) -> dict[str, Tensor]:
    """Return the losses of all turns of a step."""
    return {name: value for _, losses in turns for name, value in losses.items()}
