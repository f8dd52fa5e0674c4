"""Batches, samples and evaluations of a training on CUDA: inputs go to the device, results come back."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.diagnostics import compute_health_metrics
from i2i.images.pixel_format import PixelFormat
from i2i.networks import DCGANGeneratorConfig, ResnetConfig
from i2i.recipes import find_recipe
from i2i.training import samples
from i2i.training.batches import to_device
from i2i.training.validator import Validator
from tests.fake_cuda import CUDA, DeviceOnly, ReadsAllowed, fake_cuda, move_to_fake_cuda

SIZE = 32


def uint8_images(count: int = 2) -> Tensor:
    return torch.empty(count, 3, SIZE, SIZE, dtype=torch.uint8)


def validator(generator: Any, images: tuple[Tensor, ...]) -> Validator:
    result = object.__new__(Validator)
    result.generator = generator
    result._images = images
    result.dataset = SimpleNamespace(formats=(PixelFormat(), PixelFormat()))  # type: ignore[assignment]
    return result


def test_batches_go_to_the_device_as_float_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cuda(monkeypatch):
        for images in to_device((uint8_images(), uint8_images()), CUDA):
            assert (images.device.type, images.dtype) == ("cuda", torch.float32)
            assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("config", [ResnetConfig(ngf=2, blocks=1), DCGANGeneratorConfig(latent=4, ngf=2)])
def test_an_evaluation_translates_on_the_device(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = config.build(SIZE)
    latents = torch.zeros(2, 4)
    direction = "sample" if isinstance(config, DCGANGeneratorConfig) else "AtoB"
    with fake_cuda(monkeypatch) as mode:
        monkeypatch.setattr("i2i.training.validator.latents_from_seeds", lambda *_: mode.from_tensor(latents))
        move_to_fake_cuda(network)
        outputs = validator(config, (uint8_images(), uint8_images()))._outputs(
            direction, network, lambda batch: to_device(batch, CUDA)
        )
    assert (outputs.device.type, outputs.dtype, outputs.shape) == ("cpu", torch.uint8, (2, 3, SIZE, SIZE))


@pytest.mark.parametrize("name", ["cyclegan", "cut", "pix2pix", "regression", "gan"])
def test_samples_and_their_health_metrics_are_computed_on_the_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = find_recipe(name, "tiny").with_overrides({"data": {"size": SIZE}})
    method = recipe.build()
    with fake_cuda(monkeypatch):
        move_to_fake_cuda(method)
        translators = samples.inference_copies(method, method.translators())
        batch = tuple(torch.empty(2, c, side, side, device=CUDA) for c, side in recipe.input_shapes())
        with torch.no_grad(), DeviceOnly():
            columns = method.sample_images(batch, translators)
        with torch.no_grad(), ReadsAllowed():
            health = [compute_health_metrics(view) for view in method.health_views(batch, columns, translators)]
    assert {x.device.type for x in columns.values()} == {"cuda"}
    assert all(health)
