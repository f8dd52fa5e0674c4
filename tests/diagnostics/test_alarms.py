import json
import re
from typing import Any

import pytest
import torch

from i2i.diagnostics import AlarmMonitor, HealthMetrics, flag_values
from i2i.diagnostics.alarms import ROWS_TO_CONFIRM, SAMPLES_TO_CONFIRM
from i2i.diagnostics.rules import CHANCE_LOSS, DISCRIMINATOR_RULES, GENERATOR_RULES, SAMPLE_RULES, Rule
from i2i.diagnostics.suggestions import suggest_flags
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.recipes import RECIPES, SECTIONS, Recipe

HEALTHY: HealthMetrics = {
    "blackness": 0.0, "saturation": 0.0, "excess": 0.001, "checkerboard": 1.0, "checkerboard_levels": 0.0,
    "diversity": 1.0, "change": 0.8, "luminance": 0.5, "hidden": 1.0, "hidden_gain": 0.1, "judgement": 0.2,
}  # fmt: skip
FAILING: dict[str, HealthMetrics] = {
    "thrown off": {"excess": 40.0, "saturation": 0.9, "diversity": 0.0, "change": 50.0},
    "black": {"blackness": 0.95, "saturation": 0.95, "diversity": 0.0},
    "saturated": {"saturation": 0.6},
    "collapsed": {"diversity": 0.05},
    "unchanged": {"change": 0.02},
    "inverted": {"luminance": -0.8},
    "checkerboard": {"checkerboard": 12.0, "checkerboard_levels": 11.0},
    "hidden": {"hidden": 4.0, "hidden_gain": 6.0},
    "blind": {"judgement": 0.002},
}
ALL_RECIPES = [row for rows in RECIPES.values() for row in rows.values()]
RECIPE_IDS = [f"{row.method}-{row.name}" for row in ALL_RECIPES]
AFTER_WARMUP = 1000  # steps


def settings(row: Recipe) -> dict[str, Any]:
    return flag_values(*(getattr(row, section) for section in SECTIONS))


def alarm_monitor(method: str = "cyclegan", total: int = 5000) -> AlarmMonitor:
    return AlarmMonitor(settings(RECIPES[method]["paper"]), total, 0.5)


def names(alarms: list[Any]) -> list[str]:
    return [alarm.name for alarm in alarms]


def alarms_by_check(monitor: AlarmMonitor, *checks: HealthMetrics, first: int = AFTER_WARMUP) -> list[str]:
    """Return the names of the alarms of each check, joined by "+"; "" for none."""
    return [
        "+".join(names(monitor.check_samples(first + 100 * k, "A to B", metrics))) for k, metrics in enumerate(checks)
    ]


def test_healthy_metrics_raise_no_alarm() -> None:
    assert not any(alarms_by_check(alarm_monitor(), *[HEALTHY] * 20))


@pytest.mark.parametrize("name", FAILING)
def test_each_failure_is_reported_once_and_alone_after_confirmation(name: str) -> None:
    checks = [HEALTHY | FAILING[name]] * (SAMPLES_TO_CONFIRM + 5)
    assert alarms_by_check(alarm_monitor(), *checks) == [""] * (SAMPLES_TO_CONFIRM - 1) + [name] + [""] * 5


def test_every_sample_rule_has_an_example() -> None:
    assert [rule.name for rule in SAMPLE_RULES] == list(FAILING)


def test_spots_are_reported_once_for_each_direction_after_confirmation() -> None:
    monitor = alarm_monitor()

    def check(step: int, share: float, direction: str = "AtoB") -> list[Any]:
        return monitor.check_generator(step, direction, {"spot_share": share})

    steps = range(AFTER_WARMUP, AFTER_WARMUP + 500, 100)
    assert [names(check(step, 0.9)) for step in steps] == [[], [], ["spots"], [], []]
    assert not any(check(step, 0.3, "BtoA") for step in steps)
    assert not any(alarm_monitor().check_generator(step, "AtoB", {"spot_share": 0.9}) for step in (100, 200, 300))


def test_spots_suggest_a_large_epsilon_with_weights_of_the_usual_size() -> None:
    (rule,) = GENERATOR_RULES
    suggestion = "--norm-eps 1 --weight-init kaiming"
    assert f"{suggest_flags(rule.suggestions, settings(RECIPES['cut']['fast']))} ".endswith(
        f"{suggestion} --output-gain 0.1 "
    )
    residual = settings(RECIPES["cyclegan"]["paper"]) | {"residual-output": True}
    assert suggest_flags(rule.suggestions, residual).endswith(suggestion)


def test_an_interrupted_failure_is_not_confirmed() -> None:
    failing = HEALTHY | FAILING["inverted"]
    assert not any(alarms_by_check(alarm_monitor(), failing, failing, HEALTHY, failing, failing, HEALTHY))


