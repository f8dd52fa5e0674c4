"""Contrastive loss between the patches of images."""

import torch
from torch import Tensor


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """−log[exp(v·v⁺/τ) / (exp(v·v⁺/τ) + Σₙ exp(v·vₙ⁻/τ))], mean over the locations (Park et al. 2020, eqs. 3 and 4).

    v is a query, v⁺ the key of the same location and v⁻ the keys of the other locations of the same image.

    Args:
        queries: (N, P, C), unit vectors at P locations of N images.
        keys: (N, P, C), unit vectors at the same locations; no gradient flows into them.
        temperature: τ, above 0.

    Returns: (N,), in float32.

    >>> patches = torch.eye(4)[None]  # (1, 4, 4): four orthogonal unit vectors
    >>> patch_nce(queries=patches, keys=patches).round(decimals=3)
    tensor([0.])
    >>> patch_nce(queries=patches, keys=patches.flip(1)).round(decimals=3)  # the keys of other locations
    tensor([14.2860])
    """
    with torch.autocast(queries.device.type, enabled=False):
        keys = keys.detach().to(queries.dtype)
        if queries.dtype != torch.float64:
            queries, keys = queries.float(), keys.float()
        logits = queries @ keys.transpose(1, 2) / temperature  # (N, P, P)
        return (logits.logsumexp(2) - logits.diagonal(dim1=1, dim2=2)).mean(1)
