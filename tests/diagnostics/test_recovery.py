import json
import math
from typing import Any

import torch
from torch import nn

from i2i.diagnostics import Recovery, flag_values, nonfinite_names
from i2i.recipes import RECIPES, SECTIONS, Recipe


def settings(row: Recipe) -> dict[str, Any]:
    return flag_values(*(getattr(row, section) for section in SECTIONS))


def test_recovery_rolls_back_three_times_and_then_stops() -> None:
    recovery = Recovery(settings(RECIPES["cyclegan"]["paper"]))
    decisions = [
        recovery.on_nonfinite(700 + k, ["G/cycle_a", "D/adversarial_b"], 600, ["a.jpg", "b.jpg"]) for k in range(4)
    ]
    assert [decision.action for decision in decisions] == ["roll back", "roll back", "roll back", "stop"]
    assert decisions[0].message == (
        "G/cycle_a and 1 more was not finite in step 701 (images: a.jpg, b.jpg). Rolled back to step 600, with 0.5 "
        "times the learning rate (rollback 1 of 3)."
    )
    assert "step 704 (images: a.jpg, b.jpg). The training was rolled back 3 times already" in decisions[3].message
    assert "--resume with --lr 1.25e-05 --precision float32" in decisions[3].message
    assert "--adversarial hinge --r1 1." in decisions[3].message


def test_recovery_stops_without_a_good_state() -> None:
    decision = Recovery(settings(RECIPES["pix2pix"]["paper"])).on_nonfinite(0, [], None)
    assert decision.action == "stop"
    assert "no good state" in decision.message


def test_each_rollback_halves_the_learning_rate_also_after_a_resume() -> None:
    current = settings(RECIPES["cyclegan"]["paper"])
    one, other = Recovery(current), Recovery(current)
    assert one.lr_factor == 1
    one.on_nonfinite(5, [], 4)
    one.on_nonfinite(5, [], 4)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert one.lr_factor == other.lr_factor == 0.25


def test_a_long_list_of_files_is_truncated() -> None:
    decision = Recovery(settings(RECIPES["cyclegan"]["paper"])).on_nonfinite(5, [], 4, [f"{k}.png" for k in range(20)])
    assert "7.png and 12 more)" in decision.message
    assert "8.png" not in decision.message


def test_nonfinite_names_lists_losses_weights_and_gradients() -> None:
    network = nn.Linear(2, 1)
    network(torch.tensor([1.0, math.inf])).sum().backward()
    losses = {"G/cycle_a": torch.tensor(math.nan), "D/adversarial": torch.tensor(1.0)}
    assert nonfinite_names(losses, network) == ["G/cycle_a", "the gradient of weight"]
    with torch.no_grad():
        network.bias.fill_(math.inf)
    assert nonfinite_names({}, network) == ["the gradient of weight", "bias"]
    assert nonfinite_names({}, nn.Linear(2, 1)) == []
