from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.errors import ConfigError
from i2i.networks import RestorerConfig
from i2i.networks.output_heads import apply_chroma, compose_output, image_at


def tiny(**options: Any) -> RestorerConfig:
    return RestorerConfig(width=4, levels=2, depth=1, **options)


def images(channels: int = 3, size: int = 16) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def half_masked() -> Tensor:
    network_input = images(4)
    network_input[:, 3] = torch.where(torch.arange(16) < 8, 1.0, -1.0)
    return network_input


@pytest.mark.parametrize(("levels", "multiple"), [(1, 2), (3, 8)])
def test_a_restorer_takes_multiples_of_the_cell_of_its_coarsest_level(levels: int, multiple: int) -> None:
    config = RestorerConfig(width=4, levels=levels, depth=1)
    assert config.size_multiple(128) == multiple
    image = torch.zeros(1, 3, 3 * multiple, 2 * multiple)
    assert config.build(128)(image).shape == image.shape
    with pytest.raises(ConfigError, match=f"a multiple of {multiple}"):
        config.build(128 + multiple // 2)


def test_the_denoiser_of_the_fast_recipe_has_1_048_908_parameters() -> None:
    network = RestorerConfig(width=32, levels=3, depth=2).build(128)
    assert sum(weight.numel() for weight in network.parameters()) == 1_048_908


def test_an_untrained_restorer_nearly_returns_its_input() -> None:
    image = images()
    torch.manual_seed(0)
    assert (tiny().build(16)(image) - image).abs().mean() < 0.2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_superresolution_starts_from_bicubic_upscaling(scale: int) -> None:
    network = tiny(scale=scale).build(16 * scale)
    torch.nn.init.zeros_(network.tail.weight)
    output = network(images())
    assert output.shape == (2, 3, 16 * scale, 16 * scale)
    assert torch.equal(output, torch.nn.functional.interpolate(images(), scale_factor=scale, mode="bicubic"))


def test_pixels_outside_the_mask_are_unchanged_even_in_bfloat16() -> None:
    network_input = half_masked()
    with torch.autocast("cpu", torch.bfloat16):
        output = tiny(conditioning="mask", prediction="masked_residual").build(16)(network_input)
    assert torch.equal(output[..., 8:], network_input[:, :3, :, 8:])
    assert not torch.isclose(output[..., :8], network_input[:, :3, :, :8]).any()


def test_pixels_outside_the_mask_give_no_gradient() -> None:
    output = images().requires_grad_()
    compose_output("masked_residual", half_masked(), output).sum().backward()
    assert output.grad is not None
    assert (output.grad[..., :8] == 1).all()
    assert (output.grad[..., 8:] == 0).all()


def test_a_plain_prediction_is_the_result_and_a_residual_is_added() -> None:
    image = images()
    output = images() / 10
    assert torch.equal(compose_output("direct", image, output), output)
    assert torch.equal(compose_output("residual", image, output), output + image)


def lightness(image: Tensor) -> Tensor:
    from kornia.color import rgb_to_lab

    return rgb_to_lab((image + 1) / 2)[:, :1]


def test_apply_chroma_keeps_the_lightness_for_colours_outside_srgb() -> None:
    grey = images(1).expand(-1, 3, -1, -1)
    result = apply_chroma(grey, images()[:, 1:] * 1.5)
    assert (lightness(result) - lightness(grey)).abs().max() < 0.01
    assert result.min() >= -1 - 1e-5
    assert result.max() <= 1 + 1e-5
    assert (result - grey).abs().max() > 0.5


def test_the_chroma_of_the_target_gives_the_target() -> None:
    from kornia.color import lab_to_rgb, rgb_to_lab

    target = images()
    lab = rgb_to_lab((target + 1) / 2)
    grey = lab_to_rgb(torch.cat([lab[:, :1], torch.zeros_like(lab[:, 1:])], 1)) * 2 - 1
    assert (apply_chroma(grey, lab[:, 1:] / 110) - target).abs().max() < 0.02


def test_zero_chroma_gives_a_grey_image() -> None:
    grey = images(1).expand(-1, 3, -1, -1)
    assert torch.allclose(apply_chroma(grey, torch.zeros(2, 2, 16, 16)), grey, atol=2e-3)


def test_image_at_drops_the_mask_and_enlarges_to_the_target() -> None:
    assert torch.equal(image_at(half_masked(), images()), half_masked()[:, :3])
    assert image_at(images(size=8), images()).shape == images().shape


@pytest.mark.parametrize("change", [{"width": 0}, {"levels": 7}, {"depth": -1}, {"scale": 5}])
def test_a_restorer_out_of_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        RestorerConfig(**change)  # type: ignore[arg-type]
