import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import PatchGAN, PatchGANConfig, check_input_size
from i2i.networks.instance_norm import InstanceNorm
from i2i.networks.patchgan import MultiScalePatchGAN

RECEPTIVE_FIELDS = [1, 16, 34, 70, 142, 286]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_published_patchgan_has_2_764_737_parameters() -> None:
    with torch.device("meta"):
        network = PatchGAN(PatchGANConfig())
    assert sum(weight.numel() for weight in network.parameters()) == 2_764_737


@pytest.mark.parametrize("field", RECEPTIVE_FIELDS)
def test_a_logit_depends_on_exactly_its_receptive_field(field: int) -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field, norm="none", weight_init="kaiming")).double()
    image = torch.rand(1, 3, 2 * field + 32, 2 * field + 32, dtype=torch.float64, requires_grad=True)
    logits = discriminator(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    visible = gradient[0].abs().sum(0) > 0
    assert (int(visible.any(0).sum()), int(visible.any(1).sum()), int(visible.sum())) == (field, field, field**2)


@pytest.mark.parametrize(("field", "logits"), [(1, 256), (16, 126), (34, 62), (70, 30), (142, 14), (286, 6)])
def test_the_number_of_logits_for_256_pixels(field: int, logits: int) -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=1, receptive_field=field))
    assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, 1, logits, logits)


def test_a_conditional_discriminator_takes_6_channels() -> None:
    assert PatchGAN(PatchGANConfig(ndf=2), channels=6)(torch.zeros(1, 6, 32, 32)).shape == (1, 1, 2, 2)


@pytest.mark.parametrize(("norm", "kind"), [("instance", InstanceNorm), ("batch", nn.BatchNorm2d)])
@pytest.mark.parametrize(("field", "norms"), [(1, 1), (16, 1), (70, 3)])
def test_every_layer_but_the_first_and_the_last_has_a_norm(norm: str, kind: type, field: int, norms: int) -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field, norm=norm))
    assert [type(part) for part in discriminator.body][:2] == [nn.Conv2d, nn.LeakyReLU]
    assert sum(isinstance(part, kind) for part in discriminator.modules()) == norms


@pytest.mark.parametrize("field", RECEPTIVE_FIELDS)
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_the_smallest_input_gives_one_logit_and_a_smaller_one_is_refused(field: int, norm: str) -> None:
    config = PatchGANConfig(ndf=2, receptive_field=field, norm=norm)
    discriminator = PatchGAN(config).eval()
    size = config.min_input_size()
    assert discriminator(torch.zeros(1, 3, size, size)).shape == (1, 1, 1, 1)
    check_input_size(config, size)
    with pytest.raises(ConfigError, match=rf"receptive field {field} needs .* at least {size} px; size is {size - 1}"):
        check_input_size(config, size - 1)
    with pytest.raises(RuntimeError):
        discriminator(torch.zeros(1, 3, size - 1, size - 1))


def test_the_error_for_a_small_size_names_a_receptive_field_that_fits() -> None:
    with pytest.raises(ConfigError, match="--d-receptive-field 34"):
        check_input_size(PatchGANConfig(receptive_field=70), 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"receptive_field": 71}, "receptive_field is 71"), ({"ndf": 0}, "ndf"), ({"scales": 0}, "scales is 0")],
)
def test_values_out_of_range_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PatchGANConfig(**change)


def test_spectral_norm_bounds_the_singular_values_of_every_convolution() -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=4, receptive_field=34, weight_init="kaiming", spectral_norm=True))
    for _ in range(100):
        discriminator(torch.randn(1, 3, 32, 32))
    layers = [part for part in discriminator.modules() if isinstance(part, nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


def test_the_logits_stay_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert PatchGAN(PatchGANConfig(ndf=2))(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_one_scale_is_a_patchgan_with_its_tensor_names() -> None:
    discriminator = PatchGANConfig(ndf=2).build(channels=6)
    assert type(discriminator) is PatchGAN
    assert discriminator.state_dict().keys() == PatchGAN(PatchGANConfig(ndf=2), channels=6).state_dict().keys()


def test_each_scale_has_its_own_patchgan_on_images_of_half_the_size() -> None:
    discriminator = PatchGANConfig(ndf=2, receptive_field=16, scales=3).build()
    assert isinstance(discriminator, MultiScalePatchGAN)
    image = torch.rand(2, 3, 33, 33)
    sizes = [image]
    for _ in range(2):  # the mean of the existing 3×3 neighbours of every second pixel
        x = sizes[-1]
        spans = [slice(max(i - 1, 0), i + 2) for i in range(0, x.shape[2], 2)]
        sizes.append(torch.stack([torch.stack([x[:, :, i, j].mean((2, 3)) for j in spans], 2) for i in spans], 2))
    assert [x.shape[2] for x in sizes] == [33, 17, 9]
    for logits, patchgan, x in zip(discriminator(image), discriminator.critics, sizes, strict=True):
        torch.testing.assert_close(logits, patchgan(x))
    weights = [next(patchgan.parameters()) for patchgan in discriminator.critics]
    assert not any(torch.equal(weights[0], other) for other in weights[1:])


@pytest.mark.parametrize("field", [1, 16, 70])
@pytest.mark.parametrize("scales", [2, 3])
def test_the_smallest_input_gives_one_logit_at_the_coarsest_scale(field: int, scales: int) -> None:
    config = PatchGANConfig(ndf=2, receptive_field=field, scales=scales)
    discriminator = config.build().eval()
    size = config.min_input_size()
    assert discriminator(torch.zeros(1, 3, size, size))[-1].shape == (1, 1, 1, 1)
    check_input_size(config, size)
    if field > 1:
        with pytest.raises(ConfigError, match=rf"at {scales} scales needs .* at least {size} px.*fewer --d-scales"):
            check_input_size(config, size - 1)
        with pytest.raises(RuntimeError):
            discriminator(torch.zeros(1, 3, size - 1, size - 1))


@pytest.mark.parametrize(("field", "layers"), [(1, 2), (16, 2), (70, 4)])
@pytest.mark.parametrize("antialias", [False, True])
def test_features_are_the_activations_of_every_layer_but_the_last(field: int, layers: int, antialias: bool) -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=2, receptive_field=field, antialias=antialias))
    image = torch.rand(2, 3, 32, 32)
    logits, features = discriminator.with_features(image)
    assert torch.equal(logits, discriminator(image))
    assert len(features) == layers
    torch.testing.assert_close(features[0], nn.functional.leaky_relu(discriminator.body[0](image), 0.2))


def test_features_of_several_scales_are_concatenated() -> None:
    discriminator = PatchGANConfig(ndf=2, receptive_field=16, scales=2).build()
    image = torch.rand(1, 3, 32, 32)
    logits, features = discriminator.with_features(image)
    assert [x.shape[2] for x in features] == [16, 15, 8, 7]
    assert all(torch.equal(a, b) for a, b in zip(logits, discriminator(image), strict=True))
