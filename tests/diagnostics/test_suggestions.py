import dataclasses
import re
from typing import Any

import pytest

from i2i.config import flags
from i2i.diagnostics import flag_values
from i2i.diagnostics.rules import DISCRIMINATOR_RULES, GENERATOR_RULES, SAMPLE_RULES, Rule
from i2i.diagnostics.suggestions import RESUMABLE_FLAGS, suggest_flags, use_hinge_and_r1
from i2i.recipes import RECIPES, SECTIONS, Recipe, find_recipe, resumable

ALL_RECIPES = [row for rows in RECIPES.values() for row in rows.values()]
RECIPE_IDS = [f"{row.method}-{row.name}" for row in ALL_RECIPES]


def settings(row: Recipe) -> dict[str, Any]:
    return flag_values(*(getattr(row, section) for section in SECTIONS))


def suggested_flags(row: Recipe, rule: Rule) -> str:
    return suggest_flags(rule.suggestions, settings(row))


def test_mode_collapse_suggests_minibatch_std_or_rmsprop() -> None:
    current = settings(RECIPES["gan"]["paper"])
    suggestions = next(rule.suggestions for rule in SAMPLE_RULES if rule.name == "collapsed")
    assert suggest_flags(suggestions, current) == "start a new run (--name) with --d-minibatch-std"
    assert suggest_flags(suggestions, current | {"d-minibatch-std": True}).startswith(
        "start a new run (--name) with --adversarial"
    )
    clipped = current | {"adversarial": "wgan", "lr": 1e-3}
    assert suggest_flags(suggestions, clipped) == "start a new run (--name) with --optimizer rmsprop --lr 0.0005"


@pytest.mark.parametrize("rule", [*SAMPLE_RULES, *GENERATOR_RULES, *DISCRIMINATOR_RULES], ids=lambda rule: rule.name)
@pytest.mark.parametrize("row", ALL_RECIPES, ids=RECIPE_IDS)
def test_every_suggested_flag_exists_and_its_value_is_valid(row: Recipe, rule: Rule) -> None:
    sentence = suggested_flags(row, rule)
    section_of = {
        flag.name: (section, flag) for section in SECTIONS for flag in flags(getattr(find_recipe(row.method), section))
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
    assert row.with_overrides(changes) != row


def test_the_resumable_flags_can_be_changed_by_a_resume() -> None:
    assert resumable.RESUMABLE_FIELDS["training"] >= RESUMABLE_FLAGS


def test_a_suggestion_that_changes_nothing_is_skipped() -> None:
    current = settings(RECIPES["cyclegan"]["paper"])
    suggestions = next(rule for rule in DISCRIMINATOR_RULES if rule.name == "winning").suggestions
    assert suggest_flags(suggestions, current) == "start a new run (--name) with --adversarial hinge --r1 1"
    current |= {"adversarial": "hinge", "r1": 2.0}
    assert suggest_flags(suggestions, current) == "start a new run (--name) with --augment diffaugment"
    current |= {"augment": "ada"}
    assert suggest_flags(suggestions, current) == "start a new run (--name) with --d-ndf 32"
    current |= {"d-ndf": 8}
    assert suggest_flags(suggestions, current) == "continue by --resume with --lr 0.0001"


def test_without_settings_a_new_run_is_suggested() -> None:
    assert suggest_flags((use_hinge_and_r1,), {}) == "start a new run (--name)"


def test_r1_is_suggested_with_instance_norm_in_place_of_batch_norm() -> None:
    current = settings(RECIPES["pix2pix"]["paper"])
    assert current["d-norm"] == "batch"
    assert suggest_flags((use_hinge_and_r1,), current).endswith("--adversarial hinge --r1 1 --d-norm instance")


def test_flag_values_are_those_of_the_networks_in_use() -> None:
    row = RECIPES["pix2pix"]["paper"]
    current = settings(row)
    assert (current["generator"], current["lr"], current["adversarial"]) == ("unet", 2e-4, "non-saturating")
    assert "blocks" not in current  # a flag of the other generator
    slower = dataclasses.replace(row.training, lr=1e-5)
    assert flag_values(slower)["lr"] == 1e-5


@pytest.mark.parametrize("method", RECIPES)
def test_flag_values_contain_the_kind_of_network(method: str) -> None:
    for row in RECIPES[method].values():
        model = row.to_json()["model"]
        for section, name in (("generator", "generator"), ("networks", "network")):
            if "network" in model.get(section, {}) and name in {flag.name for flag in flags(row.model)}:
                assert settings(row)[name] == model[section]["network"]
