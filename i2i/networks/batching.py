"""Layers and functions that depend on the batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import is_parametrized

from i2i.distributed import mean_over_ranks, num_ranks, own_rows
from i2i.networks.precision import at_least_float32


class MicroBatch(NamedTuple):
    """The part of a training step's batch that is computed at one time.

    In a distributed training, the batch is that of all ranks, and each rank computes one part at the same time.
    """

    start: int  # index of its first image in the batch
    size: int  # images of each domain in the part
    total: int  # images of each domain in the batch
    is_last: bool  # whether it is the last part of this rank


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` whose random numbers in a distributed training are those of one process for all ranks."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or num_ranks() == 1:
            return super().forward(x)
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format

        def factors(rows: int) -> Tensor:
            ones = torch.ones((rows, *x.shape[1:]), dtype=x.dtype, device=x.device)
            return F.dropout(ones.contiguous(memory_format=layout) if x.dim() == 4 else ones, self.p)

        return x * own_rows(factors, len(x))


class StepState(nn.Module):
    """A module whose state advances once in a training step, whether or not its batch is split.

    Attributes:
        micro_batch: the part of the batch that the module is called with; None for the whole batch.
    """

    micro_batch: MicroBatch | None = None


def batched_forward(network: Callable[[Tensor], Any], *batches: Tensor) -> list[Any]:
    """Return ``network(x)`` for each of ``batches``, computed in one pass where the results are the same.

    One large pass is faster than several small ones. The results are the same where no layer of the network mixes the
    images of a batch, draws random numbers or changes with every pass.

    Args:
        network: returns a tensor, or a tuple of tensors, of N rows.
        batches: (N, C, H, W) each; N may differ.

    Returns: for each batch what ``network`` returns.
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


def batch_statistics(network: nn.Module) -> list[str]:
    """Return the names of the layers, if any, by which the output for an image depends on its batch in training."""
    kinds = {"batch norm": nn.BatchNorm2d, "minibatch std": MinibatchStd}
    return [name for name, kind in kinds.items() if any(isinstance(module, kind) for module in network.modules())]


def power_iteration_buffers(network: nn.Module) -> list[Tensor]:
    """Return the buffers of spectral norm, which every pass in training changes, independently of the batch."""
    layers = [module for module in network.modules() if isinstance(module, _SpectralNorm)]
    return [buffer for layer in layers for buffer in layer.buffers()]


class MinibatchStd(nn.Module):
    """Append one constant channel: how much the features of the batch differ (Karras et al. 2018, section 3).

    Its value is the standard deviation over the batch, of all ranks, averaged over channels and positions. Takes
    (N, C, H, W), returns (N, C + 1, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        values = at_least_float32(x)
        if num_ranks() > 1:
            variance = mean_over_ranks((values - mean_over_ranks(values.mean(0))).square().mean(0))
        else:
            variance = values.var(0, correction=0)
        std = (variance + 1e-8).sqrt().mean()
        return torch.cat([x, std.to(x.dtype).expand(len(x), 1, *x.shape[2:])], 1)
