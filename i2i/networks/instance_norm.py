"""Instance normalisation, with a fast and correct gradient, and a hook to change its statistics."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from i2i.distributed import mean_over_ranks, num_ranks
from i2i.networks.cuda_kernels import prefers_more_kernels
from i2i.networks.precision import at_least_float32

MIN_SIZE_BY_IMAGE = 2**16  # see _is_faster_by_image

StatisticsHook = Callable[[Tensor], Tensor]
"""Takes the mean and the variance of each channel of each image, as float32 (N, 2, C), and returns those to use."""


class InstanceNorm(nn.Module):
    """Normalise each channel of each image to mean 0 and variance 1 (Ulyanov et al. 2016).

    It has no affine weights and no running statistics. The statistics are computed in float32 (float64 for float64
    input). ``torch.nn.functional.instance_norm`` is not used, because on a CPU its gradient is wrong at batch size 1 if
    the incoming gradient is channels-last.

    Attributes:
        statistics: replaces the statistics at inference; None for the statistics of the input.
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.statistics: StatisticsHook | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics is not None:
            return norm_with_statistics(x, self.eps, None, None, self.statistics)
        return instance_norm(x, self.eps)


class BatchNorm2d(nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` with the hook of ``InstanceNorm``.

    In a distributed training the statistics are those of the images of all ranks.

    Attributes:
        statistics: replaces the statistics at inference, for each image by itself; None for those of torch.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps)
        self.statistics: StatisticsHook | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics is not None:
            return norm_with_statistics(x, self.eps, self.weight, self.bias, self.statistics)
        if self.training and num_ranks() > 1:
            return self._forward_over_ranks(x)
        return super().forward(x)

    def _forward_over_ranks(self, x: Tensor) -> Tensor:
        """Normalise by the mean and the variance of all ranks, and update the running statistics by them."""
        values = at_least_float32(x)
        mean = mean_over_ranks(values.mean((0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = mean_over_ranks(centred.square().mean((0, 2, 3)))
        with torch.no_grad():
            count = num_ranks() * x.numel() // x.shape[1]
            momentum = self.momentum or 0.0
            for running, new in ((self.running_mean, mean), (self.running_var, variance * count / max(1, count - 1))):
                assert running is not None
                running.lerp_(new.to(running.dtype), momentum)
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
        scale = self.weight / (variance + self.eps).sqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def instance_norm(x: Tensor, eps: float) -> Tensor:
    """Return (x − mean) / √(variance + ε) of each channel of each image, in the dtype of ``x`` (N, C, H, W)."""
    if has_torch_function((x,)):  # for streamed feature maps
        return handle_torch_function(instance_norm, (x,), x, eps)
    if torch.compiler.is_compiling():  # the compiler fuses the formula and derives its gradient
        return _instance_norm_reference(x, eps)
    if prefers_more_kernels(x) and _is_faster_by_image(x):
        return _InstanceNormByImage.apply(x, eps)
    return _InstanceNormFunction.apply(x, eps)


def norm_with_statistics(
    x: Tensor, eps: float, weight: Tensor | None, bias: Tensor | None, statistics: StatisticsHook
) -> Tensor:
    """Normalise with the mean and variance that a hook returns for those of the input.

    Args:
        x: (N, C, H, W).
        eps: ε.
        weight: (C), multiplies the result; None for 1.
        bias: (C), is added then; None together with ``weight``.
        statistics: the hook.

    Returns: (N, C, H, W) in the dtype of ``x``.
    """
    if has_torch_function((x,)):  # for streamed feature maps
        return handle_torch_function(norm_with_statistics, (x,), x, eps, weight, bias, statistics)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (N, H·W, C)
    mean = rows.mean(1)
    variance = (rows - mean[:, None]).square_().mean(1)
    replaced = statistics(torch.stack([mean, variance], 1))
    normalized = (rows - replaced[:, :1]) * torch.rsqrt(replaced[:, 1:] + eps)
    if weight is not None and bias is not None:
        normalized = normalized * weight + bias
    return normalized.to(x.dtype).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class _InstanceNormFunction(torch.autograd.Function):
    """(x − mean) / √(variance + ε) over height and width, and its gradient, in channels-last memory order.

    A channels-last image viewed as (N, H·W, C) is reduced along its rows. On a CPU this is several times faster than
    the same formula over the last two of four dimensions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        rows = _rows(x)
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + eps)
        ctx.save_for_backward(x, mean, scale)
        ctx.eps = eps
        return _scale_rows(centred, scale, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grad_output,) = gradients
        x, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable_gradient(x, ctx.eps, grad_output), None
        grad_rows = _rows(grad_output)
        normalized = (_rows(x) - mean).mul_(scale)
        projection = (grad_rows * normalized).mean(1, keepdim=True)
        centred_grad = (grad_rows - grad_rows.mean(1, keepdim=True)).addcmul_(normalized, projection, value=-1)
        return _scale_rows(centred_grad, scale, x), None


def _is_faster_by_image(x: Tensor) -> bool:
    """Return whether a GPU normalises a batch faster image by image.

    Measured on an H200 in bfloat16, in captured graphs, forward and backward: 2.5 times as fast for (1, 64, 64, 64),
    1.1 for (2, 256, 32, 32), 1.3 for (8, 192, 64, 64), 4.8 for (2, 64, 256, 256); 0.8 for (8, 64, 64, 64) and for
    (16, 128, 64, 64).
    """
    return x[0].numel() >= MIN_SIZE_BY_IMAGE * (len(x) + 2)


class _InstanceNormByImage(torch.autograd.Function):
    """The function of ``_InstanceNormFunction`` by torch's batch norm, for one image after the other.

    For a batch of one image, batch norm is instance norm. On CUDA it reads channels-last memory with few kernels and
    has its statistics in float32; torch's instance norm copies channels-last images to contiguous memory.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        output = torch.empty_like(x, memory_format=torch.channels_last)
        wide = torch.promote_types(x.dtype, torch.float32)
        mean, scale = (torch.empty(x.shape[:2], dtype=wide, device=x.device) for _ in range(2))
        for image, result, *statistics in zip(x.split(1), output.split(1), mean, scale, strict=True):
            torch.native_batch_norm(image, None, None, None, None, True, 0.0, eps, out=(result, *statistics))
        ctx.save_for_backward(x, mean, scale)
        ctx.eps = eps
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grad_output,) = gradients
        x, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable_gradient(x, ctx.eps, grad_output), None
        grad_output = grad_output.contiguous(memory_format=torch.channels_last)
        grad_inputs = [
            torch.ops.aten.native_batch_norm_backward(
                grad, image, None, None, None, *statistics, True, ctx.eps, [True, False, False]
            )[0]
            for grad, image, *statistics in zip(grad_output.split(1), x.split(1), mean, scale, strict=True)
        ]
        return torch.cat(grad_inputs), None


def _differentiable_gradient(x: Tensor, eps: float, grad_output: Tensor) -> Tensor:
    """Return the gradient by the plain formula: a gradient penalty differentiates it again."""
    reference = _instance_norm_reference(x, eps)
    (grad_input,) = torch.autograd.grad(reference, x, grad_output, create_graph=True)
    return grad_input


def _rows(x: Tensor) -> Tensor:
    """View (N, C, H, W) as (N, H·W, C) in float32 (float64 stays); channels-last float32 is not copied."""
    return at_least_float32(x.permute(0, 2, 3, 1).flatten(1, 2))


def _scale_rows(rows: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """Return rows · scale, channels-last, in the shape and dtype of ``like``, in one pass over memory."""
    output = torch.empty_like(like, memory_format=torch.channels_last)
    torch.mul(rows, scale, out=output.permute(0, 2, 3, 1).flatten(1, 2))
    return output


def _instance_norm_reference(x: Tensor, eps: float) -> Tensor:
    values = at_least_float32(x)
    variance, mean = torch.var_mean(values, dim=(2, 3), correction=0, keepdim=True)
    return ((values - mean) * torch.rsqrt(variance + eps)).to(x.dtype)
