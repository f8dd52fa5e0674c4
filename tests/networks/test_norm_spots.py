import pytest
import torch

from i2i.networks import ResnetConfig
from i2i.networks.norm_spots import MIN_LOCATIONS, highest_spot_share, record_spot_shares, spot_share


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("channels", "share"), [(1, 0.08), (256, 0.0125)])
def test_noise_has_a_small_share(channels: int, share: float) -> None:
    assert spot_share(torch.randn(2, channels, 64, 64)).item() == pytest.approx(share, abs=0.008)


def test_a_spot_of_one_location_has_nearly_the_whole_share() -> None:
    x = torch.randn(1, 8, 40, 40)
    x[..., 3, 4] += 1000
    assert spot_share(x).item() > 0.98


def test_the_mean_of_a_map_does_not_count() -> None:
    x = torch.randn(1, 8, 40, 40, dtype=torch.float64)
    torch.testing.assert_close(spot_share(x + 100), spot_share(x), atol=1e-4, rtol=0)


def test_the_share_is_the_mean_over_the_images() -> None:
    x = torch.randn(2, 8, 40, 40)
    x[1, :, 3, 4] += 1000
    torch.testing.assert_close(spot_share(x), torch.stack([spot_share(image[None]) for image in x]).mean())


def test_half_precision_does_not_overflow() -> None:
    x = torch.zeros(1, 4, 40, 40, dtype=torch.float16)
    x[..., 0, 0] = 6e4
    assert spot_share(x).item() == pytest.approx(1, abs=1e-3)


def test_every_instance_norm_of_large_maps_is_recorded_and_only_within_the_context() -> None:
    network = ResnetConfig(ngf=2, blocks=2).build(64)
    large, small = torch.rand(1, 3, 256, 256), torch.rand(1, 3, 64, 64)
    with torch.no_grad(), record_spot_shares(network) as shares:
        network(large)
        network(large)
    network(large)
    assert len(shares) == 3 + 2 * 2 + 2
    assert {len(values) for values in shares.values()} == {2}
    with torch.no_grad(), record_spot_shares(network) as shares:
        network(small)
    assert 64 * 64 > MIN_LOCATIONS > 32 * 32 - 25
    assert list(shares) == ["encoder.2", "encoder.5", "decoder.1", "decoder.4"]


def test_the_highest_share_is_that_of_a_norm_over_its_passes() -> None:
    shares = {"a": [torch.tensor(0.2), torch.tensor(0.4)], "b": [torch.tensor(0.1), torch.tensor(0.9)]}
    assert highest_spot_share(shares) == pytest.approx(0.5)
    assert highest_spot_share({"uniform": [torch.tensor(float("nan"))]}) == 0
    assert highest_spot_share({}) is None
