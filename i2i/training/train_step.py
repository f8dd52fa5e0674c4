"""One training step of any method: each player in turn takes an optimizer step on its own losses."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.device import autocast
from i2i.distributed import num_ranks, rank
from i2i.methods.base import Batch, Method, Turn
from i2i.networks.batching import MicroBatch, StepState, power_iteration_buffers
from i2i.networks.checkpointing import set_checkpointing
from i2i.training.config import TrainingConfig
from i2i.training.gradient_sum import GradientSum, sum_losses
from i2i.training.optim import ChannelsLastAdam
from i2i.training.training_state import check_optimizer

logger = logging.getLogger(__name__)

_DEVICE_SETTINGS = ("lr", "fused", "capturable", "foreach")  # of an optimizer; not restored from a saved state


class TrainStep:
    """A method with one optimizer per player.

    Args:
        method: on ``device`` already.
        config: optimizer, learning rate, gradient clipping and use of memory.
        device: where the method is.
        dtype: of autocast; float32 for none.

    Attributes:
        micro_batch_size: images of each domain that are computed at one time; None for the whole batch. A step adds up
            the gradients of all parts of its batch.
    """

    def __init__(self, method: Method, config: TrainingConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.method = method
        self.config = config
        self.device = device
        self.dtype = dtype
        self.parameters = {
            player: [weight for module in modules for weight in module.parameters() if weight.requires_grad]
            for player, modules in method.players().items()
        }
        self.optimizers = {player: self._optimizer(weights) for player, weights in self.parameters.items()}
        self.micro_batch_size: int | None = config.batch_size if config.accumulate > 1 else None
        self.step_states = [module for module in method.modules() if isinstance(module, StepState)]
        self.power_iterations = power_iteration_buffers(method)
        self.gradient_sums = (
            {player: GradientSum(weights) for player, weights in self.parameters.items()} if num_ranks() > 1 else {}
        )
        if config.checkpoint_activations:
            parts = [set_checkpointing(network) for network in method.translators().values()]
            if not any(parts):
                logger.warning("--checkpoint-activations has no effect: the generators have no parts for it.")
        # Device-side counters, so that replays of a CUDA graph update them.
        self.steps_run = torch.zeros((), dtype=torch.long, device=device)
        self.skipped = torch.zeros((), dtype=torch.long, device=device)  # optimizer steps with a non-finite gradient
        self.first_skipped = torch.zeros((), dtype=torch.long, device=device)  # training step of the first; -1: none

    def _optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if not weights:  # the identity network has none, and torch refuses an empty list
            return torch.optim.SGD([nn.Parameter(torch.zeros(0))], lr=0.0)
        on_cuda = self.device.type == "cuda"
        # A tensor on the device, so that a captured step follows the schedule.
        lr: Any = torch.tensor(self.config.lr, device=self.device) if on_cuda else self.config.lr
        if self.config.optimizer == "rmsprop":
            # Without foreach, RMSprop reads the learning rate back from the device, which no graph can capture.
            return torch.optim.RMSprop(weights, lr=lr, capturable=on_cuda, foreach=on_cuda or None)
        betas = self.config.betas
        if self.device.type == "cpu":
            return ChannelsLastAdam(weights, lr=lr, betas=betas, fused=True)
        return torch.optim.Adam(weights, lr=lr, betas=betas, fused=self.device.type != "mps", capturable=on_cuda)

    def __call__(self, batch: Batch, step: int, lr: float) -> dict[str, Tensor]:
        """Run one training step.

        Args:
            batch: images (N, C, H, W) in [-1, 1], one tensor per domain, on the device; in a distributed training those
                of this rank; every rank has N.
            step: index of the step, from 0.
            lr: learning rate of every player.

        Returns: the losses that the players minimised, "player/term" → scalar. Does not wait for the device.
        """
        self.prepare(num_ranks() * len(batch[0]), lr)
        return self.run(batch, step)

    def reset_counters(self, step: int) -> None:
        """Count steps from ``step`` on, with no optimizer step skipped so far."""
        self.steps_run.fill_(step)
        self.skipped.zero_()
        self.first_skipped.fill_(-1)

    def prepare(self, count: int, lr: float) -> None:
        """Do the host's part of a step: random choices for ``count`` images of each domain, and the learning rate."""
        self.method.prepare_step(count)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                _set_lr(group, lr)

    def run(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Do the device's part of a prepared step. Does not wait for the device."""
        parts = list(zip(*(images.split(self.micro_batch_size or len(images)) for images in batch), strict=True))
        self.method.recompute_generators = len(parts) > 1
        turns = [self.method.turns(part, step) for part in parts]
        sizes = [len(part[0]) for part in parts]
        step_losses: dict[str, Tensor] = {}
        while losses := self._run_turn(turns, sizes):
            step_losses |= losses
        self.steps_run += 1
        return step_losses

    def _run_turn(self, turns: list[Iterator[Turn]], sizes: list[int]) -> dict[str, Tensor]:
        """Run the next turn of a step, and return its losses, or none after the last turn.

        Args:
            turns: the remaining turns of each part of the batch.
            sizes: images of each domain in each part.
        """
        own_total = sum(sizes)
        total = num_ranks() * own_total
        power_iterations = [buffer.clone() for buffer in self.power_iterations] if len(sizes) > 1 else []
        sums: dict[str, Tensor] = {}
        player = ""
        for index, size in enumerate(sizes):
            start = rank() * own_total + sum(sizes[:index]) if num_ranks() > 1 else sum(sizes[:index])
            part = MicroBatch(start, size, total, is_last=index == len(sizes) - 1)
            self._start_part(part, power_iterations if index else [])
            # Autocast ends before the optimizer step: the next turn must not use autocast's cached, older weights, and
            # the second derivative of a penalty is computed in the precision of its first.
            with autocast(self.device, self.dtype):
                turn = next(turns[index], None)
            if turn is None:
                continue
            player, losses = turn
            if size < total:  # the loss of the whole batch is the mean over its images
                losses = {name: loss * (size / total) for name, loss in losses.items()}
            if self.parameters[player]:
                if index == 0:
                    self.optimizers[player].zero_grad(set_to_none=True)
                if part.is_last and self.gradient_sums:
                    self.gradient_sums[player].start()
                # Compute the gradient of the player's weights only.
                _sum(losses).backward(inputs=self.parameters[player])
            for name, loss in losses.items():
                sums[name] = sums[name] + loss.detach() if name in sums else loss.detach()
        if sums and self.gradient_sums:
            self.gradient_sums[player].finish()
            sums = sum_losses(sums)
        if sums and self.parameters[player]:
            self._optimizer_step(player, _sum(sums))
        return sums

    def _start_part(self, part: MicroBatch, power_iterations: list[Tensor]) -> None:
        """Tell the method which part of the batch comes next, and restore the vectors of spectral norm."""
        for module in self.step_states:
            module.micro_batch = part
        with torch.no_grad():
            for buffer, before in zip(self.power_iterations, power_iterations, strict=False):
                buffer.copy_(before)

    def _optimizer_step(self, player: str, loss: Tensor) -> None:
        """Update a player's weights by their gradients; not, on the device, if loss or gradient is not finite."""
        optimizer = self.optimizers[player]
        weights = self.parameters[player]
        gradients = [weight.grad for weight in weights if weight.grad is not None]

        # Count the step as skipped if anything is not finite.
        norm = nn.utils.get_total_norm(gradients)
        nonfinite = ~(norm + loss).isfinite()
        self.first_skipped.copy_(torch.where(nonfinite & (self.skipped == 0), self.steps_run, self.first_skipped))
        self.skipped += nonfinite

        # Clip the gradient.
        if self.config.grad_clip:
            nn.utils.clip_grads_with_norm_(weights, self.config.grad_clip, norm)

        # Update the weights.
        if optimizer.defaults.get("fused"):
            optimizer.found_inf = nonfinite.float()  # type: ignore[attr-defined]  # the fused kernels check it
        elif isinstance(optimizer, torch.optim.RMSprop):  # without momentum, a gradient of 0 changes no weight
            for gradient in gradients:
                gradient.copy_(torch.where(nonfinite, 0.0, gradient))
        elif nonfinite:
            return
        optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the optimizers by player."""
        return {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the optimizers from ``state_dict``, also from another device.

        Raises KeyError or ValueError if the state is of another method.
        """
        for player, optimizer in self.optimizers.items():
            saved = state[player]
            device_settings = [
                {name: group[name] for name in _DEVICE_SETTINGS if name in group} for group in optimizer.param_groups
            ]
            groups = [
                {**group, **settings} for group, settings in zip(saved["param_groups"], device_settings, strict=True)
            ]
            optimizer.load_state_dict({**saved, "param_groups": groups})
            for group, settings, before in zip(
                optimizer.param_groups, device_settings, saved["param_groups"], strict=True
            ):
                group.update(settings)  # torch has copied the tensors; graphs need the originals
                _set_lr(group, float(before["lr"]))
            check_optimizer(optimizer, player)


def _set_lr(group: dict[str, Any], lr: float) -> None:
    """Set the learning rate of a parameter group, in place where it is a tensor, which a CUDA graph reads."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def _sum(losses: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()
