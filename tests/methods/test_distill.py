"""Distillation: the student learns the teacher's outputs and features, and the teacher stays as it is."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_file
from i2i.errors import ConfigError, ModelFileError
from i2i.inference.loading import load
from i2i.methods.distill import Distill, DistillConfig, feature_distance
from i2i.networks import ResnetConfig, UnetConfig
from i2i.recipes import find_recipe, launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import write_random_images
from tests.methods.helpers import run_step

RESNET: dict[str, Any] = {"network": "resnet", "ngf": 4, "blocks": 2}
STUDENT: dict[str, Any] = {"network": "resnet", "ngf": 2, "blocks": 1, "separable": True}
TRAINING: dict[str, Any] = {"batch_size": 2, "sample_every": 50, "device": "cpu", "precision": "float32"}


@pytest.fixture
def teacher(work_dir: Path) -> Path:
    """A tiny CycleGAN, the run "teacher"; its data is the folder "data"."""
    for domain in ("trainA", "trainB"):
        write_random_images(work_dir / "data" / domain, 3, width=16)
    changes = {
        "data": {"data": "data", "size": 16, "resize_scale": 1.0},
        "model": {
            "generator": {**RESNET, "weight_init": "kaiming"},
            "discriminator": {"ndf": 2, "receptive_field": 16},
        },
        "training": {**TRAINING, "steps": 1},
    }
    launch.new_training("cyclegan", "tiny", changes, "teacher", TrainingProgress()).train()
    return work_dir / "checkpoints" / "teacher"


def start(generator: dict[str, Any], steps: int = 2, run: str = "student", **changes: Any) -> Trainer:
    overrides = {
        "data": {"data": "data", "size": 16, "resize_scale": 1.0, **changes.pop("data", {})},
        "model": {"teacher": "teacher", "generator": generator, **changes},
        "training": {**TRAINING, "steps": steps, "lr": 5e-3, "warmup": 0, "ema": 0.9,
                     "schedule": "constant"},
    }  # fmt: skip
    return launch.new_training("distill", "fast", overrides, run, TrainingProgress())


def psnr_of_the_student(trainer: Trainer) -> list[float]:
    return [row["psnr/student"] for row in read_log(trainer.run.path) if "psnr/student" in row]


def test_the_student_comes_near_the_teacher_and_translates_alone(teacher: Path) -> None:
    before = load_model_file(teacher / "weights.safetensors").tensors
    trainer = start({**STUDENT, "ngf": 4}, steps=150)
    trainer.train()
    first, *_, last = psnr_of_the_student(trainer)
    assert last > first + 2
    names = load_model_file(trainer.run.weights_path).tensors.keys()
    assert {name.split(".")[0] for name in names} == {"AtoB"}
    assert not any("teacher" in name or "connector" in name for name in names)
    assert load(trainer.run.path, device="cpu").direction == "AtoB"
    after = load_model_file(teacher / "weights.safetensors").tensors
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_student_with_the_teachers_weights_has_no_loss(teacher: Path) -> None:
    method = DistillConfig(teacher="teacher", generator=ResnetConfig(ngf=4, blocks=2)).build(16)
    method.G.load_state_dict(load_model_file(teacher / "weights.safetensors").state_dict("AtoB"))
    for connector in method.connectors.values():
        torch.nn.init.dirac_(connector.weight)
        torch.nn.init.zeros_(connector.bias)
    losses = {name: float(loss.detach()) for _, turn in method.turns(images(), 0) for name, loss in turn.items()}
    assert losses == pytest.approx({"G/l1": 0, "G/feature": 0}, abs=1e-6)


def images() -> tuple[Tensor, ...]:
    return (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1,)


def test_the_teacher_has_no_gradient_no_state_and_keeps_its_mode(teacher: Path) -> None:
    method = DistillConfig(teacher="teacher", generator=ResnetConfig(ngf=2, blocks=1)).build(16)
    assert isinstance(method, Distill)
    assert not list(method.teacher.parameters())
    assert not any(name.startswith("teacher") for name in method.state_dict())
    method.train()
    assert not method.teacher.training
    expected = method.teacher(images()[0])
    run_step(method, images())
    assert torch.equal(method.teacher(images()[0]), expected)


def test_the_distance_of_features_is_in_units_of_the_target() -> None:
    target = torch.randn(2, 3, 4, 4)
    assert float(feature_distance(torch.zeros_like(target), target)) == pytest.approx(1)
    assert float(feature_distance(10 * target, 10 * target)) == 0
    parts = [feature_distance(target[k : k + 1] + 1, target[k : k + 1]) for k in range(2)]
    assert float(feature_distance(target + 1, target)) == pytest.approx(float(sum(parts)) / 2), "a mean over images"


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_direction_selects_the_network_of_the_teacher_and_the_images(teacher: Path, direction: str) -> None:
    trainer = start(STUDENT, data={"direction": direction}, run=direction)
    assert isinstance(trainer.method, Distill)
    expected = load_model_file(teacher / "weights.safetensors").state_dict(direction)["encoder.1.weight"]
    assert torch.equal(trainer.method.teacher.get_buffer("encoder.1.weight"), expected)
    trainer.train()
    assert load(direction, device="cpu").direction == direction


def test_a_training_resumes_bit_by_bit(teacher: Path) -> None:
    whole = start(STUDENT, steps=3, run="whole")
    whole.train()
    start(STUDENT, steps=2, run="cut").train()
    cut = launch.resume_training("distill", None, {"training": {"steps": 3}}, "cut", TrainingProgress())
    cut.train()
    weights = [load_model_file(trainer.run.weights_path).tensors for trainer in (whole, cut)]
    assert all(torch.equal(weights[0][name], tensor) for name, tensor in weights[1].items())


def test_what_cannot_be_imitated_is_refused_with_the_reason(teacher: Path) -> None:
    for config, message in [
        (DistillConfig(), "No teacher was named"),
        (
            DistillConfig(teacher="teacher", generator=UnetConfig()),
            r"the student a Unet: give --weight-feature 0 or --generator resnet\. For a restoration model, use",
        ),
    ]:
        with pytest.raises(ConfigError, match=message):
            config.build(32)
    with pytest.raises(ModelFileError, match="nobody"):
        DistillConfig(teacher="nobody").build(16)
    with pytest.raises(ConfigError, match="size is 18; the teacher takes multiples of 4"):
        DistillConfig(teacher="teacher", generator=UnetConfig(), weight_feature=0).build(18)
    start(STUDENT, data={"direction": "BtoA"}, run="one-way").train()
    with pytest.raises(ConfigError, match="one-way has no direction 'AtoB'; it has BtoA"):
        DistillConfig(teacher="one-way").build(16)


def test_a_restoration_model_is_imitated_on_degraded_photos(work_dir: Path) -> None:
    write_random_images(work_dir / "photos", 3, width=24)
    data = {"data": "photos", "size": 16, "task": {"task": "superres", "scale": 2}}
    network = {"network": "restorer", "width": 4, "levels": 1, "depth": 1}
    changes: dict[str, Any] = {"data": data, "model": {"generator": network}, "training": {**TRAINING, "steps": 1}}
    launch.new_training("regression", "tiny", changes, "large", TrainingProgress()).train()
    changes["model"] = {"teacher": "large", "generator": {**network, "width": 2}}
    trainer = launch.new_training("distill", "restore", changes, "small", TrainingProgress())
    trainer.train()
    assert load("small", device="cpu").info.task_name == "superres"  # type: ignore[union-attr]
    recipe = find_recipe("distill", "restore").with_overrides(
        {**changes, "data": {**data, "task": {"task": "denoise"}}}
    )
    with pytest.raises(ConfigError, match="The teacher's scale is 2 and the student's 1"):
        recipe.build()
