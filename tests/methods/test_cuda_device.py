"""Every training step stays on its device: the host gives it no tensor and waits for no value."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kornia.color  # noqa: F401 (its import makes tensors on the CPU)
import pytest
import torch
from torch import Tensor

from i2i.methods.base import Method
from i2i.metrics.ssim import ms_ssim
from i2i.networks.instance_norm import _InstanceNormFunction
from i2i.recipes import Recipe, find_recipe
from i2i.restoration import TASKS
from i2i.training.ema import EMA
from i2i.training.train_step import TrainStep
from tests.fake_cuda import CUDA, DeviceOnly, HostError, ReadsAllowed, fake_cuda, move_to_fake_cuda

SIZE = 32
PATCHGAN = {"network": "patchgan", "ndf": 2, "receptive_field": 16}
PROJECTED = {"network": "projected", "ndf": 2, "receptive_field": 16, "head_width": 2}
RESNET = {"network": "resnet", "ngf": 2, "blocks": 1}
UNET = {"network": "unet", "ngf": 2, "dropout": 0.5}
RESTORER = {"network": "restorer", "width": 4, "depth": 1}
SMALL: dict[str, dict[str, Any]] = {
    "cyclegan": {"generator": RESNET, "discriminator": PATCHGAN, "pool_size": 1},
    "cut": {"generator": RESNET, "discriminator": PATCHGAN, "nce_layers": "0,4", "nce_dim": 4},
    "pix2pix": {"generator": UNET, "discriminator": PATCHGAN},
    "regression": {"generator": RESTORER},
    "gan": {"networks": {"network": "dcgan", "generator": {"latent": 4, "ngf": 2}, "discriminator": {"ndf": 2}}},
}
GAN_MLP = {"network": "mlp", "generator": {"latent": 4, "width": 4}, "discriminator": {"width": 4}}
NO_NORM = {"network": "dcgan", "discriminator": {"ndf": 2, "norm": "none", "minibatch_std": True}}
WGAN_GP = {"adversarial": {"loss": "wgan-gp"}}
R1 = {"adversarial": {"r1": 1.0, "r1_every": 1}}
ADA = {"adversarial": {"augment": "ada"}}
DIFFAUGMENT = {"adversarial": {"augment": "diffaugment"}}
FEATURES = {"adversarial": {"weight_feature_matching": 10.0}}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [  # method, model settings, training settings
    ("cyclegan", {}, {}),
    ("cyclegan", {"generator": UNET}, {"grad_clip": 1.0}),
    ("cyclegan", {"adversarial": {"loss": "wgan"}}, {"optimizer": "rmsprop"}),
    ("cyclegan", {"discriminator": {"norm": "instance", "spectral_norm": True, "scales": 2}, **FEATURES}, {}),
    ("cyclegan", {"discriminator": PROJECTED, **DIFFAUGMENT}, {}),
    ("cyclegan", {"weight_perceptual": 1.0, **R1}, {}),
    ("cyclegan", ADA, {"precision": "float32"}),
    ("cyclegan", WGAN_GP, {}),
    ("cut", {}, {}),
    ("cut", {"flip_equivariance": True, "weight_background": 1.0}, {}),
    ("cut", {"generator": {"dropout": 0.5}, "discriminator": PROJECTED, **ADA}, {}),
    ("cut", {"discriminator": {"antialias": False}, **DIFFAUGMENT}, {"precision": "float32"}),
    ("cut", {"reconstruction_steps": 5}, {}),
    ("pix2pix", {}, {}),
    ("pix2pix", {"discriminator": PROJECTED, **DIFFAUGMENT}, {}),
    (
        "pix2pix",
        {"discriminator": {"norm": "instance"}, "weight_perceptual": 1.0, **FEATURES},
        {"precision": "float32"},
    ),
    ("pix2pix", {"generator": RESTORER, "discriminator": {"norm": "none", "spectral_norm": True}, **ADA}, {}),
    ("regression", {}, {"grad_clip": 0.5}),
    ("regression", {"pixel_loss": "l1", "weight_perceptual": 1.0}, {}),
    ("regression", {"pixel_loss": "l2", "weight_ms_ssim": 1.0}, {}),
    ("gan", {}, {}),
    ("gan", {"networks": GAN_MLP}, {"precision": "float32"}),
    ("gan", {"networks": NO_NORM, **WGAN_GP}, {}),
    ("gan", {"adversarial": {"loss": "wgan", "d_steps": 1}}, {"optimizer": "rmsprop"}),
    ("gan", {"networks": {"discriminator": {"norm": "none"}}, **R1, **DIFFAUGMENT}, {}),
    ("gan", ADA, {}),
]


@pytest.fixture(autouse=True)
def _weights(perceptual_weights: Path) -> None:
    torch.manual_seed(0)
    ms_ssim(torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, 3, SIZE, SIZE))  # computes its exponents once, on the CPU


def small_recipe(
    method: str, model: dict[str, Any], training: dict[str, Any] | None = None, data: dict[str, Any] | None = None
) -> Recipe:
    recipe = find_recipe(method, None).with_overrides({"data": {"size": SIZE, **(data or {})}, "model": SMALL[method]})
    return recipe.with_overrides({"model": model, "training": training or {}})


def run_on_fake_cuda(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, batch_size: int = 2) -> dict[str, Tensor]:
    """Run one training step with ``DeviceOnly``, and return its losses."""
    method: Method = recipe.build()
    method.prepare_step(batch_size)  # the host's part
    dtype = torch.float32 if recipe.training.precision == "float32" else torch.bfloat16
    with fake_cuda(monkeypatch):
        move_to_fake_cuda(method)
        with ReadsAllowed():  # torch checks the learning rate once
            train_step = TrainStep(method, recipe.training, CUDA, dtype)
        ema = EMA(method.translators(), 0.9)
        batch = tuple(
            torch.empty(batch_size, channels, side, side, device=CUDA).contiguous(memory_format=torch.channels_last)
            for channels, side in recipe.input_shapes()
        )
        with DeviceOnly():
            train_step.reset_counters(0)
            losses = train_step.run(batch, 0)
            ema.update(1)
    return losses


@pytest.mark.parametrize(("name", "model", "training"), CASES)
def test_a_step_stays_on_the_device(
    name: str, model: dict[str, Any], training: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = run_on_fake_cuda(small_recipe(name, model, training), monkeypatch)
    assert losses
    assert all(loss.device.type == "cuda" for loss in losses.values())


@pytest.mark.parametrize("task", [name for name in TASKS if name != "none"])
def test_a_restoration_step_stays_on_the_device(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe("regression", {}, data={"task": {"task": task}})
    assert run_on_fake_cuda(recipe, monkeypatch)


def test_the_gradient_of_instance_norm_stays_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cuda(monkeypatch), DeviceOnly(), torch.no_grad():
        x = torch.empty(2, 3, 4, 4, device=CUDA)
        statistics = torch.empty(2, 1, 3, device=CUDA)
        context = SimpleNamespace(saved_tensors=(x, statistics, statistics), eps=1e-5)
        gradient, _ = _InstanceNormFunction.backward(context, x)
    assert gradient.device.type == "cuda"


@pytest.mark.parametrize(
    "harm", [lambda x: x * torch.rand(2, 1, 1, 1).to(x.device), lambda x: x * float(x.mean())], ids=["copy", "read"]
)
def test_a_mask_from_the_cpu_and_a_read_value_are_errors(harm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests can fail."""
    monkeypatch.setattr("i2i.losses.discriminator_input.apply_params", lambda images, params, channels: harm(images))
    with pytest.raises(HostError):
        run_on_fake_cuda(small_recipe("pix2pix", {}), monkeypatch)
