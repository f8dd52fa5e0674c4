"""Which engine computes a model of i2i on a CPU: torch, onnxruntime or OpenVINO."""

import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2i.device import autocast
from i2i.engines.cache import ENGINE_FORMATS, EngineCache, installed_engines, machine_key
from i2i.engines.metadata import TOLERANCE
from i2i.engines.network import EngineNetwork
from i2i.engines.parity import parity_images
from i2i.engines.sessions import EngineName, open_session
from i2i.engines.tracing import reference_output
from i2i.errors import I2IError, UsageError
from i2i.inference.options import EngineChoice

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

logger = logging.getLogger(__name__)

MEASURED_SIDE = 256  # pixels a side of the measured image, at least
ROUNDS = 3
WORTH_SECONDS = 180.0  # of work by torch, below which no engine is measured: exporting a network takes up to a minute


def use_engine(translator: "Translator", path: Path, choice: EngineChoice, expected_pixels: int | None) -> None:
    """Let an engine compute the network of a translator.

    Args:
        translator: of a model file of i2i.
        path: of the model file.
        choice: the engine, or "auto".
        expected_pixels: of all images that are to be translated; None if unknown.

    Raises:
        UsageError: the engine is not installed, or the device is no CPU.
        I2IError: the network cannot be exported, or the engine's results differ from those of torch.
    """
    if choice == "torch":
        return
    is_cpu = translator.device.type == "cpu"
    if choice == "auto" and translator.info is not None and not translator.info.takes_pictures:
        return  # its network cannot be exported
    if choice == "auto":
        engine = _fastest(translator, path, expected_pixels) if is_cpu else None
        if engine is None:
            return
    elif not is_cpu:
        raise UsageError(f"--engine {choice} computes on the CPU: give --device cpu, or omit --engine.")
    else:
        engine = choice
    cache = EngineCache(path, translator.direction)
    translator.runner.use_engine(engine, _open(cache, engine, translator))


def _open(cache: EngineCache, engine: EngineName, translator: "Translator") -> EngineNetwork:
    bfloat16 = translator.dtype == torch.bfloat16
    file = cache.engine_file(engine)
    return EngineNetwork(open_session(ENGINE_FORMATS[engine], file, threads=torch.get_num_threads(), bfloat16=bfloat16))


def _fastest(translator: "Translator", path: Path, expected_pixels: int | None) -> EngineName | None:
    """Return the fastest engine whose results are those of torch; None for torch itself."""
    engines = installed_engines()
    if not engines:
        logger.info("engine: torch (neither onnxruntime nor OpenVINO is installed with what it needs)")
        return None
    cache = EngineCache(path, translator.direction)
    precision = str(translator.dtype).removeprefix("torch.")
    key = machine_key(engines, precision, torch.get_num_threads())
    measured = cache.measurement(key)
    if measured is None:
        if expected_pixels is not None:
            seconds = expected_pixels * _seconds_per_pixel(translator)
            if seconds < WORTH_SECONDS:
                logger.info("engine: torch (about %.0f s of work: a comparison of engines would cost more)", seconds)
                return None
        measured = _measure(translator, cache, engines)
        cache.keep_measurement(key, measured)
    return _chosen(measured)


def _chosen(measured: dict[str, Any]) -> EngineName | None:
    seconds, levels = measured.get("seconds", {}), measured.get("levels", {})
    usable = [engine for engine in ENGINE_FORMATS if engine in seconds and "torch" in seconds]
    best = min(usable, key=lambda engine: seconds[engine], default=None)
    if best is None or seconds[best] >= seconds["torch"]:
        logger.info("engine: torch (no other is faster here with the same results)")
        return None
    logger.info(
        "engine: %s (%.2f times as fast as torch here; results within %.2g levels of 255)",
        best, seconds["torch"] / seconds[best], levels.get(best, 0.0),
    )  # fmt: skip
    return best


def _measure(translator: "Translator", cache: EngineCache, engines: list[EngineName]) -> dict[str, Any]:
    """Return seconds for an image and levels of difference, of torch and of each engine whose results are the same.

    In float32 an engine may differ by TOLERANCE from torch in float32; in bfloat16 also by as much as torch itself.
    """
    image = _test_image(translator)
    expected = reference_output(translator.network, image).clamp(-1, 1)
    runs: dict[str, Callable[[Tensor], Tensor]] = {"torch": _torch_run(translator)}
    tolerance = max(TOLERANCE, _difference(runs["torch"], image, expected))
    levels: dict[str, float] = {}
    for engine in engines:
        try:
            run = _open(cache, engine, translator)
            difference = _difference(run, image, expected)
        except (I2IError, RuntimeError, MemoryError) as error:
            logger.info("engine: %s cannot be used: %s", engine, error)
            continue
        if difference > tolerance:
            logger.info("engine: %s is not used, as it differs by %.2g levels of 255", engine, difference * 127.5)
            continue
        levels[engine] = difference * 127.5
        runs[engine] = run
    return {"seconds": interleaved_seconds(runs, image), "levels": levels}


def interleaved_seconds(
    runs: dict[str, Callable[[Tensor], Tensor]], image: Tensor, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the median seconds of each function on an image, measured in turns after one run that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run(image)
            if round:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _seconds_per_pixel(translator: "Translator") -> float:
    """Return the time of torch for a pixel, measured on a small image."""
    image = _test_image(translator)
    seconds = interleaved_seconds({"torch": _torch_run(translator)}, image, rounds=1)["torch"]
    return seconds / (image.shape[2] * image.shape[3])


def _torch_run(translator: "Translator") -> Callable[[Tensor], Tensor]:
    network = translator.network

    @torch.inference_mode()
    def run(image: Tensor) -> Tensor:
        with autocast(translator.device, translator.dtype):
            return network(image.contiguous(memory_format=torch.channels_last)).float()

    return run


def _test_image(translator: "Translator") -> Tensor:
    preprocessor = translator.preprocessor
    channels = 3 if preprocessor.conditioning == "image" else 4
    multiple = -(-MEASURED_SIDE // preprocessor.size_multiple) * preprocessor.size_multiple
    return next(parity_images(channels, preprocessor.conditioning, multiple))


def _difference(run: Callable[[Tensor], Tensor], image: Tensor, expected: Tensor) -> float:
    result = run(image)
    if result.shape != expected.shape:
        return float("inf")
    return float((result.clamp(-1, 1) - expected).abs().max())
