"""Pictures too large for a network in one piece: computed a strip of rows at a time, with the same result.

A network whose instance norm sees the whole picture cannot be given tiles: each would get statistics, and so a tone, of
its own. Instead of pixels it is given a ``Strips``, which stands in for a tensor: each function of torch that the
network calls gives another, that knows which rows of the one before it a strip takes. Nothing is computed but by
``rows``, and all of a map only where something needs all of it: its mean and variance, taken over the strips one after
another. Maps of at most half the picture's height and width are then kept; at full size, where a network has the fewest
and cheapest layers, they are computed again from the last one kept.

Where a network has no such norm and sees no farther than some pixels around each, tiles that overlap as far do, in
memory that does not grow with the picture: ``in_tiles``.
"""

from i2i.inference.streaming.tensor import Strips, in_strips
from i2i.inference.tiling import in_tiles

__all__ = ["Strips", "in_strips", "in_tiles"]
