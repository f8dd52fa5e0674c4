"""Convolutions with very few channels at one end, such as a picture's three: rearranged where that is faster on a CPU.

A CPU's convolutions fill their vectors with channels, and leave most of a vector empty where there are three. One
axis of the kernel moved into the channels fills them: k channels in place of each. Measured on one core (AVX-512) for a
7×7 kernel between 64 channels and 3 at 128², forward and backward: 64 → 3 in 17 ms in place of 34, 3 → 64 in 14 in
place of 23 where the picture needs a gradient (float32); 11 in place of 19, and 7 in place of 12 (bfloat16).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

THIN = 4  # channels


class Conv2d(nn.Conv2d):
    """Its very weights, and its results up to the rounding of another order of sums."""

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        out, channels, height, _ = self.weight.shape
        plain = isinstance(x, Tensor)  # and no map that is computed in strips
        if plain and x.device.type == "cpu" and height >= 5 and self.stride == (1, 1) and self.padding == (0, 0):
            if out <= THIN < channels:
                return _to_thin(x, self.weight, bias)
            if channels <= THIN < out and x.requires_grad and torch.is_grad_enabled():  # else nothing is gained
                return _from_thin(x, self.weight, bias)
        return self._conv_forward(x, self.weight, bias)


def _to_thin(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Every row of the kernel as output channels of its own, then its rows' results shifted and added."""
    out, channels, height, width = weight.shape
    rows = F.conv2d(x, _channels_last(weight.permute(2, 0, 1, 3).reshape(height * out, channels, 1, width)))
    tall = x.shape[2] - height + 1
    total = rows[:, :out, :tall]
    for row in range(1, height):
        total = total + rows[:, row * out : (row + 1) * out, row : row + tall]
    return total if bias is None else total + bias[:, None, None]


def _from_thin(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Every row that the kernel covers as input channels of its own."""
    out, channels, height, width = weight.shape
    tall = x.shape[2] - height + 1
    rows = torch.cat([x[:, :, row : row + tall] for row in range(height)], 1)
    across = weight.permute(0, 2, 1, 3).reshape(out, height * channels, 1, width)
    return F.conv2d(_channels_last(rows), _channels_last(across), bias)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
