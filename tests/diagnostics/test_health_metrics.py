import math
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.synthetic import stripes
from i2i.diagnostics import SampleView, compute_health_metrics, health_metrics
from i2i.diagnostics.spectrum import checkerboard
from i2i.images import to_float

SIZE = 64


@lru_cache
def photos(domain: str, count: int = 8, first: int = 0) -> Tensor:
    """Return synthetic images of a domain, (count, 3, 64, 64)."""
    images = [
        stripes.draw(np.random.SeedSequence([first + k, ord(domain)]), "train", domain, SIZE)[f"train{domain}"]
        for k in range(count)
    ]
    return to_float(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))


def noise(like: Tensor, levels: float, seed: int = 0) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)) * levels / 127.5


def waves(period: int, levels: float) -> Tensor:
    """Return a grid of ± ``levels`` grey levels, (64, 64)."""
    line = torch.ones(SIZE)
    line[torch.arange(SIZE) % period >= period // 2] = -1
    return line[:, None] * line[None] * levels / 127.5


def view(output: Tensor, **fields: object) -> SampleView:
    return SampleView(
        **{"direction": "A to B", "output": output, "input": photos("A"), "target": photos("B"), **fields}
    )  # type: ignore[arg-type]


def test_the_mean_distance_of_two_uniform_images_is_their_difference() -> None:
    images = torch.stack([torch.full((3, 32, 32), value) for value in (-0.25, 0.25)])
    assert float(health_metrics.mean_distance(images)) == pytest.approx(0.5)
    assert float(health_metrics.nearest_distance(images)) == pytest.approx(0.5)


def test_fine_noise_hardly_adds_to_the_mean_distance() -> None:
    one = photos("A")[:1].expand(8, -1, -1, -1)
    assert float(health_metrics.mean_distance(one + noise(one, 8))) < 0.15 * float(
        health_metrics.mean_distance(photos("A"))
    )


def test_samples_of_two_kinds_have_a_mean_distance_but_no_nearest_distance() -> None:
    two = photos("A")[[0, 1] * 4]
    assert float(health_metrics.mean_distance(two)) > 0.3 * float(health_metrics.mean_distance(photos("A")))
    assert float(health_metrics.nearest_distance(two)) == 0


def test_the_diversity_of_a_single_image_is_undefined() -> None:
    assert math.isnan(float(health_metrics.mean_distance(photos("A")[:1])))
    assert "diversity" not in compute_health_metrics(
        SampleView(direction="", output=photos("A")[:1], target=photos("B")[:1])
    )


def test_the_diversity_for_identical_inputs_is_undefined() -> None:
    same = photos("A")[:1].expand(4, -1, -1, -1)
    assert "diversity" not in compute_health_metrics(view(same, input=same))


def test_max_block_change_is_that_of_the_most_changed_block() -> None:
    before = torch.zeros(1, 3, 32, 32)
    after = before.clone()
    after[:, :, 8:12, 8:12] = 0.5  # one of 8×8 blocks
    assert float(health_metrics.max_block_change(after, before)) == pytest.approx(0.5)


def test_luminance_correlation_is_1_for_equal_and_minus_1_for_inverted_images() -> None:
    assert float(health_metrics.luminance_correlation(photos("A"), photos("A"))) == pytest.approx(1)
    assert float(health_metrics.luminance_correlation(-photos("A"), photos("A"))) == pytest.approx(-1)


def test_luminance_correlation_is_negative_only_if_most_images_are_inverted() -> None:
    partly_inverted = photos("A").clone()
    partly_inverted[:5] *= -1
    assert float(health_metrics.luminance_correlation(partly_inverted, photos("A"))) > 0
    partly_inverted[5:7] *= -1
    assert float(health_metrics.luminance_correlation(partly_inverted, photos("A"))) < 0


def test_uniform_images_do_not_count_for_luminance_correlation() -> None:
    output = photos("A").clone()
    output[:4] = 0.3
    assert float(health_metrics.luminance_correlation(output, photos("A"))) == pytest.approx(1)
    assert math.isnan(
        float(health_metrics.luminance_correlation(torch.zeros(4, 3, 32, 32), photos("A")[:4, :, :32, :32]))
    )


def test_out_of_range_is_the_mean_distance_from_the_range() -> None:
    assert float(health_metrics.out_of_range(torch.tensor([-1.0, 1.0, 0.3, 3.0]).reshape(1, 1, 2, 2))) == 0.5


def test_saturated_and_black_pixels_are_counted_as_fractions() -> None:
    half = torch.zeros(1, 3, 4, 4)
    half[..., :2] = -1
    assert float(health_metrics.saturated_fraction(half)) == 0.5
    assert float(health_metrics.black_fraction(half)) == 0.5
    assert float(health_metrics.black_fraction(-half)) == 0


@pytest.mark.parametrize("period", [2, 4])
def test_a_grid_is_measured_in_grey_levels(period: int) -> None:
    multiple, levels = checkerboard(photos("A") + waves(period, 10), photos("A", first=8))
    assert float(multiple) > 4
    assert float(levels) == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("period", [3, 5, 6, 8, 16])
def test_waves_of_other_periods_are_no_grid(period: int) -> None:
    x = torch.arange(SIZE)
    wave = torch.cos(2 * math.pi * x / period) * 10 / 127.5
    multiple, levels = checkerboard(photos("A") + wave, photos("A", first=8))
    assert float(multiple) < 4 or float(levels) < 4


def test_a_grid_in_real_images_does_not_count() -> None:
    grid = waves(2, 10)
    multiple, levels = checkerboard(photos("A") + grid, photos("A", first=8) + grid)
    assert float(multiple) < 1.5
    assert float(levels) < 4


def test_images_below_32_pixels_have_no_checkerboard_metric() -> None:
    small = torch.zeros(2, 3, 16, 16)
    assert "checkerboard" not in compute_health_metrics(SampleView(direction="", output=small, target=small))


def test_uniform_images_have_no_grid() -> None:
    flat = torch.full((2, 3, 32, 32), 0.5)
    assert float(checkerboard(flat, flat)[1]) < 0.1


def test_an_inverse_that_copies_loses_at_most_the_added_noise() -> None:
    _, gain = health_metrics.hidden_information(lambda y: y, photos("B"), photos("B"))
    assert 0.9 < float(gain) <= 1


def test_an_inverse_that_reads_a_faint_signal_loses_many_times_the_added_noise() -> None:
    def grey(x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)

    x = photos("A")
    fake = grey(x) + (x - grey(x)) / 40
    times, gain = health_metrics.hidden_information(lambda y: grey(y) + (y - grey(y)) * 40, fake, x)
    assert float(times) > 10
    assert float(gain) > 10


def test_hidden_information_is_deterministic() -> None:
    one, other = (health_metrics.hidden_information(lambda y: y * 2, photos("B"), photos("A")) for _ in range(2))
    assert one == other


def test_a_given_reconstruction_saves_a_forward_pass() -> None:
    inputs: list[Tensor] = []

    def inverse(y: Tensor) -> Tensor:
        inputs.append(y)
        return y.square() - 0.5

    without = compute_health_metrics(view(photos("B"), inverse=inverse))
    assert len(inputs) == 2
    known = compute_health_metrics(view(photos("B"), inverse=inverse, reconstruction=inverse(photos("B"))))
    assert len(inputs) == 4
    assert known == without


@pytest.mark.parametrize("scales", [1, 2])
def test_logit_spread_is_the_deviation_over_outputs_and_targets(scales: int) -> None:
    def discriminator(x: Tensor) -> Tensor | list[Tensor]:
        logits = x.mean((1, 2, 3))[:, None, None, None].expand(-1, 1, 3, 3)
        return logits if scales == 1 else [logits * 0, logits[:, :, :2]]

    output, real = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)
    assert float(health_metrics.logit_spread(discriminator, output, real)) == pytest.approx(0.5, rel=0.05)


