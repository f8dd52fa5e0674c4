"""Convolutions from or to few channels, computed faster than by torch, with the same weights.

A CPU's convolutions vectorise over channels; with three channels most of a vector is empty. Moving one axis of the
kernel into the channels fills it, with k times as many channels. Measured on one core (AVX-512) for a 7×7 kernel
between 64 channels and 3 at 128², forward and backward with a gradient of the input: in float32 17 ms instead of 34
(64 → 3) and 14 instead of 23 (3 → 64); in bfloat16 11 instead of 19, and 7 instead of 12. On a GPU (H200) a step of
`cyclegan:paper` takes 19.1 ms instead of 24.9 if its last convolutions are computed so.

On a CPU without AVX-512 the gradients of the weights are slow in channels-last memory: `i2i.networks.weight_gradient`
computes them.
"""

import torch
from torch import Tensor

from i2i.networks.weight_gradient import Conv2d, conv2d

FEW_CHANNELS = 4  # at most so many channels are rearranged
MIN_KERNEL = 5  # pixels; smaller kernels gain nothing


class FewChannelConv2d(Conv2d):
    """``nn.Conv2d`` with the same weights, and the same results up to the rounding of another order of sums.

    Attributes:
        rearrange: False for the plain convolution, as an exported network has it.
    """

    rearrange = True

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve ``x`` (N, C, H, W) with this layer's weight and with ``bias``."""
        out_channels, in_channels, kernel_height, _ = self.weight.shape
        is_tensor = isinstance(x, Tensor)  # a streamed feature map is none
        is_plain = kernel_height >= MIN_KERNEL and self.stride == (1, 1) and self.padding == (0, 0)
        if not (self.rearrange and is_tensor and is_plain and x.device.type in ("cpu", "cuda")):
            return self._conv_forward(x, self.weight, bias)
        if out_channels <= FEW_CHANNELS < in_channels:
            return _conv_to_few(x, self.weight, bias)
        # On CUDA this was not measured. Without a gradient of the input it is not faster.
        has_gradient = x.device.type == "cpu" and x.requires_grad and torch.is_grad_enabled()
        if in_channels <= FEW_CHANNELS < out_channels and has_gradient:
            return _conv_from_few(x, self.weight, bias)
        return self._conv_forward(x, self.weight, bias)


def _conv_to_few(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with each row of the kernel as separate output channels, then shift and add the rows' results."""
    out_channels, in_channels, kernel_height, kernel_width = weight.shape
    row_weights = weight.permute(2, 0, 1, 3).reshape(kernel_height * out_channels, in_channels, 1, kernel_width)
    rows = conv2d(x, _channels_last(row_weights))
    height = x.shape[2] - kernel_height + 1
    total = rows[:, :out_channels, :height]
    for row in range(1, kernel_height):
        total = total + rows[:, row * out_channels : (row + 1) * out_channels, row : row + height]
    return total if bias is None else total + bias[:, None, None]


def _conv_from_few(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with the input rows under the kernel as separate input channels."""
    out_channels, in_channels, kernel_height, kernel_width = weight.shape
    height = x.shape[2] - kernel_height + 1
    rows = torch.cat([x[:, :, row : row + height] for row in range(kernel_height)], 1)
    row_weights = weight.permute(0, 2, 1, 3).reshape(out_channels, kernel_height * in_channels, 1, kernel_width)
    return conv2d(_channels_last(rows), _channels_last(row_weights), bias)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
