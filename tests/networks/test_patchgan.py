import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import PatchGAN, PatchGANConfig, check_size
from i2i.networks.layers import InstanceNorm

FIELDS = [1, 16, 34, 70, 142, 286]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_published_patchgan_has_2_764_737_parameters() -> None:
    with torch.device("meta"):
        network = PatchGAN(PatchGANConfig())
    assert sum(weight.numel() for weight in network.parameters()) == 2_764_737


@pytest.mark.parametrize("field", FIELDS)
def test_one_judgement_sees_exactly_its_receptive_field(field: int) -> None:
    critic = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field, norm="none", init="kaiming")).double()
    picture = torch.rand(1, 3, 2 * field + 32, 2 * field + 32, dtype=torch.float64, requires_grad=True)
    logits = critic(picture)
    middle = logits.shape[-1] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, middle, middle], picture)
    seen = slope[0].abs().sum(0) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum()), int(seen.sum())) == (field, field, field**2)


@pytest.mark.parametrize(("field", "logits"), [(1, 256), (16, 126), (34, 62), (70, 30), (142, 14), (286, 6)])
def test_a_picture_of_256_pixels_gets_a_map_of_judgements(field: int, logits: int) -> None:
    critic = PatchGAN(PatchGANConfig(ndf=1, receptive_field=field))
    assert critic(torch.zeros(2, 3, 256, 256)).shape == (2, 1, logits, logits)


def test_a_conditional_critic_takes_6_channels() -> None:
    assert PatchGAN(PatchGANConfig(ndf=2), channels=6)(torch.zeros(1, 6, 32, 32)).shape == (1, 1, 2, 2)


@pytest.mark.parametrize(("norm", "kind"), [("instance", InstanceNorm), ("batch", nn.BatchNorm2d)])
@pytest.mark.parametrize(("field", "norms"), [(1, 1), (16, 1), (70, 3)])
def test_every_layer_but_the_first_and_the_last_has_a_norm(norm: str, kind: type, field: int, norms: int) -> None:
    critic = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field, norm=norm))
    assert [type(part) for part in critic.body][:2] == [nn.Conv2d, nn.LeakyReLU]
    assert sum(isinstance(part, kind) for part in critic.modules()) == norms


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_the_smallest_input_leaves_one_judgement_and_a_pixel_less_leaves_none(field: int, norm: str) -> None:
    config = PatchGANConfig(ndf=2, receptive_field=field, norm=norm)
    critic, size = PatchGAN(config).eval(), config.smallest_input()
    assert critic(torch.zeros(1, 3, size, size)).shape == (1, 1, 1, 1)
    check_size(config, size)
    with pytest.raises(ConfigError, match=rf"receptive field {field} needs .* at least {size} px; size is {size - 1}"):
        check_size(config, size - 1)
    with pytest.raises(RuntimeError):
        critic(torch.zeros(1, 3, size - 1, size - 1))


def test_a_size_too_small_is_answered_with_a_receptive_field_that_fits() -> None:
    with pytest.raises(ConfigError, match="--d-receptive-field 34"):
        check_size(PatchGANConfig(receptive_field=70), 16)


@pytest.mark.parametrize(("change", "named"), [({"receptive_field": 71}, "receptive_field is 71"), ({"ndf": 0}, "ndf")])
def test_a_patchgan_that_does_not_exist_is_refused(change: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        PatchGANConfig(**change)


def test_spectral_norm_bounds_the_singular_values_of_every_convolution() -> None:
    critic = PatchGAN(PatchGANConfig(ndf=4, receptive_field=34, init="kaiming", spectral_norm=True))
    for _ in range(100):
        critic(torch.randn(1, 3, 32, 32))
    layers = [part for part in critic.modules() if isinstance(part, nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


def test_the_logits_stay_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert PatchGAN(PatchGANConfig(ndf=2))(torch.zeros(1, 3, 32, 32)).dtype == torch.float32
