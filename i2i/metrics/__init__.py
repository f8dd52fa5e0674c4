"""How good pictures are: beside others of their kind (FID, KID, Inception Score), and beside their truth."""

from i2i.metrics.bootstrap import Estimate, fid_interval, kid_interval
from i2i.metrics.distribution import fid, inception_score, kid, kid_subsets, likeness
from i2i.metrics.inception import Inception

__all__ = [
    "Estimate", "Inception", "fid", "fid_interval", "inception_score", "kid", "kid_interval", "kid_subsets", "likeness",
]  # fmt: skip