def test_an_alarm_is_repeated_only_after_a_confirmed_recovery() -> None:
    failing = HEALTHY | FAILING["collapsed"]
    between = HEALTHY | {"diversity": 0.25}  # between the thresholds of failure and recovery
    expected = [""] * (SAMPLES_TO_CONFIRM - 1) + ["collapsed"]
    monitor = alarm_monitor()
    assert alarms_by_check(monitor, *[failing] * SAMPLES_TO_CONFIRM) == expected
    assert not any(alarms_by_check(monitor, *[between] * 9, *[HEALTHY] * (SAMPLES_TO_CONFIRM - 1), *[failing] * 9))
    assert (
        alarms_by_check(monitor, *[HEALTHY] * SAMPLES_TO_CONFIRM, *[failing] * SAMPLES_TO_CONFIRM)
        == [""] * SAMPLES_TO_CONFIRM + expected
    )


def test_there_are_no_alarms_during_warm_up() -> None:
    failing = HEALTHY | FAILING["unchanged"]
    assert not any(alarms_by_check(alarm_monitor(total=1000), *[failing] * 2, first=0))
    assert names(alarm_monitor(total=1000).check_samples(199, "A to B", failing)) == []
    monitor = alarm_monitor(total=100_000)  # warm-up of 2000 steps
    assert not any(alarms_by_check(monitor, *[failing] * 10, first=1000))
    assert alarms_by_check(monitor, *[failing] * SAMPLES_TO_CONFIRM, first=2000)[-1] == "unchanged"


def test_the_warm_up_of_the_checkerboard_rule_is_twice_as_long() -> None:
    failing = HEALTHY | FAILING["checkerboard"]
    monitor = alarm_monitor(total=100_000)
    assert not any(alarms_by_check(monitor, *[failing] * 20, first=2000))
    assert alarms_by_check(monitor, *[failing] * SAMPLES_TO_CONFIRM, first=4000)[-1] == "checkerboard"


def test_directions_are_independent() -> None:
    monitor = alarm_monitor()
    for step in range(AFTER_WARMUP, AFTER_WARMUP + 100 * (SAMPLES_TO_CONFIRM - 1), 100):
        assert not monitor.check_samples(step, "A to B", HEALTHY | FAILING["inverted"])
        assert not monitor.check_samples(step, "B to A", HEALTHY)
    (alarm,) = monitor.check_samples(AFTER_WARMUP + 500, "A to B", HEALTHY | FAILING["inverted"])
    assert (alarm.direction, alarm.step, alarm.value) == ("A to B", AFTER_WARMUP + 500, -0.8)
    assert not monitor.check_samples(AFTER_WARMUP + 500, "B to A", HEALTHY | FAILING["inverted"])


def test_missing_metrics_are_no_failure() -> None:
    assert not any(alarms_by_check(alarm_monitor(), *[{}] * 10))


def test_faint_grids_and_usual_textures_are_no_checkerboard() -> None:
    faint = HEALTHY | {"checkerboard": 50.0, "checkerboard_levels": 2.0}
    usual = HEALTHY | {"checkerboard": 2.0, "checkerboard_levels": 20.0}
    assert not any(alarms_by_check(alarm_monitor(), *[faint] * 5, *[usual] * 5))


def test_a_cycle_may_lose_as_much_as_the_added_noise() -> None:
    assert not any(alarms_by_check(alarm_monitor(), *[HEALTHY | {"hidden": 12_000.0, "hidden_gain": 1.0}] * 5))


def check_loss_rows(
    monitor: AlarmMonitor, loss: float, rows: int, every: int = 20, first: int = AFTER_WARMUP
) -> list[str]:
    return [
        name
        for k in range(rows)
        for name in names(monitor.check_losses(first + every * k, {"D/adversarial_a": loss, "G/cycle_a": 0.0}))
    ]


@pytest.mark.parametrize(("loss", "alarm"), [(0.002, ["winning"]), (0.6, ["fooled"]), (0.25, []), (0.1, [])])
def test_a_discriminator_that_always_or_never_wins_raises_an_alarm(loss: float, alarm: list[str]) -> None:
    assert check_loss_rows(alarm_monitor(), loss, rows=40) == alarm


