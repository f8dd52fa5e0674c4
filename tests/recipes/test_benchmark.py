import pytest
import torch

from i2i.errors import TrainingError
from i2i.recipes import Recipe, benchmark, find_recipe
from i2i.recipes.benchmark import benchmark_step
from tests.conftest import TINY_NETWORKS

measure_conv_tflops = benchmark._conv_tflops


@pytest.fixture(autouse=True)
def conv_tflops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the measurement of a large convolution, which takes most of a second."""
    monkeypatch.setattr(benchmark, "_conv_tflops", lambda device, dtype: 1.0)


@pytest.fixture
def recipe() -> Recipe:
    overrides = {
        "data": {"size": 16},
        "model": {**TINY_NETWORKS, "generator": {"network": "resnet", "ngf": 4, "blocks": 1}},
        "training": {"device": "cpu", "precision": "float32"},
    }
    return find_recipe("cyclegan", "paper").with_overrides(overrides)


def test_the_length_of_the_whole_training_needs_a_known_dataset(recipe: Recipe) -> None:
    cost = benchmark_step(recipe, 1334, steps=2)
    assert cost.total_steps == 266_800
    assert cost.total_hours == pytest.approx(266_800 * cost.seconds_per_step / 3600)
    assert benchmark_step(recipe, None, steps=1).total_hours is None


def test_the_counted_arithmetic_scales_with_batch_size_and_losses(recipe: Recipe) -> None:
    single = benchmark_step(recipe, None, steps=1)
    double = benchmark_step(recipe.with_overrides({"training": {"batch_size": 2}}), None, steps=1)
    assert double.tflop_per_step == pytest.approx(2 * single.tflop_per_step)
    without_identity = benchmark_step(recipe.with_overrides({"model": {"weight_identity": 0.0}}), None, steps=1)
    assert without_identity.tflop_per_step < single.tflop_per_step


def test_a_cost_as_json_is_plain_numbers(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_conv_tflops", measure_conv_tflops)
    cost = benchmark_step(recipe, None, steps=1).to_json()
    assert cost["seconds_per_step"] > 0
    assert cost["pictures_per_second"] > 0
    assert cost["peak_memory_mb"] > 0
    assert cost["share_of_conv"] > 0


def test_a_gan_is_benchmarked_with_images_of_one_domain() -> None:
    networks = {"network": "dcgan", "generator": {"latent": 4, "ngf": 2}, "discriminator": {"ndf": 2}}
    training = {"device": "cpu", "precision": "float32", "batch_size": 2, "steps": 100}
    overrides = {"data": {"size": 16}, "model": {"networks": networks}, "training": training}
    recipe = find_recipe("gan", "wgan").with_overrides(overrides)
    assert recipe.input_shapes() == [(3, 16)]
    assert benchmark_step(recipe, None, steps=1).total_steps == 100


def test_a_restoration_task_sets_the_input_shapes_and_max_hours_sets_the_steps() -> None:
    generator = {"width": 2, "levels": 1, "depth": 1}
    training = {"device": "cpu", "precision": "float32", "batch_size": 1, "max_hours": 1.0}
    for task, shapes in (
        ({"task": "superres", "scale": 2}, [(3, 8), (3, 16)]),
        ({"task": "inpaint"}, [(4, 16), (3, 16)]),
    ):
        overrides = {"data": {"size": 16, "task": task}, "model": {"generator": generator}, "training": training}
        recipe = find_recipe("regression").with_overrides(overrides)
        assert recipe.input_shapes() == shapes
        assert benchmark_step(recipe, 10, steps=1).total_hours == pytest.approx(1.0, rel=0.01)


def test_a_step_that_does_not_fit_into_memory_is_an_error_that_says_what_to_lower(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("i2i.training.train_step.TrainStep.run", no_memory)
    with pytest.raises(TrainingError, match=r"--batch-size 1 and --size 16 does not fit.*raise --accumulate"):
        benchmark_step(recipe, None)


def test_one_step_is_timed_where_the_time_limit_has_passed_and_the_log_says_so(
    recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "i2i.recipes.benchmark"):
        assert benchmark_step(recipe, None, steps=5, time_limit_s=0).steps == 1
    first, second = (record.message for record in caplog.records)
    assert first == "timing cyclegan, recipe paper, 16 px, batch 1, on cpu: 2 steps to warm up, then up to 5"
    assert second.startswith("warmed up; timing 1, about ")
