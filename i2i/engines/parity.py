"""Compare an exported file to torch on images of several sizes."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.engines.metadata import TOLERANCE
from i2i.engines.tracing import reference_output
from i2i.errors import I2IError

_SIDE = 64  # pixels a side of the smallest image, at least
_COARSE = 8  # cells a side of the random image that is enlarged


def parity_images(channels: int, conditioning: str, size_multiple: int) -> Iterator[Tensor]:
    """Yield images of five sizes, one of them a batch of two: (N, C, H, W) in [-1, 1].

    They are smooth with some noise, as photos are. A fourth channel is a level, or a mask of -1 and 1.
    """
    rng = torch.Generator().manual_seed(0)
    units = -(-_SIDE // size_multiple)
    for count, rows, columns in ((1, units, units), (1, units, units + 1), (1, units + 1, units),
                                 (1, units + 2, units + 1), (2, units, units + 2)):  # fmt: skip
        size = rows * size_multiple, columns * size_multiple
        coarse = torch.rand(count, channels, _COARSE, _COARSE, generator=rng) * 2 - 1
        image = F.interpolate(coarse, size, mode="bicubic")
        image = (image + 0.1 * torch.randn(image.shape, generator=rng)).clamp(-1, 1)
        if conditioning == "mask":
            image[:, 3:] = (image[:, 3:] > 0) * 2.0 - 1
        elif conditioning == "level":
            image[:, 3:] = image[:, 3:].mean((2, 3), keepdim=True)
        yield image


def largest_difference(
    network: nn.Module, run: Callable[[Tensor], Tensor], images: Iterator[Tensor]
) -> tuple[float, tuple[int, ...]]:
    """Return the largest difference of ``run`` from torch, of values clipped to [-1, 1], and the shape of its image.

    Args:
        network: of i2i, in its inference mode.
        run: the exported network.
        images: inputs.
    """
    worst = -1.0
    where: tuple[int, ...] = ()
    for image in images:
        expected = reference_output(network, image).clamp(-1, 1)
        result = run(image)
        if result.shape != expected.shape or not bool(result.isfinite().all()):
            return float("inf"), tuple(image.shape)
        difference = float((result.clamp(-1, 1) - expected).abs().max())
        if difference > worst:
            worst, where = difference, tuple(image.shape)
    return worst, where


def check_parity(difference: float, shape: tuple[int, ...], engine: str, advice: str = "") -> None:
    """Raise I2IError if a difference from torch is larger than TOLERANCE."""
    if difference > TOLERANCE:
        raise I2IError(
            f"The result of {engine} differs from that of torch by {difference * 127.5:.2g} levels of 255 on an image "
            f"of shape {'x'.join(map(str, shape))}; at most {TOLERANCE * 127.5:.0f} is allowed. Nothing was "
            f"written.{advice}"
        )