def test_a_discriminator_may_win_for_less_than_the_warm_up() -> None:
    assert not check_loss_rows(alarm_monitor(total=50_000), 0.002, rows=1000 // 20)  # the warm-up is 1000 steps
    assert check_loss_rows(alarm_monitor(total=50_000), 0.002, rows=1000 // 20 + 1) == ["winning"]


def test_few_rows_raise_no_alarm_however_many_steps_they_span() -> None:
    assert not check_loss_rows(alarm_monitor(), 0.002, rows=ROWS_TO_CONFIRM - 1, every=500)


def test_an_alarm_names_its_discriminator() -> None:
    monitor = alarm_monitor()
    alarms = [
        a
        for k in range(40)
        for a in monitor.check_losses(AFTER_WARMUP + 20 * k, {"D/adversarial_b": 0.001, "D/penalty": 9.0})
    ]
    assert [alarm.direction for alarm in alarms] == ["D_B"]
    assert alarms[0].message.startswith("D_B: the discriminator wins and")
    monitor = alarm_monitor("pix2pix")
    alarms = [
        alarm for k in range(40) for alarm in monitor.check_losses(AFTER_WARMUP + 20 * k, {"D/adversarial": 0.001})
    ]
    assert [alarm.direction for alarm in alarms] == ["D"]


@pytest.mark.parametrize("loss_name", GAN_LOSSES)
def test_the_chance_loss_is_the_loss_at_the_decision_threshold(loss_name: str) -> None:
    threshold = GAN_LOSSES[loss_name].decision_threshold
    if threshold is None:
        assert loss_name not in CHANCE_LOSS
    else:
        logits = torch.full((5,), threshold)
        assert CHANCE_LOSS[loss_name] == pytest.approx(float(GAN_LOSSES[loss_name].discriminator(logits, logits)))


@pytest.mark.parametrize("loss_name", ["wgan", "wgan-gp"])
def test_wgan_critics_raise_no_alarm(loss_name: str) -> None:
    monitor = AlarmMonitor(settings(RECIPES["gan"]["tiny"]) | {"adversarial": loss_name}, 1000, 1.0)
    assert monitor.chance_loss is None
    assert not check_loss_rows(monitor, -50.0, rows=40)
    assert not any(alarms_by_check(monitor, *[HEALTHY | FAILING["blind"]] * 5))


def test_the_chance_loss_is_proportional_to_the_number_of_logit_maps() -> None:
    paper = settings(RECIPES["cyclegan"]["paper"])
    assert AlarmMonitor(paper, 1000, 0.5).chance_loss == pytest.approx(0.25)
    assert AlarmMonitor(paper, 1000, 0.5, 3).chance_loss == pytest.approx(3 * 0.25)


def test_a_resumed_alarm_monitor_raises_the_same_alarms() -> None:
    checks = [HEALTHY | FAILING["inverted"]] * 5 + [HEALTHY] * 5 + [HEALTHY | FAILING["inverted"]] * 5
    whole = alarms_by_check(alarm_monitor(), *checks)
    for cut in range(len(checks)):
        first, second = alarm_monitor(), alarm_monitor()
        before = alarms_by_check(first, *checks[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert before + alarms_by_check(second, *checks[cut:], first=AFTER_WARMUP + 100 * cut) == whole


def test_the_state_consists_of_plain_numbers() -> None:
    monitor = alarm_monitor()
    alarms_by_check(monitor, *[HEALTHY | FAILING["inverted"]] * 3)
    check_loss_rows(monitor, 0.001, rows=3)
    state = monitor.state_dict()
    assert state["A to B: inverted"] == {
        "first_step": AFTER_WARMUP,
        "failed": 3,
        "passed": 0,
        "reported": True,
    }
    assert all(isinstance(value, int) for streak in state.values() for value in streak.values())


def test_an_alarm_becomes_a_row_of_the_log() -> None:
    monitor = alarm_monitor()
    alarms = [
        a
        for k in range(SAMPLES_TO_CONFIRM)
        for a in monitor.check_samples(AFTER_WARMUP + k, "A to B", HEALTHY | FAILING["inverted"])
    ]
    row = json.loads(json.dumps(alarms[0].log_row()))
    assert row["alarm"] == "inverted"
    assert (row["direction"], row["value"]) == ("A to B", -0.8)
    assert row["message"] == (
        "A to B: light and dark are swapped: the luminance correlates with -0.80; start a new run (--name) with "
        "--weight-identity 1."
    )


@pytest.mark.parametrize("rule", [*SAMPLE_RULES, *GENERATOR_RULES, *DISCRIMINATOR_RULES], ids=lambda rule: rule.name)
@pytest.mark.parametrize("row", ALL_RECIPES, ids=RECIPE_IDS)
def test_every_alarm_is_one_sentence(row: Recipe, rule: Rule) -> None:
    monitor = AlarmMonitor(settings(row), 1000, 0.5)
    message = f"{rule.message.format(where='A to B', value=0.5)}; {suggest_flags(rule.suggestions, monitor.settings)}."
    assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", message)
    assert not re.search(r"\. [A-Z]", message)
