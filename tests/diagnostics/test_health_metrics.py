import math
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.synthetic import stripes
from i2i.diagnostics import View, examine, health_metrics
from i2i.diagnostics.spectrum import checkerboard
from i2i.images import to_float

SIZE = 64


@lru_cache
def photos(domain: str, count: int = 8, first: int = 0) -> Tensor:
    """Drawn animals of a domain, (count, 3, 64, 64)."""
    drawn = [
        stripes.draw(np.random.SeedSequence([first + k, ord(domain)]), "train", domain, SIZE)[f"train{domain}"]
        for k in range(count)
    ]
    return to_float(torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2))


def noise(like: Tensor, levels: float, seed: int = 0) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)) * levels / 127.5


def waves(period: int, levels: float) -> Tensor:
    """Stripes of ± ``levels`` grey levels down and across, (64, 64)."""
    line = torch.ones(SIZE)
    line[torch.arange(SIZE) % period >= period // 2] = -1
    return line[:, None] * line[None] * levels / 127.5


def view(output: Tensor, **more: object) -> View:
    return View(**{"direction": "A to B", "output": output, "input": photos("A"), "target": photos("B"), **more})  # type: ignore[arg-type]


def test_the_diversity_of_two_flat_pictures_is_their_distance() -> None:
    pictures = torch.stack([torch.full((3, 32, 32), value) for value in (-0.25, 0.25)])
    assert float(health_metrics.diversity(pictures)) == pytest.approx(0.5)
    assert float(health_metrics.separation(pictures)) == pytest.approx(0.5)


def test_fine_noise_does_not_make_one_picture_several() -> None:
    one = photos("A")[:1].expand(8, -1, -1, -1)
    assert float(health_metrics.diversity(one + noise(one, 8))) < 0.15 * float(health_metrics.diversity(photos("A")))


def test_two_kinds_of_samples_have_diversity_but_no_separation() -> None:
    two = photos("A")[[0, 1] * 4]
    assert float(health_metrics.diversity(two)) > 0.3 * float(health_metrics.diversity(photos("A")))
    assert float(health_metrics.separation(two)) == 0


def test_the_diversity_of_a_single_picture_cannot_be_told() -> None:
    assert math.isnan(float(health_metrics.diversity(photos("A")[:1])))
    assert "diversity" not in examine(View(direction="", output=photos("A")[:1], target=photos("B")[:1]))


def test_inputs_that_are_copies_of_one_say_nothing_of_diversity() -> None:
    same = photos("A")[:1].expand(4, -1, -1, -1)
    assert "diversity" not in examine(view(same, input=same))


def test_change_is_that_of_the_place_where_most_happens() -> None:
    before = torch.zeros(1, 3, 32, 32)
    after = before.clone()
    after[:, :, 8:12, 8:12] = 0.5  # one of 8×8 blocks
    assert float(health_metrics.change(after, before)) == pytest.approx(0.5)


def test_luminance_runs_from_1_for_the_same_to_minus_1_for_the_negative() -> None:
    assert float(health_metrics.luminance(photos("A"), photos("A"))) == pytest.approx(1)
    assert float(health_metrics.luminance(-photos("A"), photos("A"))) == pytest.approx(-1)


def test_luminance_is_negative_only_where_most_pictures_are_inverted() -> None:
    turned = photos("A").clone()
    turned[:5] *= -1
    assert float(health_metrics.luminance(turned, photos("A"))) > 0
    turned[5:7] *= -1
    assert float(health_metrics.luminance(turned, photos("A"))) < 0


def test_flat_pictures_do_not_count_for_luminance() -> None:
    output = photos("A").clone()
    output[:4] = 0.3
    assert float(health_metrics.luminance(output, photos("A"))) == pytest.approx(1)
    assert math.isnan(float(health_metrics.luminance(torch.zeros(4, 3, 32, 32), photos("A")[:4, :, :32, :32])))


def test_excess_is_what_lies_off_the_scale() -> None:
    assert float(health_metrics.excess(torch.tensor([-1.0, 1.0, 0.3, 3.0]).reshape(1, 1, 2, 2))) == 0.5


def test_saturation_and_blackness_are_shares() -> None:
    half = torch.zeros(1, 3, 4, 4)
    half[..., :2] = -1
    assert float(health_metrics.saturation(half)) == 0.5
    assert float(health_metrics.blackness(half)) == 0.5
    assert float(health_metrics.blackness(-half)) == 0


@pytest.mark.parametrize("period", [2, 4])
def test_a_grid_is_measured_in_grey_levels(period: int) -> None:
    multiple, levels = checkerboard(photos("A") + waves(period, 10), photos("A", first=8))
    assert float(multiple) > 4
    assert float(levels) == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("period", [3, 5, 6, 8, 16])
def test_waves_of_other_periods_are_no_grid_of_the_upsampling(period: int) -> None:
    x = torch.arange(SIZE)
    wave = torch.cos(2 * math.pi * x / period) * 10 / 127.5
    multiple, levels = checkerboard(photos("A") + wave, photos("A", first=8))
    assert float(multiple) < 4 or float(levels) < 4


def test_a_grid_that_the_real_pictures_have_too_is_none() -> None:
    grid = waves(2, 10)
    multiple, levels = checkerboard(photos("A") + grid, photos("A", first=8) + grid)
    assert float(multiple) < 1.5
    assert float(levels) < 4


def test_pictures_of_less_than_a_tile_have_no_spectrum() -> None:
    small = torch.zeros(2, 3, 16, 16)
    assert "checkerboard" not in examine(View(direction="", output=small, target=small))


def test_flat_pictures_have_no_grid() -> None:
    flat = torch.full((2, 3, 32, 32), 0.5)
    assert float(checkerboard(flat, flat)[1]) < 0.1


def test_a_way_back_that_copies_what_it_sees_loses_at_most_what_it_is_disturbed_by() -> None:
    _, gain = health_metrics.hidden(lambda y: y, photos("B"), photos("B"))
    assert 0.9 < float(gain) <= 1


def test_a_way_back_that_reads_a_faint_code_loses_many_times_the_disturbance() -> None:
    def grey(x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)

    x = photos("A")
    fake = grey(x) + (x - grey(x)) / 40
    times, gain = health_metrics.hidden(lambda y: grey(y) + (y - grey(y)) * 40, fake, x)
    assert float(times) > 10
    assert float(gain) > 10


def test_the_disturbance_is_the_same_every_time() -> None:
    one, other = (health_metrics.hidden(lambda y: y * 2, photos("B"), photos("A")) for _ in range(2))
    assert one == other


def test_a_known_cycle_spares_a_pass() -> None:
    passes: list[Tensor] = []

    def back(y: Tensor) -> Tensor:
        passes.append(y)
        return y.square() - 0.5

    without = examine(view(photos("B"), back=back))
    assert len(passes) == 2
    known = examine(view(photos("B"), back=back, cycle=back(photos("B"))))
    assert len(passes) == 4
    assert known == without


@pytest.mark.parametrize("scales", [1, 2])
def test_judgement_is_the_spread_of_the_logits_over_outputs_and_targets(scales: int) -> None:
    def critic(x: Tensor) -> Tensor | list[Tensor]:
        logits = x.mean((1, 2, 3))[:, None, None, None].expand(-1, 1, 3, 3)
        return logits if scales == 1 else [logits * 0, logits[:, :, :2]]

    output, real = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)
    assert float(health_metrics.judgement(critic, output, real)) == pytest.approx(0.5, rel=0.05)


