import dataclasses
import json
import math
import re
from typing import Any

import pytest
import torch
from torch import nn

from i2i.config import flags
from i2i.diagnostics import Doctor, Setbacks, Signs, broken, settings_of
from i2i.diagnostics.alarms import EXAMS, ROWS
from i2i.diagnostics.rules import CRITIC, PICTURES, UNDECIDED, Rule
from i2i.diagnostics.suggestions import RESUMABLE, prescribe, steadier_game
from i2i.diagnostics.suggestions import settings_of as in_force
from i2i.losses.adversarial import GAMES
from i2i.recipes import RECIPES, SECTIONS, Recipe, launch, recipe

HEALTHY: Signs = {
    "blackness": 0.0, "saturation": 0.0, "excess": 0.001, "checkerboard": 1.0, "checkerboard_levels": 0.0,
    "diversity": 1.0, "change": 0.8, "luminance": 0.5, "hidden": 1.0, "hidden_gain": 0.1, "judgement": 0.2,
}  # fmt: skip
ILL: dict[str, Signs] = {
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
ROWS_OF_RECIPES = [row for rows in RECIPES.values() for row in rows.values()]
NAMES = [f"{row.objective}-{row.name}" for row in ROWS_OF_RECIPES]
GROWN = 1000  # steps after which a short training is no longer young


def settings(row: Recipe) -> dict[str, Any]:
    return settings_of(*(getattr(row, section) for section in SECTIONS))


def doctor(objective: str = "cyclegan", total: int = 5000) -> Doctor:
    return Doctor(settings(RECIPES[objective]["paper"]), total, 0.5)


def names(alarms: list[Any]) -> list[str]:
    return [alarm.name for alarm in alarms]


def course(watch: Doctor, *exams: Signs, first: int = GROWN) -> list[str]:
    """The names of the alarms, exam by exam, joined; "" where there was none."""
    return ["+".join(names(watch.look(first + 100 * k, "A to B", signs))) for k, signs in enumerate(exams)]


def test_healthy_signs_raise_no_alarm() -> None:
    assert not any(course(doctor(), *[HEALTHY] * 20))


@pytest.mark.parametrize("name", ILL)
def test_each_illness_is_told_alone_once_it_has_lasted(name: str) -> None:
    exams = [HEALTHY | ILL[name]] * (EXAMS + 5)
    assert course(doctor(), *exams) == [""] * (EXAMS - 1) + [name] + [""] * 5


def test_every_rule_of_the_pictures_has_its_example() -> None:
    assert [rule.name for rule in PICTURES] == list(ILL)


def test_an_illness_that_pauses_has_not_lasted() -> None:
    ill = HEALTHY | ILL["inverted"]
    assert not any(course(doctor(), ill, ill, HEALTHY, ill, ill, HEALTHY))


def test_an_alarm_is_said_again_only_after_the_illness_was_gone_for_as_long() -> None:
    ill = HEALTHY | ILL["collapsed"]
    between = HEALTHY | {"diversity": 0.25}  # no longer ill, not yet well
    told = [""] * (EXAMS - 1) + ["collapsed"]
    watch = doctor()
    assert course(watch, *[ill] * EXAMS) == told
    assert not any(course(watch, *[between] * 9, *[HEALTHY] * (EXAMS - 1), *[ill] * 9))
    assert course(watch, *[HEALTHY] * EXAMS, *[ill] * EXAMS) == [""] * EXAMS + told


def test_a_young_training_is_never_ill() -> None:
    ill = HEALTHY | ILL["unchanged"]
    assert not any(course(doctor(total=1000), *[ill] * 2, first=0))
    assert names(doctor(total=1000).look(199, "A to B", ill)) == []
    watch = doctor(total=100_000)  # young for 2000 steps
    assert not any(course(watch, *[ill] * 10, first=1000))
    assert course(watch, *[ill] * EXAMS, first=2000)[-1] == "unchanged"


def test_a_grid_is_part_of_growing_up_for_twice_as_long() -> None:
    ill = HEALTHY | ILL["checkerboard"]
    watch = doctor(total=100_000)
    assert not any(course(watch, *[ill] * 20, first=2000))
    assert course(watch, *[ill] * EXAMS, first=4000)[-1] == "checkerboard"


def test_directions_are_watched_apart() -> None:
    watch = doctor()
    for step in range(GROWN, GROWN + 100 * (EXAMS - 1), 100):
        assert not watch.look(step, "A to B", HEALTHY | ILL["inverted"])
        assert not watch.look(step, "B to A", HEALTHY)
    (alarm,) = watch.look(GROWN + 500, "A to B", HEALTHY | ILL["inverted"])
    assert (alarm.direction, alarm.step, alarm.value) == ("A to B", GROWN + 500, -0.8)
    assert not watch.look(GROWN + 500, "B to A", HEALTHY | ILL["inverted"])


def test_signs_that_could_not_be_told_are_no_illness() -> None:
    assert not any(course(doctor(), *[{}] * 10))


def test_a_faint_grid_is_none_however_far_it_stands_out_nor_is_a_strong_texture_that_is_usual() -> None:
    faint = HEALTHY | {"checkerboard": 50.0, "checkerboard_levels": 2.0}
    usual = HEALTHY | {"checkerboard": 2.0, "checkerboard_levels": 20.0}
    assert not any(course(doctor(), *[faint] * 5, *[usual] * 5))


def test_a_perfect_cycle_may_lose_as_much_as_it_is_disturbed_by() -> None:
    assert not any(course(doctor(), *[HEALTHY | {"hidden": 12_000.0, "hidden_gain": 1.0}] * 5))


def listened(watch: Doctor, loss: float, rows: int, every: int = 20, first: int = GROWN) -> list[str]:
    return [
        name
        for k in range(rows)
        for name in names(watch.listen(first + every * k, {"D/adversarial_a": loss, "G/cycle_a": 0.0}))
    ]


@pytest.mark.parametrize(("loss", "alarm"), [(0.002, ["winning"]), (0.6, ["fooled"]), (0.25, []), (0.1, [])])
def test_a_discriminator_that_always_or_never_wins_is_told(loss: float, alarm: list[str]) -> None:
    assert listened(doctor(), loss, rows=40) == alarm


def test_a_discriminator_may_win_for_less_than_the_youth_of_a_training() -> None:
    assert not listened(doctor(total=50_000), 0.002, rows=1000 // 20)  # the youth is 1000 steps
    assert listened(doctor(total=50_000), 0.002, rows=1000 // 20 + 1) == ["winning"]


def test_a_few_rows_say_nothing_of_a_discriminator_however_many_steps_they_cover() -> None:
    assert not listened(doctor(), 0.002, rows=ROWS - 1, every=500)


def test_each_discriminator_is_named() -> None:
    watch = doctor()
    alarms = [a for k in range(40) for a in watch.listen(GROWN + 20 * k, {"D/adversarial_b": 0.001, "D/penalty": 9.0})]
    assert [alarm.direction for alarm in alarms] == ["D_B"]
    assert alarms[0].sentence.startswith("D_B: the discriminator wins and")
    watch = doctor("pix2pix")
    alarms = [alarm for k in range(40) for alarm in watch.listen(GROWN + 20 * k, {"D/adversarial": 0.001})]
    assert [alarm.direction for alarm in alarms] == ["D"]


@pytest.mark.parametrize("game", GAMES)
def test_a_guess_costs_what_the_game_charges_for_its_middle(game: str) -> None:
    middle = GAMES[game].middle
    if middle is None:
        assert game not in UNDECIDED
    else:
        logits = torch.full((5,), middle)
        assert UNDECIDED[game] == pytest.approx(float(GAMES[game].discriminator(logits, logits)))


@pytest.mark.parametrize("game", ["wgan", "wgan-gp"])
def test_critics_that_only_compare_are_not_judged(game: str) -> None:
    watch = Doctor(settings(RECIPES["gan"]["tiny"]) | {"adversarial": game}, 1000, 1.0)
    assert watch.guess is None
    assert not listened(watch, -50.0, rows=40)
    assert not any(course(watch, *[HEALTHY | ILL["blind"]] * 5))


def test_several_scales_of_a_discriminator_are_a_guess_each() -> None:
    paper = settings(RECIPES["cyclegan"]["paper"])
    assert Doctor(paper | {"d-scales": 3}, 1000, 0.5).guess == pytest.approx(3 * 0.25)


def test_a_collapsed_gan_is_shown_its_whole_batch_and_a_clipped_critic_loses_its_momentum() -> None:
    now = settings(RECIPES["gan"]["paper"])
    remedies = next(rule.remedies for rule in PICTURES if rule.name == "collapsed")
    assert prescribe(remedies, now) == "start a new run (--name) with --d-minibatch-std"
    assert prescribe(remedies, now | {"d-minibatch-std": True}).startswith(
        "start a new run (--name) with --adversarial"
    )
    clipped = now | {"adversarial": "wgan", "lr": 1e-3}
    assert prescribe(remedies, clipped) == "start a new run (--name) with --optimizer rmsprop --lr 0.0005"


def test_a_doctor_resumed_in_mid_course_tells_what_it_would_have_told() -> None:
    exams = [HEALTHY | ILL["inverted"]] * 5 + [HEALTHY] * 5 + [HEALTHY | ILL["inverted"]] * 5
    whole = course(doctor(), *exams)
    for cut in range(len(exams)):
        first, second = doctor(), doctor()
        before = course(first, *exams[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert before + course(second, *exams[cut:], first=GROWN + 100 * cut) == whole


def test_what_is_remembered_is_plain_numbers() -> None:
    watch = doctor()
    course(watch, *[HEALTHY | ILL["inverted"]] * 3)
    listened(watch, 0.001, rows=3)
    state = watch.state_dict()
    assert state["A to B: inverted"] == {"since": GROWN, "found": 3, "free": 0, "told": True}
    assert all(isinstance(value, int) for case in state.values() for value in case.values())


def test_an_alarm_is_a_row_of_the_log() -> None:
    watch = doctor()
    alarms = [a for k in range(EXAMS) for a in watch.look(GROWN + k, "A to B", HEALTHY | ILL["inverted"])]
    row = json.loads(json.dumps(alarms[0].row()))
    assert row["alarm"] == "inverted"
    assert (row["direction"], row["value"]) == ("A to B", -0.8)
    assert row["sentence"] == (
        "A to B: light and dark are swapped, with a correlation of -0.80; start a new run (--name) with "
        "--weight-identity 1."
    )


def spoken(row: Recipe, rule: Rule) -> str:
    return prescribe(rule.remedies, settings(row))


@pytest.mark.parametrize("rule", [*PICTURES, *CRITIC], ids=lambda rule: rule.name)
@pytest.mark.parametrize("row", ROWS_OF_RECIPES, ids=NAMES)
def test_every_flag_that_is_named_exists_with_a_value_that_the_training_can_take(row: Recipe, rule: Rule) -> None:
    sentence = spoken(row, rule)
    section_of = {
        flag.name: (section, flag) for section in SECTIONS for flag in flags(getattr(recipe(row.objective), section))
    }
    changes: dict[str, Any] = {}
    for word in re.findall(r"--(?!name|resume)([\w-]+(?: [\w.-]*\w)?)", sentence):
        name, _, value = word.partition(" ")
        known = name if name in section_of else name.removeprefix("no-")
        section, flag = section_of[known]
        table = changes.setdefault(section, {})
        for key in flag.path[:-1]:
            table = table.setdefault(key, {})
        table[flag.path[-1]] = type(flag.default)(value) if value else known == name
    assert changes
    assert row.merged(changes) != row


@pytest.mark.parametrize("rule", [*PICTURES, *CRITIC], ids=lambda rule: rule.name)
@pytest.mark.parametrize("row", ROWS_OF_RECIPES, ids=NAMES)
def test_every_alarm_is_one_sentence(row: Recipe, rule: Rule) -> None:
    watch = Doctor(settings(row), 1000, 0.5)
    says = f"{rule.says.format(where='A to B', value=0.5)}; {prescribe(rule.remedies, watch.settings)}."
    assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", says)
    assert not re.search(r"\. [A-Z]", says)


def test_what_is_said_to_go_by_a_resume_does() -> None:
    assert launch.FREE["training"] >= RESUMABLE


def test_a_remedy_already_taken_gives_way_to_the_next() -> None:
    now = settings(RECIPES["cyclegan"]["paper"])
    remedies = next(rule for rule in CRITIC if rule.name == "winning").remedies
    assert prescribe(remedies, now) == "start a new run (--name) with --adversarial hinge --r1 1"
    now |= {"adversarial": "hinge", "r1": 2.0}
    assert prescribe(remedies, now) == "start a new run (--name) with --augment diffaugment"
    now |= {"augment": "ada"}
    assert prescribe(remedies, now) == "start a new run (--name) with --d-ndf 32"
    now |= {"d-ndf": 8}
    assert prescribe(remedies, now) == "go on by --resume with --lr 0.0001"


def test_where_no_setting_is_known_a_new_run_is_all_that_can_be_advised() -> None:
    assert prescribe((steadier_game,), {}) == "start a new run (--name)"


def test_r1_is_never_advised_beside_batch_norm_in_the_discriminator() -> None:
    now = settings(RECIPES["pix2pix"]["paper"])
    assert now["d-norm"] == "batch"
    assert prescribe((steadier_game,), now).endswith("--adversarial hinge --r1 1 --d-norm instance")


def test_settings_are_those_in_force() -> None:
    row = RECIPES["pix2pix"]["paper"]
    now = settings(row)
    assert (now["generator"], now["lr"], now["adversarial"]) == ("unet", 2e-4, "non-saturating")
    assert "blocks" not in now  # of the other generator
    slower = dataclasses.replace(row.training, lr=1e-5)
    assert in_force(slower)["lr"] == 1e-5


@pytest.mark.parametrize("objective", RECIPES)
def test_settings_tell_a_networks_kind_by_its_flag(objective: str) -> None:
    for row in RECIPES[objective].values():
        model = row.to_json()["model"]
        for section, name in (("generator", "generator"), ("networks", "network")):
            if "network" in model.get(section, {}) and name in {flag.name for flag in flags(row.model)}:
                assert settings(row)[name] == model[section]["network"]


def test_a_training_is_taken_back_three_times_and_then_stopped() -> None:
    setbacks = Setbacks(settings(RECIPES["cyclegan"]["paper"]))
    verdicts = [setbacks.decide(700 + k, ["G/cycle_a", "D/adversarial_b"], 600, ["a.jpg", "b.jpg"]) for k in range(4)]
    assert [verdict.action for verdict in verdicts] == ["roll back", "roll back", "roll back", "stop"]
    assert verdicts[0].sentence == (
        "G/cycle_a and 1 more was not finite in step 701 (pictures: a.jpg, b.jpg); back to step 600, with 0.5 of the "
        "learning rate (1 of 3 times)."
    )
    assert "step 704 (pictures: a.jpg, b.jpg), and it has been taken back 3 times" in verdicts[3].sentence
    assert "--resume with --lr 1.25e-05 --precision float32" in verdicts[3].sentence
    assert "--adversarial hinge --r1 1." in verdicts[3].sentence


def test_without_a_good_state_there_is_no_way_back() -> None:
    verdict = Setbacks(settings(RECIPES["pix2pix"]["paper"])).decide(0, [], None)
    assert verdict.action == "stop"
    assert "no good state" in verdict.sentence


def test_each_way_back_halves_the_learning_rate_also_after_a_resume() -> None:
    now = settings(RECIPES["cyclegan"]["paper"])
    one, other = Setbacks(now), Setbacks(now)
    assert one.lr_factor == 1
    one.decide(5, [], 4)
    one.decide(5, [], 4)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert one.lr_factor == other.lr_factor == 0.25


def test_a_long_list_of_files_is_cut_short() -> None:
    verdict = Setbacks(settings(RECIPES["cyclegan"]["paper"])).decide(5, [], 4, [f"{k}.png" for k in range(20)])
    assert "7.png and 12 more)" in verdict.sentence
    assert "8.png" not in verdict.sentence


def test_what_broke_is_named() -> None:
    network = nn.Linear(2, 1)
    network(torch.tensor([1.0, math.inf])).sum().backward()
    losses = {"G/cycle_a": torch.tensor(math.nan), "D/adversarial": torch.tensor(1.0)}
    assert broken(losses, network) == ["G/cycle_a", "the gradient of weight"]
    with torch.no_grad():
        network.bias.fill_(math.inf)
    assert broken({}, network) == ["the gradient of weight", "bias"]
    assert broken({}, nn.Linear(2, 1)) == []
