import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.losses.pixel import robust_colour_distance
from i2i.methods.cut import CUT, CUTConfig
from i2i.networks import PatchGANConfig, ResnetConfig, UnetConfig
from tests.methods.helpers import random_batch, run_step, trainable

SIZE = 16
TINY = {
    "generator": ResnetConfig(ngf=4, blocks=1, antialias=True, upsampling="bilinear", weight_init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, antialias=True, weight_init="kaiming"),
    "nce_layers": "0,4,8,12",
    "nce_num_patches": 8,
    "nce_dim": 8,
}
FAST = {"weight_nce": 10.0, "nce_identity": False, "flip_equivariance": True}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> CUT:
    return CUT(CUTConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    return random_batch(count, SIZE, dtype=dtype)


def record_generator(method: CUT) -> list[tuple[Tensor, Tensor]]:
    """Return a list that gets the inputs and the outputs of each forward pass of G."""
    passes: list[tuple[Tensor, Tensor]] = []
    method.G.register_forward_hook(lambda _, args, fakes: passes.append((args[0], fakes)))
    method.translate.register_forward_hook(lambda _, args, outputs: passes.append((args[0], outputs[0])))
    return passes


def test_the_discriminator_moves_first_then_generator_and_projector() -> None:
    method = tiny()
    before = copy.deepcopy(method)
    assert [player for player, _ in run_step(method, batch())] == ["D", "G"]
    for trained, original in [(method.G, before.G), (method.H, before.H), (method.D_B, before.D_B)]:
        pairs = zip(trained.parameters(), original.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, ["G/adversarial", "G/nce", "G/nce_identity"]),
        (FAST, ["G/adversarial", "G/nce"]),
        ({"weight_nce": 0.0}, ["G/adversarial"]),
    ],
)
def test_the_losses_have_their_names(options: dict[str, Any], terms: list[str]) -> None:
    (_, D), (_, G) = run_step(tiny(**options), batch())
    assert list(D) == ["D/adversarial"]
    assert list(G) == terms


def test_every_weight_has_a_player_and_g_is_the_only_translator() -> None:
    method = tiny()
    weights = [id(weight) for modules in method.players().values() for weight in trainable(*modules)]
    assert sorted(weights) == sorted(id(weight) for weight in method.parameters() if weight.requires_grad)
    assert set(method.players()["G"]) >= {method.G, method.H}
    assert method.players()["D"] == [method.D_B]
    assert method.translators() == {"AtoB": method.G}
    assert method.generator_config() == TINY["generator"]


def test_without_the_identity_loss_b_is_not_translated() -> None:
    for nce_identity in (True, False):
        method, images = tiny(nce_identity=nce_identity), batch()
        passes = record_generator(method)
        run_step(method, images)
        inputs = torch.cat([x for x, _ in passes])
        assert torch.equal(inputs, torch.cat(images) if nce_identity else images[0])


@pytest.mark.parametrize("options", [{}, FAST])
def test_the_contrastive_loss_trains_generator_and_projector_but_not_through_the_keys(
    options: dict[str, Any],
) -> None:
    method, requires_grad = tiny(**options), []
    method.H.register_forward_hook(
        lambda _, args, outputs: requires_grad.append({x.requires_grad for x in (*args[0], *outputs)})
    )
    *_, (_, losses) = method.turns(batch(), 0)
    assert requires_grad == [{False}, {True}]  # keys, queries
    weights = trainable(*method.players()["G"])
    losses["G/nce"].backward(inputs=weights)
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_an_equivariant_generator_has_the_same_loss_for_mirrored_images(monkeypatch: pytest.MonkeyPatch) -> None:
    method = tiny(**FAST, nce_layers="0").double()
    for weight in (layer.weight for layer in method.G.modules() if isinstance(layer, nn.Conv2d)):
        weight.data.copy_((weight + weight.flip(3)) / 2)  # symmetric kernels
    method.G.encoder[7] = method.G.encoder[11] = nn.AvgPool2d(2)
    images, values = batch(2, torch.float64), []
    for flipped in (True, False):
        monkeypatch.setattr(
            "i2i.methods.cut.coin_flips", lambda x, groups, value=flipped: torch.full((len(x), 1), value)
        )
        torch.manual_seed(3)
        *_, (_, losses) = method.turns(images, 0)
        values.append(losses["G/nce"].item())
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_with_flip_equivariance_half_of_the_images_are_translated_mirrored() -> None:
    method, (real_a, real_b) = tiny(**FAST), batch(8)
    passes, mirrored = record_generator(method), 0
    for step in range(25):
        run_step(method, (real_a, real_b), step, lr=0.0)
        for x, original in zip(passes[-1][0], real_a, strict=True):
            assert torch.equal(x, original) or torch.equal(x, original.flip(2))
            mirrored += not torch.equal(x, original)
    assert mirrored == pytest.approx(100, abs=30)


@pytest.mark.parametrize("extra", [{"norm": "batch"}, {"dropout": 0.5}, {"spectral_norm": True}])
def test_a_generator_that_depends_on_the_batch_gets_one_domain_at_a_time(extra: dict[str, Any]) -> None:
    generator = ResnetConfig(ngf=2, blocks=1, antialias=True, **extra)
    method, images = tiny(generator=generator), batch()
    passes, encoded = record_generator(method), []
    method.encode.register_forward_hook(lambda _, args, __: encoded.append(args[0].detach()))
    run_step(method, images)
    assert [torch.equal(x, real) for (x, _), real in zip(passes, images, strict=True)] == [True, True]
    fakes = [fake.detach() for _, fake in passes]  # keys and queries have separate passes
    assert all(torch.equal(x, y) for x, y in zip(encoded, (*images, *fakes), strict=True))


