"""The compact network, beside an independent construction of the published one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.checkpoints.model_file import load_model_file
from i2i.errors import ConfigError
from i2i.inference.loading import load
from i2i.networks import CompactConfig
from i2i.recipes import find_recipe, launch
from i2i.training.progress import TrainingProgress
from tests.conftest import random_image, write_random_images


class PublishedNetwork(nn.Module):
    """SRVGGNetCompact as Real-ESRGAN's files need it: weights ``body.N``, images from 0 to 1."""

    def __init__(self, width: int, convolutions: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.ModuleList([nn.Conv2d(3, width, 3, 1, 1), nn.PReLU(num_parameters=width)])
        for _ in range(convolutions):
            self.body += [nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(num_parameters=width)]
        self.body.append(nn.Conv2d(width, 3 * scale * scale, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        out = image
        for layer in self.body:
            out = layer(out)
        enlarged = image.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return F.pixel_shuffle(out, self.scale) + enlarged


@pytest.mark.parametrize("scale", [1, 2, 4])
@torch.no_grad()
def test_it_equals_the_published_network_with_the_same_weights(scale: int) -> None:
    torch.manual_seed(0)
    network = CompactConfig(width=8, convolutions=3, scale=scale).build(8 * scale).double()
    published = PublishedNetwork(8, 3, scale).double()
    published.load_state_dict(network.state_dict(), strict=True)
    image = torch.rand(2, 3, 7, 9, dtype=torch.float64)
    assert torch.allclose(network(image * 2 - 1), published(image) * 2 - 1, atol=1e-12)


def test_the_published_size_has_621_thousand_weights() -> None:
    network = CompactConfig(width=64, convolutions=16, scale=4).build(128)
    assert sum(weight.numel() for weight in network.parameters()) == 621_424


@torch.no_grad()
def test_an_untrained_network_nearly_returns_its_input() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    assert (CompactConfig(width=16, convolutions=4).build(32)(image) - image).abs().mean() < 0.2


def test_the_task_sets_the_scale_and_tasks_with_a_mask_are_refused() -> None:
    recipe = find_recipe("regression", "tiny")

    def with_task(**task: object) -> object:
        generator = {"network": "compact", "width": 8, "convolutions": 2}
        return recipe.with_overrides({"data": {"task": task}, "model": {"generator": generator}}).model.generator

    assert with_task(task="superres", scale=4) == CompactConfig(width=8, convolutions=2, scale=4)
    assert with_task(task="dejpeg") == CompactConfig(width=8, convolutions=2)
    for task in ({"task": "inpaint"}, {"task": "colorize"}, {"task": "denoise", "noise_level_input": True}):
        with pytest.raises(ConfigError, match="needs --generator restorer; found compact"):
            with_task(**task)


def test_it_is_trained_saved_and_enlarges_photos_of_any_size(work_dir: Path) -> None:
    write_random_images(work_dir / "photos", 3, width=24)
    changes = {
        "data": {"data": str(work_dir / "photos"), "size": 16, "task": {"task": "superres", "scale": 2}},
        "model": {"generator": {"network": "compact", "width": 4, "convolutions": 1}},
        "training": {"steps": 2, "batch_size": 2, "sample_every": 2},
    }
    trainer = launch.new_training("regression", "tiny", changes, "enlarger", TrainingProgress())
    trainer.train()
    weights = load_model_file(trainer.run.weights_path).state_dict("AtoB")
    PublishedNetwork(4, 1, 2).load_state_dict(weights, strict=True)
    assert load("enlarger")(random_image(0, 15, 9)).size == (30, 18)
