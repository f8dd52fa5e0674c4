"""Convolutions whose gradients of the weights are fast on a CPU with AVX2 and without AVX-512.

On such a CPU oneDNN computes these gradients of large feature maps several times as fast in its blocked memory format
as in channels-last memory. Torch passes channels-last memory to oneDNN as it is, and converts contiguous memory to the
blocked format. So here these gradients are computed from contiguous copies; all else stays channels-last.

Measured on one core of an AMD EPYC (float32, torch 2.15, another training beside it), 3×3 kernels, copies included:

    channels, side         channels-last    contiguous
    64 → 64, 32²           50 GFLOP/s       40 GFLOP/s
    64 → 64, 128²          12               30
    128 → 128, 64²         35               50
    192 → 192, 64²         17               42
    128 → 128, 256²         9               27

With a stride of 2, where the larger feature map has 128² pixels or more:

    64 → 128, 256²          6               16
    128 → 256, 128²        10               23
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn import functional as F

MIN_KERNEL = 3  # pixels of the longer side
MIN_PIXELS = 60**2  # of the smaller feature map, input or output
MIN_SIZE = 2**18  # these pixels times the channels of the feature map that has fewer


class Geometry(NamedTuple):
    """Arguments of ``torch.convolution`` after the tensors."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    transposed: bool = False
    output_padding: tuple[int, ...] = (0, 0)
    groups: int = 1


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.conv2d`` without padding and of stride 1, with the gradients of ``Conv2d``."""
    return _convolve(x, weight, bias, Geometry()) if _has_slow_gradient(x, weight) else F.conv2d(x, weight, bias)


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` with the same weights and results. Its gradients may differ by the rounding of their sums."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros" or isinstance(padding, str) or not _has_slow_gradient(x, weight):
            return super()._conv_forward(x, weight, bias)
        return _convolve(x, weight, bias, Geometry(self.stride, padding, self.dilation, groups=self.groups))


class ConvTranspose2d(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with the same weights and results, and with gradients as those of ``Conv2d``."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(x, output_size) if output_size is not None else self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve ``x`` (N, C, H, W) with this layer's weight and with ``bias``."""
        padding: Any = self.padding  # a transposed convolution never has a word such as "same" here
        if _has_slow_gradient(x, self.weight):
            geometry = Geometry(self.stride, padding, self.dilation, True, self.output_padding, self.groups)
            return _convolve(x, self.weight, bias, geometry)
        return F.conv_transpose2d(
            x, self.weight, bias, self.stride, padding, self.output_padding, self.groups, self.dilation
        )


def _has_slow_gradient(x: Tensor, weight: Tensor) -> bool:
    """Return whether a gradient of ``weight`` may be computed, on a CPU where that can be slow."""
    return (
        weight.requires_grad
        and torch.is_grad_enabled()
        and isinstance(x, Tensor)  # a streamed feature map is none
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
    )


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    result: Tensor = _Convolution.apply(x, weight, bias, geometry)
    return result


class _Convolution(torch.autograd.Function):
    """``torch.convolution``, with the gradient of the weight from contiguous memory where that is faster."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return torch.convolution(x, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        for_weight = for_weight and _is_wanted(weight)
        bias_sizes = [gradient.shape[1]] if for_bias else None

        def differentiate(tensors: tuple[Tensor, ...], *wanted: bool) -> Any:
            return torch.ops.aten.convolution_backward(*tensors, bias_sizes, *ctx.geometry, wanted)

        channels_last = gradient, x, weight
        if not (for_weight and _is_large(*channels_last)):
            return *differentiate(channels_last, for_x, for_weight, for_bias), None
        of_x = differentiate(channels_last, True, False, False)[0] if for_x else None
        contiguous = tuple(tensor.contiguous() for tensor in channels_last)
        _, of_weight, of_bias = differentiate(contiguous, False, True, for_bias)
        layout = (
            torch.channels_last if weight.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        )
        return of_x, of_weight.contiguous(memory_format=layout), of_bias, None


def _is_wanted(weight: Tensor) -> bool:
    """Return whether the running backward pass is to compute the gradient of ``weight``, as far as torch can say.

    A backward pass of the generator's loss passes through the discriminator without the gradients of its weights.
    ``ctx.needs_input_grad`` does not tell (pytorch/pytorch#174017), and no public function does. This was written
    against torch 2.15.
    """
    try:
        return torch._C._will_engine_execute_node(get_gradient_edge(weight).node)
    except (AttributeError, RuntimeError):  # RuntimeError: in torch.autograd.grad with respect to a leaf
        return True


def _is_large(gradient: Tensor, x: Tensor, weight: Tensor) -> bool:
    """Return whether the gradient of ``weight`` is faster from contiguous memory."""
    pixels = min(feature_map.shape[2] * feature_map.shape[3] for feature_map in (gradient, x))
    channels = min(feature_map.shape[1] for feature_map in (gradient, x))
    return pixels >= MIN_PIXELS and pixels * channels >= MIN_SIZE and max(weight.shape[2:]) >= MIN_KERNEL
