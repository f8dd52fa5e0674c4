from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.contrastive import patch_nce


def unit_vectors(*shape: int) -> Tensor:
    torch.manual_seed(sum(shape))
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def patch_nce_by_hand(queries: Tensor, keys: Tensor, temperature: float) -> list[float]:
    """Equations 3 and 4 of Park et al. 2020, one number at a time."""
    losses = []
    for n in range(len(queries)):
        total = 0.0
        for location in range(queries.shape[1]):
            similarities = [
                exp(float(queries[n, location] @ keys[n, other]) / temperature) for other in range(keys.shape[1])
            ]
            total -= log(similarities[location] / sum(similarities))
        losses.append(total / queries.shape[1])
    return losses


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_nce_equals_a_plain_double_loop(temperature: float) -> None:
    queries, keys = unit_vectors(2, 6, 5), unit_vectors(2, 6, 4)[..., [0, 1, 2, 3, 0]]
    result = patch_nce(queries, keys, temperature)
    assert result.tolist() == pytest.approx(patch_nce_by_hand(queries, keys, temperature), rel=1e-12)


def test_the_loss_of_equal_vectors_is_the_logarithm_of_their_number() -> None:
    same = unit_vectors(1, 1, 8).expand(3, 16, 8)
    assert patch_nce(same, same).tolist() == pytest.approx([log(16)] * 3)


def test_the_loss_is_small_if_every_query_is_nearest_to_its_own_key() -> None:
    keys = torch.eye(8, dtype=torch.float64)[None]
    assert patch_nce(keys, keys).item() < 1e-5
    assert patch_nce(keys, keys.roll(1, 1)).item() > 10


def test_negatives_come_only_from_the_same_image() -> None:
    queries, keys = unit_vectors(2, 6, 5), unit_vectors(2, 6, 7)[..., :5]
    separate = [patch_nce(queries[n : n + 1], keys[n : n + 1]).item() for n in range(2)]
    assert patch_nce(queries, keys).tolist() == pytest.approx(separate, rel=1e-12)


def test_no_gradient_flows_into_the_keys() -> None:
    queries, keys = unit_vectors(1, 4, 3).requires_grad_(), unit_vectors(1, 4, 5)[..., :3].requires_grad_()
    patch_nce(queries, keys).sum().backward()
    assert queries.grad is not None
    assert queries.grad.abs().max() > 0
    assert keys.grad is None


def test_the_gradient_is_that_of_the_formula() -> None:
    keys = unit_vectors(1, 4, 5)[..., :3].contiguous()
    assert torch.autograd.gradcheck(
        lambda queries: patch_nce(queries, keys, 0.5), unit_vectors(1, 4, 3).requires_grad_()
    )


def test_patch_nce_stays_float32_under_autocast() -> None:
    queries, keys = unit_vectors(1, 64, 32).float(), unit_vectors(1, 64, 32).float()
    with torch.autocast("cpu", torch.bfloat16):
        result = patch_nce(queries, keys)
    assert result.dtype == torch.float32
    assert torch.equal(result, patch_nce(queries, keys))
    assert patch_nce(queries.bfloat16(), keys.bfloat16()).dtype == torch.float32
