"""One training step of any objective: each player in its turn moves down its own losses."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.device import autocast
from i2i.methods.base import Batch, Objective
from i2i.training.config import TrainingConfig
from i2i.training.optim import MemoryOrderAdam

_OURS = ("lr", "fused", "capturable", "foreach")  # settings that belong to this device, not to a saved state


class Stepper:
    """An objective with an optimiser for each of its players."""

    def __init__(self, objective: Objective, config: TrainingConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.objective, self.config, self.device, self.dtype = objective, config, device, dtype
        self.parameters = {
            player: [weight for module in modules for weight in module.parameters() if weight.requires_grad]
            for player, modules in objective.players().items()
        }
        self.optimizers = {player: self._optimizer(weights) for player, weights in self.parameters.items()}
        # Counted on the device, where a recorded step counts too: steps played, moves not made since their gradient was
        # not finite, and the step of the first of these.
        self.played, self.refused, self.refused_at = (torch.zeros((), dtype=torch.long, device=device) for _ in "123")

    def _optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if not weights:  # the identity network has none, and torch refuses an empty list
            return torch.optim.SGD([nn.Parameter(torch.zeros(0))], lr=0.0)
        on_cuda = self.device.type == "cuda"
        # A tensor on the device, so that a recorded step sees the schedule.
        lr: Any = torch.tensor(self.config.lr, device=self.device) if on_cuda else self.config.lr
        if self.config.optimizer == "rmsprop":
            return torch.optim.RMSprop(weights, lr=lr, capturable=on_cuda)
        betas = self.config.betas
        if self.device.type == "cpu":
            return MemoryOrderAdam(weights, lr=lr, betas=betas, fused=True)
        return torch.optim.Adam(weights, lr=lr, betas=betas, fused=self.device.type != "mps", capturable=on_cuda)

    def __call__(self, batch: Batch, step: int, lr: float) -> dict[str, Tensor]:
        """Play the turns of a step. Returns the losses that the players moved down, not waited for.

        batch: pictures (N, 3, H, W) in [-1, 1], a domain each, on the device.
        """
        self.prepare(len(batch[0]), lr)
        return self.play(batch, step)

    def begin(self, step: int) -> None:
        """Count from ``step`` on, with no move refused."""
        self.played.fill_(step)
        self.refused.zero_()
        self.refused_at.fill_(-1)

    def prepare(self, count: int, lr: float) -> None:
        """What the host decides of a step with ``count`` pictures a domain."""
        self.objective.draw(count)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr

    def play(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The turns of a prepared step; all of it is work on the device, for which the host does not wait."""
        turns, played = self.objective.turns(batch, step), dict[str, Tensor]()
        while True:
            # Autocast ends before the player moves: the next turn must not meet its cached, older weights, and a
            # penalty's second derivative is computed in the precision of its first.
            with autocast(self.device, self.dtype):
                turn = next(turns, None)
            if turn is None:
                self.played += 1
                return played
            player, losses = turn
            if self.parameters[player]:
                self._move(player, torch.stack(list(losses.values())).sum())
            played |= {name: loss.detach() for name, loss in losses.items()}

    def _move(self, player: str, loss: Tensor) -> None:
        """One step of a player's optimiser; its weights stay as they are where loss or gradient is not finite."""
        optimizer, weights = self.optimizers[player], self.parameters[player]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=weights)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        bad = ~(norm + loss.detach()).isfinite()
        self.refused_at.copy_(torch.where(bad & (self.refused == 0), self.played, self.refused_at))
        self.refused += bad
        if self.config.clip_norm:
            nn.utils.clip_grads_with_norm_(weights, self.config.clip_norm, norm)
        if optimizer.defaults.get("fused"):
            optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # the fused kernels look at it themselves
        elif isinstance(optimizer, torch.optim.RMSprop):  # without momentum: a gradient of 0 moves nothing
            for gradient in gradients:
                gradient.copy_(torch.where(bad, 0.0, gradient))
        elif bad:
            return
        optimizer.step()

    def state(self) -> dict[str, Any]:
        """The optimisers' states by player."""
        return {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave, here or on another device.

        Raises KeyError or ValueError where it is of another objective.
        """
        for player, optimizer in self.optimizers.items():
            saved = state[player]
            ours = [{name: group[name] for name in _OURS if name in group} for group in optimizer.param_groups]
            groups = [{**group, **kept} for group, kept in zip(saved["param_groups"], ours, strict=True)]
            optimizer.load_state_dict({**saved, "param_groups": groups})
            for group, kept in zip(optimizer.param_groups, ours, strict=True):
                group.update(kept)  # the very tensors, which the copy made by torch are not
