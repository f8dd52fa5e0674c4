import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import i2i
from i2i.checkpoints.run import load_bundle
from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.adversarial import GAMES, AdversarialConfig
from i2i.losses.pixel import robust_colour_distance
from i2i.methods.cut import CUT, CUTConfig
from i2i.networks import PatchGANConfig, ResnetConfig, UnetConfig
from i2i.networks.projector import draw_places
from i2i.recipes import RECIPES, launch
from i2i.training.progress import TrainingProgress

SIZE = 16
TINY = {
    "generator": ResnetConfig(ngf=4, blocks=1, antialias=True, upsampling="bilinear", init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, antialias=True, init="kaiming"),
    "nce_layers": "0,4,8,12",
    "nce_patches": 8,
    "nce_features": 8,
}
FAST = {"weight_nce": 10.0, "nce_identity": False, "flip_equivariance": True}
LAYERS = (0, 4, 8, 12)
Played = list[tuple[str, dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> CUT:
    return CUT(CUTConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return (
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
    )


def play(objective: CUT, pictures: tuple[Tensor, Tensor], step: int = 0, lr: float = 0.01) -> Played:
    """One step, the trainer's way."""
    played = []
    for player, losses in objective.turns(pictures, step):
        weights = trained(objective, player)
        optimizer = torch.optim.SGD(weights, lr)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        optimizer.step()
        played.append((player, losses))
    return played


def trained(objective: CUT, player: str) -> list[nn.Parameter]:
    return [w for module in objective.players()[player] for w in module.parameters() if w.requires_grad]


def seen_by_generator(objective: CUT) -> list[tuple[Tensor, Tensor]]:
    """Filled with each whole pass of G: pictures and translations."""
    passes: list[tuple[Tensor, Tensor]] = []
    G, traced = objective.G, objective.translate
    G.register_forward_hook(lambda _, given, fakes: passes.append((given[0], fakes)))
    traced.register_forward_hook(lambda _, given, found: passes.append((given[0], found[0])))
    return passes


def test_the_critic_moves_first_then_the_generator_with_the_projector() -> None:
    objective = tiny()
    before = copy.deepcopy(objective)
    assert [player for player, _ in play(objective, batch())] == ["D", "G"]
    for moved, other in [(objective.G, before.G), (objective.H, before.H), (objective.D_B, before.D_B)]:
        pairs = zip(moved.parameters(), other.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, ["G/adversarial", "G/nce", "G/nce_identity"]),
        (FAST, ["G/adversarial", "G/nce"]),
        ({"weight_nce": 0.0}, ["G/adversarial"]),
    ],
)
def test_the_terms_have_their_names(options: dict[str, Any], terms: list[str]) -> None:
    (_, D), (_, G) = play(tiny(**options), batch())
    assert list(D) == ["D/adversarial"]
    assert list(G) == terms


def test_every_weight_has_a_player_and_one_translator_ships() -> None:
    objective = tiny()
    held = [id(weight) for player in ("G", "D") for weight in trained(objective, player)]
    assert sorted(held) == sorted(id(weight) for weight in objective.parameters() if weight.requires_grad)
    assert set(objective.players()["G"]) >= {objective.G, objective.H}
    assert objective.players()["D"] == [objective.D_B]
    assert objective.translators() == {"AtoB": objective.G}
    assert objective.generator_config() == TINY["generator"]


def test_without_the_identity_part_b_never_passes_the_generator() -> None:
    for wanted in (True, False):
        objective, pictures = tiny(nce_identity=wanted), batch()
        passes = seen_by_generator(objective)
        play(objective, pictures)
        shown = torch.cat([given for given, _ in passes])
        assert torch.equal(shown, torch.cat(pictures) if wanted else pictures[0])


def nce_in_full(q: Tensor, k: Tensor, temperature: float) -> Tensor:
    """Of queries and keys (P, C) of one picture, with the positive beside each row of negatives, as published."""
    positive = (q * k).sum(1, keepdim=True)
    negative = (q @ k.T).masked_fill(torch.eye(len(q), dtype=torch.bool), -10.0)
    return F.cross_entropy(torch.cat([positive, negative], 1) / temperature, torch.zeros(len(q), dtype=torch.long))


def encoded(G: nn.Module, pictures: Tensor) -> list[Tensor]:
    maps, x = [], pictures
    for place, layer in enumerate([*G.encoder, *G.blocks]):
        x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        maps += [x] if place in LAYERS else []
    return maps


def reference_step(
    nets: nn.ModuleDict, pictures: tuple[Tensor, Tensor], places: list[Tensor], flipped: Tensor | None, weight: float
) -> dict[str, Tensor]:
    """One step of CUT or FastCUT written down a second time, from the paper and its code, with nothing shared.

    places: (N, P) for each layer, of A's pictures and, with the identity part, of B's after them.
    """
    G, H, D = nets["G"], nets["H"], nets["D"]
    real_a, real_b = pictures
    lr = 0.01

    def mse(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, target))

    def nce(source: Tensor, translated: Tensor, rows: slice) -> Tensor:
        keys, queries = encoded(G, source), encoded(G, translated)
        total = torch.zeros((), dtype=torch.float64)
        for head, k, q, where in zip(H.heads, keys, queries, [at[rows] for at in places], strict=True):
            for n in range(len(source)):
                back = q[n].flip(2) if flipped is not None and flipped[n] else q[n]
                a, b = (head(x.flatten(1).T[where[n]]) for x in (back, k[n]))
                a, b = a / (a.norm(dim=1, keepdim=True) + 1e-7), b / (b.norm(dim=1, keepdim=True) + 1e-7)
                total = total + nce_in_full(a, b.detach(), 0.07) / len(source) / len(H.heads)
        return total

    n = len(real_a)
    shown = (
        real_a
        if flipped is None
        else torch.stack([x.flip(2) if f else x for x, f in zip(real_a, flipped, strict=True)])
    )
    fake_b = G(shown)
    terms = {"D/adversarial": 0.5 * (mse(D(real_b), 1.0) + mse(D(fake_b.detach()), 0.0))}
    descend(list(D.parameters()), terms["D/adversarial"], lr)
    terms["G/adversarial"] = mse(D(fake_b), 1.0)
    if flipped is None:
        terms["G/nce"] = 0.5 * weight * nce(real_a, fake_b, slice(n))
        terms["G/nce_identity"] = 0.5 * weight * nce(real_b, G(real_b), slice(n, None))
    else:
        terms["G/nce"] = weight * nce(real_a, fake_b, slice(n))
    descend([*G.parameters(), *H.parameters()], sum(v for k, v in terms.items() if k.startswith("G/")), lr)
    return terms


