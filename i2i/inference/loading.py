"""What a bundle describes, checked in every number and every tensor before memory is taken for a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from i2i.checkpoints.run import Bundle
from i2i.config import from_json, require
from i2i.errors import BundleError, ConfigError
from i2i.networks import GeneratorConfig, SamplerConfig

C = TypeVar("C", bound=GeneratorConfig | SamplerConfig)
SAMPLE = ["sample"]  # the "directions" of a bundle that makes pictures from noise


def described(
    path: Path, bundle: Bundle, known: Mapping[str, type[C]], directions: Sequence[str], what: str
) -> tuple[C, int, list[str]]:
    """The config of a bundle's networks, the picture size they are built for, and the directions there are.

    known: the configs there may be, by network. directions: those there may be. what: is expected, for the message.
    Raises BundleError where the header is out of range or the tensors are not those of the networks it describes.
    """
    try:
        config = _config(bundle.header, known)
        size, found = _size(bundle.header), _directions(bundle.header, directions)
        with torch.device("meta"):
            _check_tensors(config.build(size).state_dict(), bundle, found)
    except (ConfigError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: its header does not describe a {what} ({error}).") from error
    return config, size, found


def _config(header: Mapping[str, Any], known: Mapping[str, type[C]]) -> C:
    described = header["generator"]
    name = described.get("network") if isinstance(described, dict) else None
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"generator.network is {name!r}; this i2i knows {', '.join(known)}")
    return from_json(known[name], described, "generator")


def _size(header: Mapping[str, Any]) -> int:
    size = header["size"]
    require(isinstance(size, int) and 8 <= size <= 2048, "size", size, "from 8 to 2048")
    return size


def _directions(header: Mapping[str, Any], allowed: Sequence[str]) -> list[str]:
    found = header["directions"]
    known = isinstance(found, list) and found and all(name in allowed for name in found)
    require(bool(known), "directions", found, f"a list of {' and '.join(allowed)}")
    return found


def _check_tensors(wanted: Mapping[str, torch.Tensor], bundle: Bundle, directions: Sequence[str]) -> None:
    """Raise ConfigError where the tensors are not those of the described network, before any memory is taken."""
    expected = {f"{direction}.{name}": value for direction in directions for name, value in wanted.items()}
    if odd := sorted(expected.keys() ^ bundle.tensors.keys()):
        raise ConfigError(f"the weights do not fit the network it describes: {odd[0]} and {len(odd) - 1} more")
    for name, tensor in bundle.tensors.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.is_floating_point() != want.is_floating_point():
            raise ConfigError(
                f"the weights do not fit the network it describes: {name} is {tensor.dtype} {tuple(tensor.shape)}, "
                f"not {want.dtype} {tuple(want.shape)}"
            )
