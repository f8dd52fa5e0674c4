import pytest
import torch
from torch import Tensor

from i2i.errors import ConfigError
from i2i.networks import ResnetConfig
from i2i.networks.texture_mask import CELL, keep_untextured

LEVEL = 1 / 127.5


def photo(height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)) - 0.5


def stripes(levels: float, width: int = 64) -> Tensor:
    """Return vertical stripes of 2 pixels, of ``levels`` above and below 0: (width)."""
    return torch.where(torch.arange(width) % 4 < 2, levels * LEVEL, -levels * LEVEL)


def test_a_change_of_colour_alone_is_undone() -> None:
    image = photo()
    shift = torch.tensor([0.3, -0.2, 0.1])[None, :, None, None]
    torch.testing.assert_close(keep_untextured(image + shift, image), image)


def test_strong_texture_is_kept_with_its_colours() -> None:
    image = photo()
    output = image * 0.5 + 0.1 + stripes(60)
    torch.testing.assert_close(keep_untextured(output, image), output)


def test_each_region_is_treated_by_itself() -> None:
    image = photo(64, 192)
    output = image + 0.2
    output[..., :64] += stripes(60)
    result = keep_untextured(output, image)
    torch.testing.assert_close(result[..., :48], output[..., :48])
    torch.testing.assert_close(result[..., 96:], image[..., 96:])
    middle = ((result - image) / (output - image))[0, 0, :, 48:96]
    assert ((middle >= -1e-4) & (middle <= 1 + 1e-4)).all()
    assert (middle[:, 1:].mean(0) <= middle[:, :-1].mean(0) + 1e-4).all()  # it falls from one region to the other


@pytest.mark.parametrize("levels", [13.9, 18.0, 22.0, 26.0, 30.1])
def test_the_mask_rises_with_the_energy_of_the_texture(levels: float) -> None:
    image = torch.zeros(1, 3, 64, 64)
    output = image + stripes(levels)
    part = min(max((levels**2 - 14**2) / (30**2 - 14**2), 0), 1)
    expected = output * (3 * part**2 - 2 * part**3)
    torch.testing.assert_close(keep_untextured(output, image), expected, rtol=1e-4, atol=1e-6)


def test_gradients_flow_through_the_mask() -> None:
    amplitude = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
    image = torch.zeros(1, 3, 32, 32, dtype=torch.float64)

    def brightest(levels: Tensor) -> Tensor:
        return keep_untextured(image + levels * stripes(1, 32).double(), image).max()

    assert torch.autograd.gradcheck(brightest, [amplitude])
    brightest(amplitude).backward()
    assert amplitude.grad is not None
    assert float(amplitude.grad) > LEVEL  # more than that of the output alone: the mask rises too


def test_a_generator_with_the_mask_takes_multiples_of_its_cell() -> None:
    config = ResnetConfig(ngf=2, blocks=1, texture_mask=True, weight_init="kaiming")
    assert config.size_multiple(64) == CELL
    assert ResnetConfig(skip_input=True, skip_reduction=12, texture_mask=True).size_multiple(96) == 24
    image, network = photo(32, 48), config.build(32)
    plain = ResnetConfig(ngf=2, blocks=1, weight_init="kaiming").build(32)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(image), keep_untextured(plain(image), image))
    with pytest.raises(ConfigError, match="--texture-mask adds the output to the input, which needs equal channels"):
        config.build(32, 3, 1)
