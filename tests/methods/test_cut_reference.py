"""CUT and FastCUT against an independent implementation."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.projector import sample_locations
from tests.methods.helpers import gradient_step, merge_losses, run_step
from tests.methods.test_cut import FAST, batch, tiny

LAYERS = (0, 4, 8, 12)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def published_nce(q: Tensor, k: Tensor, temperature: float) -> Tensor:
    """PatchNCE of queries and keys (P, C) of one image, with the positive before the negatives, as published."""
    positive = (q * k).sum(1, keepdim=True)
    negative = (q @ k.T).masked_fill(torch.eye(len(q), dtype=torch.bool), -10.0)
    return F.cross_entropy(torch.cat([positive, negative], 1) / temperature, torch.zeros(len(q), dtype=torch.long))


def encode(G: nn.Module, images: Tensor) -> list[Tensor]:
    features, x = [], images
    for index, layer in enumerate([*G.encoder, *G.blocks]):
        x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        if index in LAYERS:
            features.append(x)
    return features


def reference_step(
    nets: nn.ModuleDict, images: tuple[Tensor, Tensor], locations: list[Tensor], flipped: Tensor | None, weight: float
) -> dict[str, Tensor]:
    """One step of CUT or FastCUT, implemented independently from the paper and its code.

    locations: (N, P) for each layer, of the images of A and, with the identity part, of B after them.
    """
    G, H, D = nets["G"], nets["H"], nets["D"]
    real_a, real_b = images
    lr = 0.01

    def mse(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, target))

    def nce(source: Tensor, translated: Tensor, rows: slice) -> Tensor:
        keys, queries = encode(G, source), encode(G, translated)
        total = torch.zeros((), dtype=torch.float64)
        for head, k, q, indices in zip(H.heads, keys, queries, [item[rows] for item in locations], strict=True):
            for n in range(len(source)):
                unflipped = q[n].flip(2) if flipped is not None and flipped[n] else q[n]
                a, b = (head(x.flatten(1).T[indices[n]]) for x in (unflipped, k[n]))
                a, b = a / (a.norm(dim=1, keepdim=True) + 1e-7), b / (b.norm(dim=1, keepdim=True) + 1e-7)
                total = total + published_nce(a, b.detach(), 0.07) / len(source) / len(H.heads)
        return total

    n = len(real_a)
    inputs = real_a
    if flipped is not None:
        inputs = torch.stack([x.flip(2) if flip else x for x, flip in zip(real_a, flipped, strict=True)])
    fake_b = G(inputs)
    terms = {"D/adversarial": 0.5 * (mse(D(real_b), 1.0) + mse(D(fake_b.detach()), 0.0))}
    gradient_step(list(D.parameters()), terms["D/adversarial"], lr)
    terms["G/adversarial"] = mse(D(fake_b), 1.0)
    if flipped is None:
        terms["G/nce"] = 0.5 * weight * nce(real_a, fake_b, slice(n))
        terms["G/nce_identity"] = 0.5 * weight * nce(real_b, G(real_b), slice(n, None))
    else:
        terms["G/nce"] = weight * nce(real_a, fake_b, slice(n))
    gradient_step([*G.parameters(), *H.parameters()], sum(v for k, v in terms.items() if k.startswith("G/")), lr)
    return terms


@pytest.mark.parametrize("fast", [False, True])
def test_three_steps_equal_those_of_an_independent_implementation(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    method = tiny(**FAST if fast else {}).double()
    nets = {"G": method.G, "H": method.H, "D": method.D_B}
    reference = copy.deepcopy(nn.ModuleDict(nets))
    for step in range(3):
        images, locations = batch(2, torch.float64), []

        def record(x: Tensor, count: int, groups: int, locations: list[Tensor] = locations) -> Tensor:
            locations.append(sample_locations(x, count))
            return locations[-1]

        flipped = torch.tensor([[True], [False]]) if fast else None
        with monkeypatch.context() as patch:
            patch.setattr("i2i.methods.cut.sample_locations", record)
            if fast:
                patch.setattr("i2i.methods.cut.coin_flips", lambda x, groups, sides=flipped: sides)
            losses = merge_losses(run_step(method, images, step))
        expected = reference_step(reference, images, locations, flipped, 10.0 if fast else 1.0)
        assert losses.keys() == expected.keys()
        for name, value in losses.items():
            assert value.item() == pytest.approx(expected[name].item(), rel=1e-9), name
    for (name, a), b in zip(nn.ModuleDict(nets).state_dict().items(), reference.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8, msg=name)
