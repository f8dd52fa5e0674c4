import copy
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from i2i.training.optim import MemoryOrderAdam

ORDERS = {"plain": torch.contiguous_format, "channels-last": torch.channels_last}


def moved(kind: type[torch.optim.Adam], weight: Tensor, gradients: list[Tensor], **how: bool) -> tuple[Tensor, dict]:  # type: ignore[type-arg]
    leaf = nn.Parameter(weight.clone())
    optimizer = kind([leaf], lr=0.01, betas=(0.5, 0.99), **how)
    for gradient in gradients:
        leaf.grad = gradient
        optimizer.step()
    return leaf.detach(), optimizer.state_dict()


@pytest.mark.parametrize("weights", ORDERS)
@pytest.mark.parametrize("gradients", ORDERS)
@pytest.mark.parametrize("shape", [(8, 6, 4, 4), (3, 6, 1, 1), (5, 1, 3, 3)])
def test_it_moves_weights_as_adam_does_whatever_the_order_in_memory(
    weights: str, gradients: str, shape: tuple[int, ...]
) -> None:
    rng = torch.Generator().manual_seed(0)
    weight, *slopes = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(4))
    weight = weight.contiguous(memory_format=ORDERS[weights])
    ordered = [slope.contiguous(memory_format=ORDERS[gradients]) for slope in slopes]
    (ours, state), (plain, wanted) = (
        moved(kind, weight, ordered, fused=fused, foreach=False)
        for kind, fused in ((MemoryOrderAdam, True), (torch.optim.Adam, False))
    )
    assert torch.allclose(ours, plain, rtol=0, atol=1e-12)
    for name in ("exp_avg", "exp_avg_sq"):
        assert state["state"][0][name].shape == shape
        assert torch.allclose(state["state"][0][name], wanted["state"][0][name], rtol=0, atol=1e-14)


def test_a_state_that_was_saved_in_another_order_goes_on() -> None:
    rng = torch.Generator().manual_seed(0)
    weight, *slopes = (torch.randn(8, 6, 4, 4, generator=rng, dtype=torch.float64) for _ in range(4))
    whole, _ = moved(torch.optim.Adam, weight, slopes)
    half, state = moved(torch.optim.Adam, weight, slopes[:2])
    leaf = nn.Parameter(half.contiguous(memory_format=torch.channels_last))
    optimizer = MemoryOrderAdam([leaf], lr=0.01, betas=(0.5, 0.99), fused=True)
    optimizer.load_state_dict({**copy.deepcopy(state), "param_groups": optimizer.state_dict()["param_groups"]})
    leaf.grad = slopes[2]
    optimizer.step()
    assert torch.allclose(leaf.detach(), whole, rtol=0, atol=1e-12)


def test_a_step_whose_gradient_is_marked_as_not_finite_moves_nothing() -> None:
    weight = torch.randn(8, 6, 4, 4).contiguous(memory_format=torch.channels_last)
    leaf = nn.Parameter(weight.clone())
    optimizer = MemoryOrderAdam([leaf], fused=True)
    leaf.grad = torch.full_like(leaf, torch.nan)
    optimizer.found_inf = torch.ones(())  # type: ignore[attr-defined]
    optimizer.step()
    assert torch.equal(leaf.detach(), weight)


def test_a_step_on_a_cpu_does_not_load_torchs_compiler() -> None:
    code = """
import sys, torch
from i2i.training.optim import MemoryOrderAdam
weight = torch.nn.Parameter(torch.ones(2))
optimizer = MemoryOrderAdam([weight], fused=True)
weight.sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