def test_real_pictures_of_the_target_domain_have_healthy_signs() -> None:
    told = examine(view(photos("B", first=8)))
    assert abs(told["blackness"]) < 0.05
    assert abs(told["saturation"]) < 0.05
    assert told["checkerboard"] < 2
    assert 0.6 < told["diversity"] < 1.7
    assert told["change"] > 0.6
    assert told["luminance"] > 0


def test_the_truth_itself_has_perfect_signs_however_dark_grey_or_negative_it_is() -> None:
    for truth in (-photos("A"), photos("A") * 0.1 - 0.9, photos("A").sign()):
        told = examine(view(truth, target=truth, paired=True))
        assert (told["blackness"], told["saturation"], told["checkerboard_levels"]) == (0, 0, 0)
        assert told["change"] == 1
        assert told["luminance"] == pytest.approx(1, abs=1e-3)
        assert told["diversity"] >= 1


def test_a_change_that_the_truth_does_not_make_is_not_asked_for() -> None:
    assert "change" not in examine(view(photos("A"), target=photos("A"), paired=True))


def test_signs_are_the_same_inside_autocast_and_for_bfloat16_outputs() -> None:
    output = photos("B").to(torch.bfloat16)
    plain = examine(view(output))
    with torch.autocast("cpu", torch.bfloat16):
        assert examine(view(output)) == plain
    assert all(isinstance(value, float) for value in plain.values())


def test_outputs_that_are_not_finite_tell_nothing_and_fail_nothing() -> None:
    told = examine(view(torch.full_like(photos("A"), math.nan), back=lambda y: y))
    assert all(math.isfinite(value) for value in told.values())


def test_more_samples_than_real_pictures_are_compared_fairly() -> None:
    many = photos("B", 24)
    told = examine(View(direction="samples", output=many, target=photos("A", 6)))
    assert told["diversity"] > 0.6


def test_a_blurred_grid_is_weaker_than_a_sharp_one() -> None:
    sharp = photos("A") + waves(2, 10)
    blurred = F.avg_pool2d(F.pad(sharp, (1, 1, 1, 1), mode="reflect"), 3, 1)
    assert float(checkerboard(blurred, photos("B"))[1]) < float(checkerboard(sharp, photos("B"))[1]) / 3
