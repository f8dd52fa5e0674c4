import pytest

from i2i.recipes import Recipe, recipe
from i2i.recipes.benchmark import bench
from tests.conftest import TINY_NETWORKS


@pytest.fixture
def plan() -> Recipe:
    changes = {"data": {"size": 16}, "model": {**TINY_NETWORKS}, "training": {"device": "cpu", "precision": "float32"}}
    changes["model"]["generator"] = {"network": "resnet", "ngf": 4, "blocks": 1}
    return recipe("cyclegan", "paper").merged(changes)


def test_a_cost_names_the_length_of_the_whole_run_where_the_data_is_known(plan: Recipe) -> None:
    cost = bench(plan, 1334, steps=2)
    assert cost.total_steps == 266_800
    assert cost.total_hours == pytest.approx(266_800 * cost.seconds_per_step / 3600)
    assert bench(plan, None, steps=1).total_hours is None


def test_the_arithmetic_counted_is_that_of_the_networks(plan: Recipe) -> None:
    once = bench(plan, None, steps=1)
    twice = bench(plan.merged({"training": {"batch_size": 2}}), None, steps=1)
    assert twice.tflop_per_step == pytest.approx(2 * once.tflop_per_step)
    identity_free = bench(plan.merged({"model": {"weight_identity": 0.0}}), None, steps=1)
    assert identity_free.tflop_per_step < once.tflop_per_step


def test_a_cost_is_plain_numbers_in_json(plan: Recipe) -> None:
    told = bench(plan, None, steps=1).to_json()
    assert told["seconds_per_step"] > 0
    assert told["peak_memory_mb"] > 0
    assert told["share_of_conv"] > 0


def test_a_gan_is_measured_on_pictures_of_its_one_domain() -> None:
    small = {"network": "dcgan", "generator": {"latent": 4, "ngf": 2}, "discriminator": {"ndf": 2}}
    training = {"device": "cpu", "precision": "float32", "batch_size": 2, "steps": 100}
    plan = recipe("gan", "wgan").merged({"data": {"size": 16}, "model": {"networks": small}, "training": training})
    assert plan.shapes() == [(3, 16)]
    assert bench(plan, None, steps=1).total_steps == 100


def test_a_restoration_is_measured_on_what_its_task_shows_and_its_hours_give_its_steps() -> None:
    small = {"width": 2, "levels": 1, "depth": 1}
    training = {"device": "cpu", "precision": "float32", "batch_size": 1, "hours": 1.0}
    for task, shapes in (
        ({"task": "superres", "scale": 2}, [(3, 8), (3, 16)]),
        ({"task": "inpaint"}, [(4, 16), (3, 16)]),
    ):
        changes = {"data": {"size": 16, "task": task}, "model": {"generator": small}, "training": training}
        plan = recipe("regression").merged(changes)
        assert plan.shapes() == shapes
        cost = bench(plan, 10, steps=1)
        assert cost.total_hours == pytest.approx(1.0, rel=0.01)
