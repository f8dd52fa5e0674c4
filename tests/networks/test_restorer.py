from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.errors import ConfigError
from i2i.networks import RestorerConfig
from i2i.networks.output_heads import as_seen, coloured, composed


def tiny(**options: Any) -> RestorerConfig:
    return RestorerConfig(width=4, levels=2, depth=1, **options)


def pictures(channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def half_hidden() -> Tensor:
    given = pictures(4)
    given[:, 3] = torch.where(torch.arange(16) < 8, 1.0, -1.0)
    return given


@pytest.mark.parametrize(("levels", "multiple"), [(1, 2), (3, 8)])
def test_a_restorer_takes_any_size_that_is_a_multiple_of_its_coarsest_level(levels: int, multiple: int) -> None:
    config = RestorerConfig(width=4, levels=levels, depth=1)
    assert config.multiple(128) == multiple
    given = torch.zeros(1, 3, 3 * multiple, 2 * multiple)
    assert config.build(128)(given).shape == given.shape
    with pytest.raises(ConfigError, match=f"a multiple of {multiple}"):
        config.build(128 + multiple // 2)


def test_the_denoiser_of_the_fast_recipe_has_1_048_908_parameters() -> None:
    network = RestorerConfig(width=32, levels=3, depth=2).build(128)
    assert sum(weight.numel() for weight in network.parameters()) == 1_048_908


def test_an_untrained_restorer_answers_nearly_with_its_input() -> None:
    given = pictures()
    torch.manual_seed(0)
    assert (tiny().build(16)(given) - given).abs().mean() < 0.2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_superresolution_gives_a_larger_picture_that_begins_as_bicubic(scale: int) -> None:
    network = tiny(scale=scale).build(16 * scale)
    torch.nn.init.zeros_(network.tail.weight)
    found = network(pictures())
    assert found.shape == (2, 3, 16 * scale, 16 * scale)
    assert torch.equal(found, torch.nn.functional.interpolate(pictures(), scale_factor=scale, mode="bicubic"))


def test_known_pixels_come_back_untouched_even_in_bfloat16() -> None:
    given = half_hidden()
    with torch.autocast("cpu", torch.bfloat16):
        found = tiny(shows="mask", answers="patch").build(16)(given)
    assert torch.equal(found[..., 8:], given[:, :3, :, 8:])
    assert not torch.isclose(found[..., :8], given[:, :3, :, :8]).any()


def test_no_gradient_reaches_a_network_through_known_pixels() -> None:
    answer = pictures().requires_grad_()
    composed("patch", half_hidden(), answer).sum().backward()
    assert answer.grad is not None
    assert (answer.grad[..., :8] == 1).all()
    assert (answer.grad[..., 8:] == 0).all()


def test_a_plain_answer_is_the_result_and_a_residual_is_added() -> None:
    given, answer = pictures(), pictures() / 10
    assert torch.equal(composed("plain", given, answer), answer)
    assert torch.equal(composed("residual", given, answer), answer + given)


def lightness(picture: Tensor) -> Tensor:
    from kornia.color import rgb_to_lab

    return rgb_to_lab((picture + 1) / 2)[:, :1]


def test_colour_keeps_the_lightness_however_wild_it_is() -> None:
    grey = pictures(1).expand(-1, 3, -1, -1)
    found = coloured(grey, pictures()[:, 1:] * 1.5)
    assert (lightness(found) - lightness(grey)).abs().max() < 0.01
    assert found.min() >= -1 - 1e-5
    assert found.max() <= 1 + 1e-5
    assert (found - grey).abs().max() > 0.5


def test_the_true_chroma_gives_the_true_colours() -> None:
    from kornia.color import lab_to_rgb, rgb_to_lab

    truth = pictures()
    lab = rgb_to_lab((truth + 1) / 2)
    grey = lab_to_rgb(torch.cat([lab[:, :1], torch.zeros_like(lab[:, 1:])], 1)) * 2 - 1
    assert (coloured(grey, lab[:, 1:] / 110) - truth).abs().max() < 0.02


def test_no_chroma_is_a_grey_picture() -> None:
    grey = pictures(1).expand(-1, 3, -1, -1)
    assert torch.allclose(coloured(grey, torch.zeros(2, 2, 16, 16)), grey, atol=2e-3)


def test_what_a_network_was_given_is_shown_without_its_mask_and_at_the_size_of_the_truth() -> None:
    assert torch.equal(as_seen(half_hidden(), pictures()), half_hidden()[:, :3])
    assert as_seen(pictures(side=8), pictures()).shape == pictures().shape


@pytest.mark.parametrize("bad", [{"width": 0}, {"levels": 7}, {"depth": -1}, {"scale": 5}])
def test_a_restorer_out_of_range_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        RestorerConfig(**bad)  # type: ignore[arg-type]
