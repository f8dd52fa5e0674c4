"""Run a network on an image of any size by streaming its feature maps in strips of rows.

Instance norm needs the statistics of the whole image, so tiles would get different colours. Instead, the network is
called with a ``StreamedTensor`` in place of a tensor. Each torch function returns another ``StreamedTensor``, which
knows which input rows an output row depends on. Values are computed only when ``rows`` or ``strips`` asks for them.

Example: a 3x3 convolution followed by instance norm, on an image of 400 x 600 pixels.

>>> import torch
>>> from i2i.networks.instance_norm import InstanceNorm
>>> pixels = torch.zeros(1, 400, 600, 3, dtype=torch.uint8)
>>> def fetch_rows(top, bottom):  # (1, 3, bottom - top, 600)
...     return pixels[:, top:bottom].permute(0, 3, 1, 2) / 127.5 - 1
>>> image = stream_rows(400, 600, fetch_rows)
>>> conv = torch.nn.Conv2d(3, 8, 3, padding=1).requires_grad_(False)
>>> features = conv(image)  # a LazyTensor; nothing is computed yet
>>> features.shape
(1, 8, 400, 600)
>>> features.rows(100, 108).shape  # fetches the image rows 99 to 108, and convolves them
torch.Size([1, 8, 8, 600])
>>> normalized = InstanceNorm()(features)  # computes all strips once, for their mean and variance
>>> strips = [strip for top, strip in normalized.strips()]  # convolves each strip again, and normalizes it
>>> output = torch.cat(strips, 2)
>>> output.shape
torch.Size([1, 8, 400, 600])

Feature maps with at most a quarter of the image's pixels are kept when their statistics have been computed
(``MaterializedTensor``). Larger ones are computed again from the last one kept: at full resolution a network has its
fewest and cheapest layers.

Networks without such a norm and with a finite receptive field run in overlapping tiles (``tiled_forward``), in memory
that does not grow with the image.
"""

from i2i.inference.streaming import ops  # registers the torch functions that can be streamed
from i2i.inference.streaming.tensor import StreamedTensor, reporting_work, stream_rows
from i2i.inference.tiling import tiled_forward

__all__ = ["StreamedTensor", "ops", "reporting_work", "stream_rows", "tiled_forward"]
