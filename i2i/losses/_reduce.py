"""Sum of loss terms."""

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor


def sum_terms(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of one or more scalar tensors, added in their order."""
    return reduce(torch.add, terms)
