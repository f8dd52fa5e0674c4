"""Image quality metrics: of sets of images (FID, KID, Inception Score) and of images with their targets."""

from i2i.metrics.bootstrap import Estimate, fid_interval, kid_interval
from i2i.metrics.distribution import fid, inception_score, kid, kid_subsets, mmd_witness
from i2i.metrics.inception import Inception

__all__ = [
    "Estimate", "Inception", "fid", "fid_interval", "inception_score", "kid", "kid_interval", "kid_subsets",
    "mmd_witness",
]  # fmt: skip
