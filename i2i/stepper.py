"""One training step of any objective: each player in its turn moves down its own losses."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.device import autocast
from i2i.objectives.base import Batch, Objective
from i2i.training_config import TrainingConfig


class Stepper:
    """An objective with an optimiser for each of its players."""

    def __init__(self, objective: Objective, config: TrainingConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.objective, self.config, self.device, self.dtype = objective, config, device, dtype
        self.parameters = {
            player: [weight for module in modules for weight in module.parameters()]
            for player, modules in objective.players().items()
        }
        self.optimizers = {player: self._optimizer(weights) for player, weights in self.parameters.items()}

    def _optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if not weights:  # the identity network has none, and torch refuses an empty list
            return torch.optim.SGD([nn.Parameter(torch.zeros(0))], lr=0.0)
        if self.config.optimizer == "rmsprop":
            return torch.optim.RMSprop(weights, lr=self.config.lr)
        return torch.optim.Adam(weights, lr=self.config.lr, betas=self.config.betas, fused=self.device.type != "mps")

    def __call__(self, batch: Batch, step: int, lr: float) -> dict[str, Tensor]:
        """Play the turns of a step. Returns the losses that the players moved down, not waited for.

        batch: pictures (N, 3, H, W) in [-1, 1], a domain each, on the device.
        """
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = lr
        turns, played = self.objective.turns(batch, step), dict[str, Tensor]()
        while True:
            # Autocast ends before the player moves: the next turn must not meet its cached, older weights, and a
            # penalty's second derivative is computed in the precision of its first.
            with autocast(self.device, self.dtype):
                turn = next(turns, None)
            if turn is None:
                return played
            player, losses = turn
            if self.parameters[player]:
                self.optimizers[player].zero_grad(set_to_none=True)
                torch.stack(list(losses.values())).sum().backward(inputs=self.parameters[player])
                self.optimizers[player].step()
            played |= {name: loss.detach() for name, loss in losses.items()}

    def state(self) -> dict[str, Any]:
        """The optimisers' states by player."""
        return {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave. Raises KeyError or ValueError where it is of another objective."""
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[player])