def test_real_images_of_the_target_domain_are_healthy() -> None:
    metrics = compute_health_metrics(view(photos("B", first=8)))
    assert abs(metrics["blackness"]) < 0.05
    assert abs(metrics["saturation"]) < 0.05
    assert metrics["checkerboard"] < 2
    assert 0.6 < metrics["diversity"] < 1.7
    assert metrics["change"] > 0.6
    assert metrics["luminance"] > 0


def test_targets_are_healthy_however_dark_grey_or_inverted() -> None:
    for target in (-photos("A"), photos("A") * 0.1 - 0.9, photos("A").sign()):
        metrics = compute_health_metrics(view(target, target=target, paired=True))
        assert (metrics["blackness"], metrics["saturation"], metrics["checkerboard_levels"]) == (0, 0, 0)
        assert metrics["change"] == 1
        assert metrics["luminance"] == pytest.approx(1, abs=1e-3)
        assert metrics["diversity"] >= 1


def test_change_is_undefined_if_the_target_equals_the_input() -> None:
    assert "change" not in compute_health_metrics(view(photos("A"), target=photos("A"), paired=True))


def test_metrics_are_the_same_inside_autocast() -> None:
    output = photos("B").to(torch.bfloat16)
    plain = compute_health_metrics(view(output))
    with torch.autocast("cpu", torch.bfloat16):
        assert compute_health_metrics(view(output)) == plain
    assert all(isinstance(value, float) for value in plain.values())


def test_non_finite_outputs_do_not_raise() -> None:
    metrics = compute_health_metrics(view(torch.full_like(photos("A"), math.nan), inverse=lambda y: y))
    assert all(math.isfinite(value) for value in metrics.values())


def test_diversity_uses_equal_numbers_of_samples_and_real_images() -> None:
    many = photos("B", 24)
    metrics = compute_health_metrics(SampleView(direction="samples", output=many, target=photos("A", 6)))
    assert metrics["diversity"] > 0.6


def test_a_blurred_grid_is_weaker_than_a_sharp_one() -> None:
    sharp = photos("A") + waves(2, 10)
    blurred = F.avg_pool2d(F.pad(sharp, (1, 1, 1, 1), mode="reflect"), 3, 1)
    assert float(checkerboard(blurred, photos("B"))[1]) < float(checkerboard(sharp, photos("B"))[1]) / 3
