"""Adding up gradients over the ranks of a distributed training, while the backward pass goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn

from i2i.distributed import finish, start_gradient_sum, sum_over_ranks

BUCKET_BYTES = 25_000_000  # exchanged at one time: large enough for the bandwidth, small enough to start early


@dataclass
class _Bucket:
    """Weights whose gradients are exchanged together."""

    weights: list[nn.Parameter]
    num_ready: int = 0
    buffer: Tensor | None = None
    work: dist.Work | None = None
    summed: list[nn.Parameter] = field(default_factory=list)  # those that have gradients


class GradientSum:
    """Adds up the gradients of some weights over all ranks.

    The weights are divided into buckets, those of the last layers first, as their gradients are complete first. A
    bucket is exchanged as soon as all its gradients are complete. Buckets are exchanged in the same order on all ranks.

    Attributes:
        num_bytes: bytes that this rank has handed over for exchange.
    """

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self._buckets = _divide(weights)
        self._bucket_of = {weight: bucket for bucket in self._buckets for weight in bucket.weights}
        self._is_armed = False
        self._next = 0  # index of the bucket to exchange next
        self.num_bytes = 0
        for weight in weights:
            weight.register_post_accumulate_grad_hook(self._on_gradient)

    def start(self) -> None:
        """Exchange gradients from now on, as the backward pass completes them: it is the last one of this turn."""
        self._is_armed = True
        self._next = 0
        for bucket in self._buckets:
            bucket.num_ready, bucket.buffer, bucket.work = 0, None, None

    def _on_gradient(self, weight: Tensor) -> None:
        if not self._is_armed:
            return
        assert isinstance(weight, nn.Parameter)
        self._bucket_of[weight].num_ready += 1
        while self._next < len(self._buckets) and self._is_complete(self._buckets[self._next]):
            self._exchange(self._buckets[self._next])

    def _is_complete(self, bucket: _Bucket) -> bool:
        return bucket.num_ready == len(bucket.weights)

    def _exchange(self, bucket: _Bucket) -> None:
        self._next += 1
        bucket.summed = [weight for weight in bucket.weights if weight.grad is not None]
        if not bucket.summed:
            return
        gradients = [weight.grad for weight in bucket.summed if weight.grad is not None]
        bucket.buffer = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self.num_bytes += bucket.buffer.nbytes
        bucket.work = start_gradient_sum(bucket.buffer)

    def finish(self) -> None:
        """Exchange what is left, wait, and write the sums to the gradients. Weights without a gradient stay without."""
        self._is_armed = False
        while self._next < len(self._buckets):
            self._exchange(self._buckets[self._next])
        for bucket in self._buckets:
            if bucket.work is None or bucket.buffer is None:
                continue
            finish(bucket.work)
            start = 0
            for weight in bucket.summed:
                assert weight.grad is not None
                end = start + weight.grad.numel()
                weight.grad.copy_(bucket.buffer[start:end].view(weight.grad.shape))
                start = end
            bucket.buffer = bucket.work = None


def _divide(weights: Sequence[nn.Parameter]) -> list[_Bucket]:
    """Divide weights of one dtype and device into buckets, the last weights first."""
    buckets: list[_Bucket] = []
    kind, size = None, 0
    for weight in reversed(weights):
        if kind != (weight.dtype, weight.device) or size + weight.nbytes > BUCKET_BYTES:
            buckets.append(_Bucket([]))
            kind, size = (weight.dtype, weight.device), 0
        buckets[-1].weights.append(weight)
        size += weight.nbytes
    return buckets


def sum_losses(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the sums of losses over all ranks."""
    if not losses:
        return losses
    total = sum_over_ranks(torch.stack(list(losses.values())))
    return dict(zip(losses, total.unbind(), strict=True))
