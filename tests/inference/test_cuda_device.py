"""Translation on CUDA: every strategy of the runner gets its input to the device."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from i2i.inference.preprocessing import Preprocessor
from i2i.inference.runner import NetworkRunner
from i2i.networks import ResnetConfig, RestorerConfig, UnetConfig, prepare_for_inference
from tests.fake_cuda import CUDA, fake_cuda, move_to_fake_cuda

CONFIGS = [
    ResnetConfig(ngf=2, blocks=1, dropout=0.5),
    UnetConfig(ngf=2),
    RestorerConfig(width=4, depth=1),
    RestorerConfig(width=4, depth=1, conditioning="level"),
    RestorerConfig(width=4, depth=1, conditioning="mask", prediction="masked_residual"),
    RestorerConfig(width=4, depth=1, scale=2),
]
SIDE = 64


def run(config: Any, max_image_pixels: int | None, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    network = prepare_for_inference(config.build(SIDE), config)
    preprocessor = Preprocessor(config, SIDE, conditioning_level=0.5)
    monkeypatch.setattr("i2i.inference.runner.fork_rng_with_seed", lambda *_: nullcontext())  # needs a driver
    with fake_cuda(monkeypatch):
        move_to_fake_cuda(network)
        runner = NetworkRunner(network, preprocessor, CUDA, torch.bfloat16)
        if max_image_pixels:
            runner.limits.max_image_pixels = max_image_pixels
        channels = 4 if config.network == "restorer" and config.conditioning == "mask" else 3
        return runner.run(torch.empty(1, SIDE, SIDE, channels, dtype=torch.uint8))


@pytest.mark.parametrize("config", CONFIGS)
def test_one_pass_stays_on_the_device(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    output = run(config, None, monkeypatch)
    scale = getattr(config, "scale", 1)
    assert (output.device.type, output.dtype, output.shape) == ("cuda", torch.uint8, (1, scale * SIDE, scale * SIDE, 3))


@pytest.mark.parametrize("config", CONFIGS)
def test_an_image_in_pieces_comes_back_to_the_cpu(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    output = run(config, SIDE * SIDE // 2, monkeypatch)
    scale = getattr(config, "scale", 1)
    assert output.shape == (1, scale * SIDE, scale * SIDE, 3)
