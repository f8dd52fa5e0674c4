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


def run(config: Any, strategy: str, side: int, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Return the output of a strategy of the runner, such as "forward_tiled", for one image."""
    network = prepare_for_inference(config.build(side), config)
    preprocessor = Preprocessor(config, side, conditioning_level=0.5)
    monkeypatch.setattr("i2i.inference.runner.fork_rng_with_seed", lambda *_: nullcontext())  # needs a driver
    with fake_cuda(monkeypatch), torch.inference_mode():
        move_to_fake_cuda(network)
        runner = NetworkRunner(network, preprocessor, CUDA, torch.bfloat16)
        runner.limits.max_image_pixels = side * side // 2
        channels = 4 if preprocessor.conditioning == "mask" else 3
        pixels = torch.empty(1, side, side, channels, dtype=torch.uint8)
        output = runner._run_seeded(getattr(runner, strategy), pixels)
    scale = getattr(config, "scale", 1)
    assert (output.dtype, output.shape) == (torch.uint8, (1, scale * side, scale * side, 3))
    return output


@pytest.mark.parametrize("config", CONFIGS)
def test_the_output_of_one_pass_stays_on_the_device(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(config, "forward_batch", 32, monkeypatch).device.type == "cuda"


@pytest.mark.parametrize("config", [config for config in CONFIGS if not isinstance(config, UnetConfig)])
def test_an_image_by_rows_runs_on_the_device_and_comes_back(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(config, "forward_streaming", 64, monkeypatch).device.type == "cpu"


@pytest.mark.parametrize("config", [config for config in CONFIGS if isinstance(config, RestorerConfig)])
def test_an_image_in_tiles_runs_on_the_device_and_comes_back(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(config, "forward_tiled", 512, monkeypatch).device.type == "cpu"
