"""Seeds of the global random generators."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the global random generators, for code that takes no generator (dropout, initialisation)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
