"""Tiles for networks of other programs, whose receptive field is measured."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from i2i.errors import I2IError
from i2i.inference.reach import TOLERANCE, measure_reach
from i2i.inference.tiling import blended_forward, tiled_forward
from i2i.networks import SpandrelConfig, SpandrelNetwork

logger = logging.getLogger(__name__)

BLENDED_OVERLAP = 64  # pixels, for networks without a finite reach
_MAX_PIXELS = 2**19  # of a tile's result, with its overlap: such networks keep full-size feature maps of 64 channels
_MAX_PIXELS_WHOLE = 4_000_000  # of an image for a network that takes no tiles
_MIN_TILE_PIXELS = 256**2  # of a tile, however much it is enlarged


def measured_tiles_of(network: nn.Module, config: object, device: torch.device) -> "MeasuredTiles | None":
    """Return the tiles of a network of another program; None for other networks."""
    if isinstance(network, SpandrelNetwork) and isinstance(config, SpandrelConfig):
        return MeasuredTiles(network, config, device)
    return None


class MeasuredTiles:
    """Runs a network of another program on a large image in tiles.

    How far the network sees is measured at the first image that needs tiles. If it is a finite distance, tiles overlap
    by it and are cut hard: the result is that of one pass. Else they fade into each other.

    Args:
        network: on ``device``.
        config: of the network.
        device: of the network.
    """

    def __init__(self, network: SpandrelNetwork, config: SpandrelConfig, device: torch.device) -> None:
        self._network = network
        self._config = config
        self._device = device
        self._reach: int | None = None
        self._is_measured = False

    @property
    def are_possible(self) -> bool:
        """Whether the network may run in tiles: not if it needs the whole image, as to fill regions of it."""
        return self._config.conditioning == "image" and self._config.tiling != "internal"

    def check_size(self, width: int, height: int) -> None:
        """Raise I2IError for an image that a CPU cannot run in one pass, if the network must."""
        if self._device.type == "cpu" and not self.are_possible and width * height > _MAX_PIXELS_WHOLE:
            raise I2IError(
                f"An image of {width}x{height} pixels is too large for {self._config.architecture}, which needs the "
                f"whole image in one pass: {_MAX_PIXELS_WHOLE / 1e6:.0f} megapixels fit. Give --max-side 2000."
            )

    @property
    def max_pixels(self) -> int:
        """Pixels of the largest image that a CPU runs in one pass."""
        return max(_MIN_TILE_PIXELS, _MAX_PIXELS // self._config.scale**2)

    def reach(self) -> int | None:
        """Return the distance beyond which no pixel changes a result, None if there is none. It is measured once."""
        if not self._is_measured:
            self._reach = measure_reach(self._network, self._config.multiple, self._device)
            self._is_measured = True
            if self._reach is None:
                logger.warning(
                    "%s takes more of an image into account than a tile holds. Tiles overlap by %d pixels and fade "
                    "into each other; brightness may differ between them. --max-side makes the image smaller.",
                    self._config.architecture, BLENDED_OVERLAP,
                )  # fmt: skip
            else:
                logger.info(
                    "%s changes by at most %g grey levels with what is more than %d pixels away: tiles overlap by it.",
                    self._config.architecture, TOLERANCE, self._reach,
                )  # fmt: skip
        return self._reach

    def forward(
        self, height: int, width: int, run: Callable[[slice, slice], Tensor], max_pixels: int,
        progress: Callable[[float], None],
    ) -> Tensor:  # fmt: skip
        """Run the network on an image.

        Args:
            height: rows of the image, a multiple of the config's.
            width: columns of the image, a multiple of the config's.
            run: runs the network on rows and columns: levels (s·h, s·w, C).
            max_pixels: pixels of the largest tile that fits the memory, as far as is known.
            progress: called with the fraction that is done.

        Returns: (s·height, s·width, C) on the CPU.
        """
        reach = self.reach()
        limit = min(max_pixels, self.max_pixels)
        multiple = self._config.multiple
        if reach is None:
            return blended_forward(height, width, run, BLENDED_OVERLAP, multiple, limit, progress)
        return tiled_forward(height, width, run, reach, multiple, max(limit, (4 * reach) ** 2), progress)
