"""Networks of other programs get and return what they were trained with."""

import pytest
import torch

from i2i.networks.compact import CompactConfig
from i2i.networks.spandrel import SpandrelNetwork
from i2i.pretrained.spandrel_models import load_descriptor
from tests.checkpoints.foreign.restoration import SCALES, build, small_lama


def wrapped(name: str) -> SpandrelNetwork:
    return SpandrelNetwork(load_descriptor(build(name).state_dict(), name))


@pytest.fixture
def photo() -> torch.Tensor:
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
def test_a_grey_network_runs_on_each_channel(photo: torch.Tensor) -> None:
    network, plain = wrapped("Compact, grey"), build("Compact, grey")
    result = network(photo)
    assert result.shape == (2, 3, 128, 192)
    for channel in range(3):
        expected = plain((photo[:, channel : channel + 1] + 1) / 2).clamp(0, 1) * 2 - 1
        torch.testing.assert_close(result[:, channel : channel + 1], expected)


@torch.no_grad()
def test_a_network_of_four_channels_gets_an_opaque_alpha(photo: torch.Tensor) -> None:
    image = torch.cat([(photo + 1) / 2, torch.ones(2, 1, 32, 48)], 1)
    expected = build("Compact, RGBA")(image).clamp(0, 1)[:, :3] * 2 - 1
    torch.testing.assert_close(wrapped("Compact, RGBA")(photo), expected)


@pytest.mark.parametrize("name", ["SPAN", "ESRGAN", "DRUNet", "NAFNet"])
@torch.no_grad()
def test_a_network_returns_its_scale_times_the_size(name: str, photo: torch.Tensor) -> None:
    scale = SCALES.get(name, 1)
    result = wrapped(name)(photo)
    assert result.shape == (2, 3, scale * 32, scale * 48)
    assert result.abs().max() <= 1
    assert result.std() > 0.01


@torch.no_grad()
def test_an_inpainting_network_fills_the_mask_alone(monkeypatch: pytest.MonkeyPatch, photo: torch.Tensor) -> None:
    weights = small_lama(monkeypatch).state_dict()
    descriptor = load_descriptor(weights, "lama")
    assert descriptor is not None
    assert descriptor.purpose == "Inpainting"
    mask = torch.full_like(photo[:, :1], -1.0)
    mask[:, :, 8:16, 8:24] = 1.0
    result = SpandrelNetwork(descriptor)(torch.cat([photo, mask], 1))
    known = (mask < 0).expand_as(photo)
    torch.testing.assert_close(result[known], photo[known])
    assert (result - photo)[~known].abs().max() > 0.01


@torch.no_grad()
def test_the_compact_network_of_i2i_is_that_of_real_esrgan(photo: torch.Tensor) -> None:
    own = CompactConfig(width=8, convolutions=4, scale=2).build(32)
    foreign = SpandrelNetwork(load_descriptor(own.state_dict(), "compact"))
    torch.testing.assert_close(foreign(photo), own(photo).clamp(-1, 1))
