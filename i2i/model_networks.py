"""The networks that a model file describes."""

import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from i2i.checkpoints.model_file import ModelFile
from i2i.config import from_json
from i2i.errors import ConfigError, ModelFileError
from i2i.networks import (
    GENERATORS,
    NETWORK_PLUGINS,
    GeneratorConfig,
    NoiseGeneratorConfig,
    SpandrelConfig,
    SpandrelNetwork,
    build_generator,
)
from i2i.pretrained.spandrel_models import describe, load_descriptor

C = TypeVar("C", bound=GeneratorConfig | NoiseGeneratorConfig)


def build_translator(
    path: Path, model_file: ModelFile, direction: str
) -> tuple[nn.Module, GeneratorConfig | SpandrelConfig]:
    """Return the network of one direction of a model file, with its weights, and its config.

    Args:
        path: path of the model file, for error messages.
        model_file: the model file.
        direction: one of the file's directions.

    Raises: ModelFileError as ``read_network_config``.
    """
    if model_file.info.generator["network"] == "spandrel":
        return _build_spandrel(path, model_file, direction)
    config = read_network_config(path, model_file, GENERATORS, "translator")
    network = _build(config, model_file, direction)
    network.load_state_dict(model_file.state_dict(direction))
    return network, config


def _build_spandrel(path: Path, model_file: ModelFile, direction: str) -> tuple[SpandrelNetwork, SpandrelConfig]:
    """Return a network of another program and its config. Raises ModelFileError unless its metadata describe it."""
    tensors = model_file.state_dict(direction)
    if len(tensors) != len(model_file.tensors):
        raise ModelFileError(f"{path}: a model of {', '.join(model_file.info.directions)} cannot be one of spandrel's.")
    descriptor = load_descriptor(tensors, str(path))
    if descriptor is None:
        raise ModelFileError(f"{path}: its tensors are of no network that this version of spandrel knows. Update it.")
    found = describe(descriptor, str(path))
    stated = model_file.info.generator
    if any(found[name] != stated.get(name) for name in ("scale", "conditioning")):  # what its other readers rely on
        raise ModelFileError(f"{path}: its metadata do not describe its network, {found['architecture']}.")
    return SpandrelNetwork(descriptor), from_json(SpandrelConfig, found, "generator")


def read_network_config(path: Path, model_file: ModelFile, configs: Mapping[str, type[C]], kind: str) -> C:
    """Read and check the config of the network that a model file describes.

    Args:
        path: path of the model file, for error messages.
        model_file: the model file.
        configs: the allowed config classes, by network name.
        kind: what the network should be, for error messages.

    Raises: ModelFileError if the config is out of range or the tensors do not match the described network.
    """
    info = model_file.info
    name = info.generator["network"]
    found = configs.get(name) or (NETWORK_PLUGINS.find(name) if configs is GENERATORS else None)
    if found is None:
        raise ModelFileError(
            f"{path}: its metadata does not describe a {kind} (generator.network is {reprlib.repr(name)}; there are "
            f"{', '.join([*configs, *(NETWORK_PLUGINS.names() if configs is GENERATORS else [])])}). "
            f"{info.missing_plugin_hint()}"
        )
    try:
        config = from_json(found, info.generator, "generator")
        with torch.device("meta"), _WithoutRandomWeights():
            networks = {direction: _build(config, model_file, direction) for direction in info.directions}
        _check_tensors({direction: network.state_dict() for direction, network in networks.items()}, model_file)
    except (ConfigError, TypeError) as error:
        raise ModelFileError(f"{path}: its metadata does not describe a {kind} ({error}).") from error
    return config


class _WithoutRandomWeights(TorchFunctionMode):
    """Leave out drawing from a normal distribution: on the device meta, its first use takes a second of imports."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.normal_:
            return args[0]
        if func is nn.init.normal_:
            return (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _build(config: GeneratorConfig | NoiseGeneratorConfig, model_file: ModelFile, direction: str) -> nn.Module:
    """Return the network of a direction, with new weights, for the channels of its images."""
    info = model_file.info
    channels = info.input_format(direction).channels, info.output_format(direction).channels
    return build_generator(config, info.size, *channels)


def _check_tensors(state_dicts: Mapping[str, Mapping[str, Tensor]], model_file: ModelFile) -> None:
    """Raise ConfigError unless the model file holds exactly the tensors of the state dict of each direction."""
    expected = {
        f"{direction}.{name}": value for direction, state in state_dicts.items() for name, value in state.items()
    }
    if unmatched := sorted(expected.keys() ^ model_file.tensors.keys()):
        raise ConfigError(
            f"the weights do not fit the network it describes: {unmatched[0]} and {len(unmatched) - 1} more"
        )
    for name, tensor in model_file.tensors.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.is_floating_point() != wanted.is_floating_point():
            raise ConfigError(
                f"the weights do not fit the network it describes: {name} is {tensor.dtype} {tuple(tensor.shape)}; "
                f"expected {wanted.dtype} {tuple(wanted.shape)}"
            )
