"""When layers on CUDA use more kernels that read the memory less often.

Some kernels of torch are slow for channels-last images. The layers of `i2i.networks` can avoid these kernels: they then
take less time on the GPU, but the processor starts more kernels. In a CUDA graph that costs nothing. Elsewhere it pays
for large images only: a step of `cut:fast` with 2 images of 256 px took 149 ms without a graph if all layers avoided
them, and 117 ms if none did. As a graph it took 21 and 38 ms (H200).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

MIN_VALUES = 2**23  # of a batch of feature maps, outside of CUDA graphs
_graphs = 0  # that are being made; of all threads, since torch runs a backward pass on CUDA in a thread of its own


@contextmanager
def for_cuda_graph() -> Iterator[None]:
    """Within it, all work on CUDA is for a CUDA graph: it is being captured, or warmed up for that."""
    global _graphs
    _graphs += 1
    try:
        yield
    finally:
        _graphs -= 1


def prefers_more_kernels(x: Tensor) -> bool:
    """Return whether a layer should use more kernels for ``x`` (N, C, H, W).

    It should for channels-last memory on CUDA in a CUDA graph, or with many values. The compiler makes its own kernels.
    """
    return (
        isinstance(x, Tensor)  # a streamed feature map is none
        and x.device.type == "cuda"
        and not torch.compiler.is_compiling()
        and x.dim() == 4
        and x.is_contiguous(memory_format=torch.channels_last)
        and not x.is_contiguous()
        and (_graphs > 0 or x.numel() >= MIN_VALUES)
    )
