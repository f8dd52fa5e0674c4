from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.contrastive import patch_nce


def unit(*shape: int) -> Tensor:
    torch.manual_seed(sum(shape))
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def written_out(queries: Tensor, keys: Tensor, temperature: float) -> list[float]:
    """Equations 3 and 4 of Park et al. 2020, a number at a time."""
    losses = []
    for n in range(len(queries)):
        total = 0.0
        for place in range(queries.shape[1]):
            similar = [exp(float(queries[n, place] @ keys[n, other]) / temperature) for other in range(keys.shape[1])]
            total -= log(similar[place] / sum(similar))
        losses.append(total / queries.shape[1])
    return losses


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_nce_equals_a_plain_double_loop(temperature: float) -> None:
    queries, keys = unit(2, 6, 5), unit(2, 6, 4)[..., [0, 1, 2, 3, 0]]
    found = patch_nce(queries, keys, temperature)
    assert found.tolist() == pytest.approx(written_out(queries, keys, temperature), rel=1e-12)


def test_places_that_cannot_be_told_apart_cost_the_logarithm_of_their_number() -> None:
    same = unit(1, 1, 8).expand(3, 16, 8)
    assert patch_nce(same, same).tolist() == pytest.approx([log(16)] * 3)


def test_the_loss_is_small_where_every_query_is_nearest_to_its_own_key() -> None:
    keys = torch.eye(8, dtype=torch.float64)[None]
    assert patch_nce(keys, keys).item() < 1e-5
    assert patch_nce(keys, keys.roll(1, 1)).item() > 10


def test_negatives_come_from_the_same_picture_alone() -> None:
    queries, keys = unit(2, 6, 5), unit(2, 6, 7)[..., :5]
    alone = [patch_nce(queries[n : n + 1], keys[n : n + 1]).item() for n in range(2)]
    assert patch_nce(queries, keys).tolist() == pytest.approx(alone, rel=1e-12)


def test_no_gradient_flows_into_the_keys() -> None:
    queries, keys = unit(1, 4, 3).requires_grad_(), unit(1, 4, 5)[..., :3].requires_grad_()
    patch_nce(queries, keys).sum().backward()
    assert queries.grad is not None
    assert queries.grad.abs().max() > 0
    assert keys.grad is None


def test_the_gradient_is_that_of_the_formula() -> None:
    keys = unit(1, 4, 5)[..., :3].contiguous()
    assert torch.autograd.gradcheck(lambda queries: patch_nce(queries, keys, 0.5), unit(1, 4, 3).requires_grad_())


def test_patch_nce_stays_float32_under_autocast() -> None:
    queries, keys = unit(1, 64, 32).float(), unit(1, 64, 32).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = patch_nce(queries, keys)
    assert found.dtype == torch.float32
    assert torch.equal(found, patch_nce(queries, keys))
    assert patch_nce(queries.bfloat16(), keys.bfloat16()).dtype == torch.float32
