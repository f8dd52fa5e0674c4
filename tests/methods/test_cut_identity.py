"""The L1 identity loss of CUT, alone and beside the contrastive identity loss."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from i2i.networks import ResnetConfig
from tests.methods.helpers import run_step
from tests.methods.test_cut import batch, record_generator, tiny


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("flip_equivariance", [False, True])
@pytest.mark.parametrize("generator", [{}, {"norm": "batch"}])
def test_the_identity_loss_is_the_distance_of_g_b_to_b(generator: dict[str, Any], flip_equivariance: bool) -> None:
    config = ResnetConfig(ngf=4, blocks=1, antialias=True, upsampling="bilinear", weight_init="kaiming", **generator)
    options = {"generator": config, "nce_identity": False, "flip_equivariance": flip_equivariance}
    method = tiny(weight_identity=3.0, **options)
    passes = record_generator(method)
    _, (_, losses) = run_step(method, batch(3))
    inputs = torch.cat([inputs for inputs, _ in passes])[-3:]
    fakes = torch.cat([fakes for _, fakes in passes])[-3:]
    torch.testing.assert_close(losses["G/identity"], 3 * F.l1_loss(fakes, inputs))


def test_the_contrastive_loss_is_that_of_a_alone_without_its_identity_part() -> None:
    _, (_, losses) = run_step(tiny(weight_identity=1.0, nce_identity=False), batch(2))
    assert set(losses) == {"G/adversarial", "G/nce", "G/identity"}
    _, (_, both) = run_step(tiny(weight_identity=1.0), batch(2))
    assert set(both) == {"G/adversarial", "G/nce", "G/nce_identity", "G/identity"}


def test_the_identity_loss_works_without_the_contrastive_loss() -> None:
    _, (_, losses) = run_step(tiny(weight_identity=1.0, weight_nce=0.0), batch(2))
    assert set(losses) == {"G/adversarial", "G/identity"}
