"""Load a translator from a model file.

Every number and tensor shape of the file is checked before memory is allocated for a network.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from i2i.checkpoints.model_file import ModelFile, find_model_file, load_model_file, provenance_of
from i2i.config import from_json
from i2i.device import Precision
from i2i.directions import Direction
from i2i.errors import ConfigError, ModelFileError, UsageError
from i2i.inference.preprocessing import MIN_SIDE
from i2i.inference.restoration import conditioning_level
from i2i.inference.translator import Translator
from i2i.networks import GENERATORS, GeneratorConfig, Identity, IdentityConfig, NoiseGeneratorConfig

C = TypeVar("C", bound=GeneratorConfig | NoiseGeneratorConfig)


def load(
    model: str,
    direction: str | None = None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    strength: float | None = None,
    mask: Path | None = None,
) -> Translator:
    """Load a translator.

    Args:
        model: name of a run, folder of a run, or path of a model file; "identity" returns its input unchanged.
        direction: "AtoB" or "BtoA"; by default the model's first direction.
        device: "auto", or the name of a torch device.
        precision: "auto", "float32" or "bfloat16".
        strength: strength of the degradation, in the unit of the model's task, for a model that takes it as input.
        mask: mask of an inpainting model, see ``MaskReader``.

    Raises: ModelFileError or UsageError. Its message names the available choices.

    >>> translate = i2i.load("horse2zebra-cyclegan", "AtoB")
    >>> translate(Image.open("horse.jpg")).save("zebra.png")
    """
    if model == "identity":
        direction = direction or Direction.A_TO_B
        return Translator(Identity(), IdentityConfig(), size=MIN_SIDE, direction=direction, device=device)
    path = find_model_file(model)
    model_file = load_model_file(path)
    info = model_file.info
    if info.samples_from_noise:
        raise UsageError(
            f"{model} generates images from noise and cannot translate images. "
            f"Generate images with `i2i sample {model} --out grid.png`."
        )
    config = read_network_config(path, model_file, GENERATORS, "translator")
    if mask is not None and not info.takes_mask:
        raise UsageError(f"{model} does not inpaint: --mask is for models of the task inpaint.")
    chosen_direction = direction or info.directions[0]
    if chosen_direction not in info.directions:
        raise UsageError(f"{model} has no direction {str(chosen_direction)!r}; it has {', '.join(info.directions)}.")
    network = config.build(info.size)
    network.load_state_dict(model_file.state_dict(chosen_direction))
    provenance = provenance_of(path)
    return Translator(
        network,
        config,
        size=info.size,
        direction=chosen_direction,
        device=device,
        precision=precision,
        info=info,
        provenance=replace(provenance, model=f"{provenance.model} {chosen_direction}"),
        conditioning_level=conditioning_level(model, info, strength),
        mask=mask,
    )


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
    try:
        config = _read_config(info.generator, configs)
        with torch.device("meta"):
            state_dict = config.build(info.size).state_dict()
        _check_tensors(state_dict, model_file)
    except (ConfigError, TypeError) as error:
        raise ModelFileError(f"{path}: its metadata does not describe a {kind} ({error}).") from error
    return config


def _read_config(generator: Mapping[str, Any], configs: Mapping[str, type[C]]) -> C:
    name = generator["network"]
    if name not in configs:
        raise ConfigError(f"generator.network is {name!r}; this version of i2i has {', '.join(configs)}")
    return from_json(configs[name], generator, "generator")


def _check_tensors(state_dict: Mapping[str, Tensor], model_file: ModelFile) -> None:
    """Raise ConfigError unless the model file holds the tensors of ``state_dict`` for each direction."""
    expected = {
        f"{direction}.{name}": value for direction in model_file.info.directions for name, value in state_dict.items()
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