def descend(weights: list[nn.Parameter], loss: Tensor, lr: float) -> None:
    weights = [weight for weight in weights if weight.requires_grad]
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= lr * slope


@pytest.mark.parametrize("fast", [False, True])
def test_three_steps_equal_those_of_an_independent_implementation(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = tiny(**FAST if fast else {}).double()
    nets = {"G": objective.G, "H": objective.H, "D": objective.D_B}
    twin = copy.deepcopy(nn.ModuleDict(nets))
    for step in range(3):
        pictures, drawn = batch(2, torch.float64), []

        def draw(x: Tensor, count: int, drawn: list[Tensor] = drawn) -> Tensor:
            drawn.append(draw_places(x, count))
            return drawn[-1]

        flipped = torch.tensor([[True], [False]]) if fast else None
        with monkeypatch.context() as patch:
            patch.setattr("i2i.methods.cut.draw_places", draw)
            if fast:
                patch.setattr("i2i.methods.cut.coins", lambda x, sides=flipped: sides)
            played = play(objective, pictures, step)
        expected = reference_step(twin, pictures, drawn, flipped, 10.0 if fast else 1.0)
        found = {name: value for _, losses in played for name, value in losses.items()}
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.item() == pytest.approx(expected[name].item(), rel=1e-9), name
    for (name, a), b in zip(nn.ModuleDict(nets).state_dict().items(), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8, msg=name)


@pytest.mark.parametrize("options", [{}, FAST])
def test_the_contrastive_gradient_reaches_all_of_generator_and_projector_but_not_the_keys(
    options: dict[str, Any],
) -> None:
    objective, asked = tiny(**options), []
    objective.H.register_forward_hook(
        lambda _, given, answers: asked.append({x.requires_grad for x in (*given[0], *answers)})
    )
    *_, (_, losses) = objective.turns(batch(), 0)
    assert asked == [{False}, {True}]  # keys, queries
    weights = trained(objective, "G")
    losses["G/nce"].backward(inputs=weights)
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_mirrored_pictures_cost_an_equivariant_generator_what_upright_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = tiny(**FAST, nce_layers="0").double()
    for weight in (layer.weight for layer in objective.G.modules() if isinstance(layer, nn.Conv2d)):
        weight.data.copy_((weight + weight.flip(3)) / 2)  # sees left and right alike
    objective.G.encoder[7] = objective.G.encoder[11] = nn.AvgPool2d(2)
    pictures, costs = batch(2, torch.float64), []
    for side in (True, False):
        monkeypatch.setattr("i2i.methods.cut.coins", lambda x, side=side: torch.full((len(x), 1), side))
        torch.manual_seed(3)
        *_, (_, losses) = objective.turns(pictures, 0)
        costs.append(losses["G/nce"].item())
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


def test_with_flip_equivariance_half_of_the_pictures_are_translated_mirrored() -> None:
    objective, (real_a, real_b) = tiny(**FAST), batch(8)
    passes, mirrored = seen_by_generator(objective), 0
    for step in range(25):
        play(objective, (real_a, real_b), step, lr=0.0)
        for shown, upright in zip(passes[-1][0], real_a, strict=True):
            assert torch.equal(shown, upright) or torch.equal(shown, upright.flip(2))
            mirrored += not torch.equal(shown, upright)
    assert mirrored == pytest.approx(100, abs=30)


@pytest.mark.parametrize("extra", [{"norm": "batch"}, {"dropout": 0.5}, {"spectral_norm": True}])
def test_a_generator_that_minds_company_is_passed_one_domain_at_a_time(extra: dict[str, Any]) -> None:
    generator = ResnetConfig(ngf=2, blocks=1, antialias=True, **extra)
    objective, pictures = tiny(generator=generator), batch()
    passes, encoded = seen_by_generator(objective), []
    objective.encode.register_forward_hook(lambda _, given, __: encoded.append(given[0].detach()))
    play(objective, pictures)
    assert [torch.equal(given, real) for (given, _), real in zip(passes, pictures, strict=True)] == [True, True]
    fakes = [fake.detach() for _, fake in passes]  # the keys have passes of their own, and so have the queries
    assert all(torch.equal(x, y) for x, y in zip(encoded, (*pictures, *fakes), strict=True))


class NoReads(TorchDispatchMode):
    """Forbids what makes the host wait for numbers of the device."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert op.overloadpacket.__name__ not in {"_local_scalar_dense", "nonzero", "masked_select", "equal"}, op
        return op(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{}, FAST])
def test_nothing_of_a_step_is_read_from_the_device(options: dict[str, Any]) -> None:
    with NoReads():
        play(tiny(**options), batch(2))
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            torch.zeros(()).item()


def test_a_copy_encodes_with_its_own_generator() -> None:
    objective, picture = tiny(), batch()[0]
    twin = copy.deepcopy(objective)
    nn.init.zeros_(twin.G.encoder[1].weight)
    assert twin.encode(picture, [4])[0].abs().max() == 0
    assert objective.encode(picture, [4])[0].abs().max() > 0


def test_with_five_critic_steps_the_generator_moves_at_every_fifth() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan", critic_steps=5))
    order = ["".join(player for player, _ in play(objective, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2
    assert objective.phase(3) != objective.phase(4) == objective.phase(9)


@pytest.mark.parametrize("loss", GAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_adversarial_loss_trains_a_step_with_finite_losses(loss: str, dtype: torch.dtype) -> None:
    objective = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    before = nn.utils.parameters_to_vector(objective.parameters()).detach().clone()
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        played = play(objective, batch(2))
    assert all(value.isfinite() for _, losses in played for value in losses.values())
    after = nn.utils.parameters_to_vector(objective.parameters())
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight_nce": -1.0}, "weight_nce is -1.0"),
        ({"nce_temperature": 0.0}, "nce_temperature is 0.0"),
        ({"nce_patches": 1}, "nce_patches is 1"),
        ({"nce_features": 0}, "nce_features is 0"),
        ({"nce_layers": ""}, "nce_layers is ''; it must be different whole numbers"),
        ({"nce_layers": "0,4,4"}, "nce_layers"),
        ({"nce_layers": "0,-4"}, "nce_layers"),
        ({"nce_layers": "0 4"}, "nce_layers"),
        ({"adversarial": AdversarialConfig(loss="wgan-gp"), "discriminator": PatchGANConfig(norm="batch")},
         "Add --d-norm instance"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        CUTConfig(**{**TINY, **options})


def test_layers_can_be_named_in_any_order() -> None:
    assert CUTConfig(**{**TINY, "nce_layers": "8, 0,12"}).layers() == [0, 8, 12]
    play(tiny(nce_layers="8, 0,12"), batch())


def test_layers_that_the_generator_has_not_got_are_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"names layer 16; .* layers 0 to 12\. .*--nce-layers"):
        tiny(nce_layers="0,4,8,12,16")


def test_a_unet_is_refused_whichever_way_it_comes() -> None:
    with pytest.raises(ConfigError, match="generator is 'unet'"):
        CUT(CUTConfig(generator=UnetConfig()), 32)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="generator is 'unet'; it must be one of resnet"):
        merge(CUTConfig(), {"generator": {"network": "unet"}})


def test_pictures_too_small_for_the_critic_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs images of at least 24 px; size is 16"):
        CUT(CUTConfig(), SIZE)


def test_the_papers_recipes_have_the_published_length_and_schedule() -> None:
    cut, fast = RECIPES["cut"]["paper"].training, RECIPES["cut"]["fastcut"].training
    assert [cut.lr_factor(epoch * 10, 10) for epoch in range(400)] == [
        1 - max(0, epoch + 1 - 200) / 201 for epoch in range(400)
    ]
    assert [fast.lr_factor(epoch * 10, 10) for epoch in range(200)] == [
        1 - max(0, epoch + 1 - 150) / 51 for epoch in range(200)
    ]


@pytest.mark.parametrize("name", RECIPES["cut"])
def test_every_recipe_builds_networks_that_take_its_size(name: str) -> None:
    with torch.device("meta"):
        RECIPES["cut"][name].build()


def small(data: Path, changes: Callable[..., dict[str, Any]], **training: Any) -> dict[str, Any]:
    wanted = changes(data, **training)
    wanted["model"] |= {"nce_layers": "0,4,8", "nce_patches": 8, "nce_features": 8}
    return wanted


@pytest.mark.parametrize("name", ["paper", "fastcut"])
def test_a_training_stopped_and_resumed_is_bit_equal_to_an_uninterrupted_one(
    name: str, unpaired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    whole = launch.start("cut", name, small(unpaired, changes, steps=5), "whole", TrainingProgress())
    whole.train()
    part = launch.start("cut", name, small(unpaired, changes, steps=5), "part", TrainingProgress())
    for pictures in part._batches():
        part._train_step(pictures)
        if part.step == 2:
            break
    part.save()
    part.run.unlock()
    torch.manual_seed(99)
    resumed = launch.resume("cut", None, {}, "part", TrainingProgress())
    assert resumed.step == 2
    resumed.train()
    for (key, a), b in zip(whole.objective.state_dict().items(), resumed.objective.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def test_a_bundle_holds_one_direction_and_translates(unpaired: Path, changes: Callable[..., dict[str, Any]]) -> None:
    trainer = launch.start("cut", "paper", small(unpaired, changes, steps=1), "run", TrainingProgress())
    trainer.train()
    bundle = load_bundle(trainer.run.bundle_path)
    assert bundle.header["directions"] == ["AtoB"]
    assert all(name.startswith("AtoB.") for name in bundle.tensors)
    assert bundle.of("AtoB").keys() == trainer.objective.G.state_dict().keys()
    card = (trainer.run.path / "card.md").read_text()
    assert "| directions | AtoB |" in card
    assert "BtoA" not in card.split("Settings")[0]
    translator = i2i.load("run", device="cpu")
    assert translator.direction == "AtoB"


def test_samples_show_the_translation_and_what_becomes_of_b() -> None:
    objective, (real_a, real_b) = tiny(), batch(2)
    shown = objective.samples((real_a, real_b), objective.translators())
    assert list(shown) == ["input", "translation", "target", "its translation"]
    torch.testing.assert_close(shown["translation"], objective.G(real_a))
    torch.testing.assert_close(shown["its translation"], objective.G(real_b))


def test_the_first_steps_learn_to_reproduce_their_inputs_and_nothing_else() -> None:
    objective = tiny(reconstruction_steps=2, weight_background=1.0)
    pictures = batch()
    turns = [play(objective, pictures, step) for step in range(3)]
    assert [[(player, list(losses)) for player, losses in played] for played in turns[:2]] == [
        [("G", ["G/reconstruction"])]
    ] * 2
    assert float(turns[1][0][1]["G/reconstruction"].detach()) < float(turns[0][0][1]["G/reconstruction"].detach())
    assert [player for player, _ in turns[2]] == ["D", "G"]
    assert objective.phase(1) != objective.phase(2) == objective.phase(3)


def test_the_background_term_is_the_robust_distance_to_the_input_that_was_translated() -> None:
    objective = tiny(weight_background=3.0, nce_identity=False)
    real_a, _ = pictures = batch(3)
    _, (_, losses) = play(objective, pictures)
    for flipped in (False, True):
        torch.manual_seed(1)
        objective = tiny(weight_background=3.0, flip_equivariance=flipped, nce_identity=False)
        passes = seen_by_generator(objective)
        _, (_, losses) = play(objective, pictures)
        (seen, fakes), *_ = passes
        expected = 3 * robust_colour_distance(fakes[:3], seen[:3])
        torch.testing.assert_close(losses["G/background"], expected)
    assert not torch.equal(seen[:3], real_a)  # one of the three was translated mirrored