class NoSynchronisation(TorchDispatchMode):
    """Forbids operations that synchronise with the device."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert op.overloadpacket.__name__ not in {"_local_scalar_dense", "nonzero", "masked_select", "equal"}, op
        return op(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{}, FAST])
def test_a_step_does_not_synchronise_with_the_device(options: dict[str, Any]) -> None:
    with NoSynchronisation():
        run_step(tiny(**options), batch(2))
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            torch.zeros(()).item()


def test_a_deep_copy_encodes_with_its_own_generator() -> None:
    method, image = tiny(), batch()[0]
    reference = copy.deepcopy(method)
    nn.init.zeros_(reference.G.encoder[1].weight)
    assert reference.encode(image, [4])[0].abs().max() == 0
    assert method.encode(image, [4])[0].abs().max() > 0


def test_with_d_steps_5_the_generator_moves_at_every_fifth_step() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan", d_steps=5))
    order = ["".join(player for player, _ in run_step(method, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2
    assert method.graph_key(3) != method.graph_key(4) == method.graph_key(9)


@pytest.mark.parametrize("loss", GAN_LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_adversarial_loss_trains_a_step_with_finite_losses(loss: str, dtype: torch.dtype) -> None:
    method = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    before = nn.utils.parameters_to_vector(method.parameters()).detach().clone()
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        turns = run_step(method, batch(2))
    assert all(value.isfinite() for _, losses in turns for value in losses.values())
    after = nn.utils.parameters_to_vector(method.parameters())
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_nce": -1.0}, "weight_nce is -1.0"),
        ({"nce_temperature": 0.0}, "nce_temperature is 0.0"),
        ({"nce_num_patches": 1}, "nce_num_patches is 1"),
        ({"nce_dim": 0}, "nce_dim is 0"),
        ({"nce_layers": ""}, "nce_layers is ''; it must be different whole numbers"),
        ({"nce_layers": "0,4,4"}, "nce_layers"),
        ({"nce_layers": "0,-4"}, "nce_layers"),
        ({"nce_layers": "0 4"}, "nce_layers"),
        ({"adversarial": AdversarialConfig(loss="wgan-gp"), "discriminator": PatchGANConfig(norm="batch")},
         "Add --d-norm instance"),
    ],
)  # fmt: skip
def test_options_out_of_bounds_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CUTConfig(**{**TINY, **options})


def test_layers_may_be_listed_in_any_order() -> None:
    assert CUTConfig(**{**TINY, "nce_layers": "8, 0,12"}).layers() == [0, 8, 12]
    run_step(tiny(nce_layers="8, 0,12"), batch())


def test_layers_that_the_generator_lacks_are_refused_with_the_valid_range() -> None:
    with pytest.raises(ConfigError, match=r"nce_layers names layer 16; .* layers 0 to 12\. "):
        tiny(nce_layers="0,4,8,12,16")


def test_a_unet_is_refused_as_config_and_as_json() -> None:
    with pytest.raises(ConfigError, match="generator is 'unet'"):
        CUT(CUTConfig(generator=UnetConfig()), 32)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"generator\.network is 'unet'; it must be one of resnet"):
        merge(CUTConfig(), {"generator": {"network": "unet"}})


def test_images_too_small_for_the_discriminator_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs images of at least 24 px; size is 16"):
        CUT(CUTConfig(), SIZE)


def test_samples_are_the_translations_of_both_domains() -> None:
    method, (real_a, real_b) = tiny(), batch(2)
    samples = method.sample_images((real_a, real_b), method.translators())
    assert list(samples) == ["input", "translation", "target", "its translation"]
    torch.testing.assert_close(samples["translation"], method.G(real_a))
    torch.testing.assert_close(samples["its translation"], method.G(real_b))


def test_the_reconstruction_steps_train_only_the_reconstruction() -> None:
    method = tiny(reconstruction_steps=2, weight_background=1.0)
    images = batch()
    steps = [run_step(method, images, step) for step in range(3)]
    assert [[(player, list(losses)) for player, losses in turns] for turns in steps[:2]] == [
        [("G", ["G/reconstruction"])]
    ] * 2
    assert float(steps[1][0][1]["G/reconstruction"].detach()) < float(steps[0][0][1]["G/reconstruction"].detach())
    assert [player for player, _ in steps[2]] == ["D", "G"]
    assert method.graph_key(1) != method.graph_key(2) == method.graph_key(3)


def test_the_background_loss_is_the_robust_distance_to_the_translated_input() -> None:
    method = tiny(weight_background=3.0, nce_identity=False)
    real_a, _ = images = batch(3)
    _, (_, losses) = run_step(method, images)
    for flipped in (False, True):
        torch.manual_seed(1)
        method = tiny(weight_background=3.0, flip_equivariance=flipped, nce_identity=False)
        passes = record_generator(method)
        _, (_, losses) = run_step(method, images)
        (inputs, fakes), *_ = passes
        expected = 3 * robust_colour_distance(fakes[:3], inputs[:3])
        torch.testing.assert_close(losses["G/background"], expected)
    assert not torch.equal(inputs[:3], real_a)  # one of the three was translated mirrored
