import copy

import pytest
import torch
from torch import Tensor, nn

from i2i.training.optim import ChannelsLastAdam
from tests.forked_process import run

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def train(
    kind: type[torch.optim.Adam], weight: Tensor, gradients: list[Tensor], **options: bool
) -> tuple[Tensor, dict]:  # type: ignore[type-arg]
    leaf = nn.Parameter(weight.clone())
    optimizer = kind([leaf], lr=0.01, betas=(0.5, 0.99), **options)
    for gradient in gradients:
        leaf.grad = gradient
        optimizer.step()
    return leaf.detach(), optimizer.state_dict()


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("gradients", FORMATS)
@pytest.mark.parametrize("shape", [(8, 6, 4, 4), (3, 6, 1, 1), (5, 1, 3, 3)])
def test_it_updates_weights_like_adam_for_any_memory_format(
    weights: str, gradients: str, shape: tuple[int, ...]
) -> None:
    rng = torch.Generator().manual_seed(0)
    weight, *all_gradients = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(4))
    weight = weight.contiguous(memory_format=FORMATS[weights])
    ordered = [gradient.contiguous(memory_format=FORMATS[gradients]) for gradient in all_gradients]
    (weight_ours, state), (weight_adam, expected) = (
        train(kind, weight, ordered, fused=fused, foreach=False)
        for kind, fused in ((ChannelsLastAdam, True), (torch.optim.Adam, False))
    )
    assert torch.allclose(weight_ours, weight_adam, rtol=0, atol=1e-12)
    for name in ("exp_avg", "exp_avg_sq"):
        assert state["state"][0][name].shape == shape
        assert torch.allclose(state["state"][0][name], expected["state"][0][name], rtol=0, atol=1e-14)


def test_it_continues_from_the_state_of_another_memory_format() -> None:
    rng = torch.Generator().manual_seed(0)
    weight, *all_gradients = (torch.randn(8, 6, 4, 4, generator=rng, dtype=torch.float64) for _ in range(4))
    whole, _ = train(torch.optim.Adam, weight, all_gradients)
    half, state = train(torch.optim.Adam, weight, all_gradients[:2])
    leaf = nn.Parameter(half.contiguous(memory_format=torch.channels_last))
    optimizer = ChannelsLastAdam([leaf], lr=0.01, betas=(0.5, 0.99), fused=True)
    optimizer.load_state_dict({**copy.deepcopy(state), "param_groups": optimizer.state_dict()["param_groups"]})
    leaf.grad = all_gradients[2]
    optimizer.step()
    assert torch.allclose(leaf.detach(), whole, rtol=0, atol=1e-12)


def test_its_state_is_that_of_torchs_fused_adam() -> None:
    weight = torch.randn(8, 6, 4, 4).contiguous(memory_format=torch.channels_last)
    gradients = [torch.randn(8, 6, 4, 4).contiguous(memory_format=torch.channels_last)]
    _, state = train(ChannelsLastAdam, weight, gradients, fused=True)
    _, expected = train(torch.optim.Adam, weight, gradients, fused=True)
    assert state["param_groups"] == expected["param_groups"]
    layouts = [
        {name: (x.dtype, x.shape, x.stride()) for name, x in either["state"][0].items()} for either in (state, expected)
    ]
    assert layouts[0] == layouts[1]
    assert list(layouts[0]) == list(layouts[1])


def test_found_inf_skips_the_update() -> None:
    weight = torch.randn(8, 6, 4, 4).contiguous(memory_format=torch.channels_last)
    leaf = nn.Parameter(weight.clone())
    optimizer = ChannelsLastAdam([leaf], fused=True)
    leaf.grad = torch.full_like(leaf, torch.nan)
    optimizer.found_inf = torch.ones(())  # type: ignore[attr-defined]
    optimizer.step()
    assert torch.equal(leaf.detach(), weight)


def test_a_step_on_a_cpu_does_not_import_torch_dynamo() -> None:
    code = """
import sys, torch
from i2i.training.optim import ChannelsLastAdam
weight = torch.nn.Parameter(torch.ones(2))
optimizer = ChannelsLastAdam([weight], fused=True)
weight.sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""
    assert run("-c", code).returncode == 0
