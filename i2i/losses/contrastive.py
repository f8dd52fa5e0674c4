"""Contrastive losses between the patches of pictures."""

import torch
from torch import Tensor


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """−log[exp(v·v⁺/τ) / (exp(v·v⁺/τ) + Σₙ exp(v·vₙ⁻/τ))], mean over the places (Park et al. 2020, eqs. 3 and 4).

    queries, keys: unit vectors (N, P, C) at the same P places of N pictures. v is a query, v⁺ the key of its own
    place and v⁻ the keys of the other places of its picture. Returns (N,), in float32. No gradient flows into ``keys``.
    """
    with torch.autocast(queries.device.type, enabled=False):
        keys = keys.detach().to(queries.dtype)
        if queries.dtype != torch.float64:
            queries, keys = queries.float(), keys.float()
        logits = queries @ keys.transpose(1, 2) / temperature  # (N, P, P)
        return (logits.logsumexp(2) - logits.diagonal(dim1=1, dim2=2)).mean(1)
