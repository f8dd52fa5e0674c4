"""Restoration networks of other programs, through the package ``spandrel`` (the extra "foreign").

spandrel finds the architecture from the names and shapes of the tensors. i2i reads the files itself and calls only
``ModelLoader.load_from_state_dict``: spandrel opens no file, and its TorchScript path is never used.
"""

import re
import reprlib
import warnings
from collections.abc import Mapping
from math import lcm, prod
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from i2i.errors import ModelFileError, UsageError, install_command

Descriptor = Any  # ImageModelDescriptor or MaskedImageModelDescriptor of spandrel, which need not be installed
Tiling = Literal["supported", "discouraged", "internal"]
MAX_SCALE = 16
MAX_MULTIPLE = 512  # pixels that must divide the sides of an input
_TILE_MULTIPLE = 16  # tiles begin at multiples of it, because pooling and windows of attention do
_GLOBAL_TILE_MULTIPLE = 64  # of networks with windows at several resolutions, whose sides they do not state
_EXTRA_BYTES = 256 << 20  # that a network may allocate beside four times its weights
_INDEX = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")


def load_descriptor(tensors: Mapping[str, Tensor], source: str) -> Descriptor | None:
    """Return the network that tensors are of, with its weights, in evaluation mode; None if spandrel knows none.

    Args:
        tensors: by their names in the file, float32.
        source: of the tensors, for messages.

    Raises:
        ModelFileError: the tensors do not fit the network that their names are of, or ask for too much memory.
        UsageError: spandrel is not installed.
    """
    try:
        import spandrel
    except ImportError as error:
        raise UsageError(
            f"{source} may be a restoration model of another program. Such models need the package spandrel: "
            f"{install_command('foreign')}."
        ) from error
    _check_indices(tensors, source)
    limit = _EXTRA_BYTES + 4 * sum(x.numel() * x.element_size() for x in tensors.values())
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _AllocationLimit(limit):
            warnings.simplefilter("ignore")  # of functions that spandrel's networks call in an older way
            descriptor = spandrel.ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except spandrel.UnsupportedModelError:
        return None
    except Exception as error:  # spandrel deduces sizes from the shapes, and wrong ones fail in many ways
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelFileError(
            f"{source}: its tensors have the names of a network that spandrel knows, but do not fit it: "
            f"{lines[-1].strip()[:160]!r}."
        ) from error
    descriptor.eval().model.requires_grad_(False)
    return descriptor


def describe(descriptor: Descriptor, source: str) -> dict[str, Any]:
    """Return the config of a loaded network, as JSON of ``i2i.networks.spandrel.SpandrelConfig``.

    Raises: ModelFileError if i2i cannot use such a network.
    """
    name = descriptor.architecture.name
    if descriptor.purpose == "FaceSR":
        raise ModelFileError(
            f"{source} is a {name} model for aligned crops of faces. i2i finds and aligns no faces, so it takes none."
        )
    inputs, outputs = descriptor.input_channels, descriptor.output_channels
    if inputs not in (1, 3, 4) or outputs not in (1, 3, 4):
        raise ModelFileError(f"{source} is a {name} model that takes {inputs} channels and returns {outputs}: i2i "
                             "runs models of 1, 3 and 4.")  # fmt: skip
    sizes = descriptor.size_requirements
    tiling = descriptor.tiling.name.lower()
    window = _window(descriptor.model)
    tile_multiple = _GLOBAL_TILE_MULTIPLE if tiling == "discouraged" and window == 1 else _TILE_MULTIPLE
    multiple = lcm(max(1, sizes.multiple_of), tile_multiple, window)
    if not 1 <= descriptor.scale <= MAX_SCALE or multiple > MAX_MULTIPLE:
        raise ModelFileError(
            f"{source} is a {name} model of scale {descriptor.scale} for sizes that are multiples of {multiple}: i2i "
            f"runs scales to {MAX_SCALE} and multiples to {MAX_MULTIPLE}."
        )
    return {
        "network": "spandrel",
        "architecture": name[:80],
        "scale": descriptor.scale,
        "conditioning": "mask" if descriptor.purpose == "Inpainting" else "image",
        "in_channels": inputs,
        "out_channels": outputs,
        "multiple": multiple,
        "tiling": tiling,
        "bfloat16": bool(descriptor.supports_bfloat16),
    }


def _window(model: torch.nn.Module) -> int:
    """Return the side of the windows of attention, in pixels; 1 if there are none."""
    window = getattr(model, "window_size", 1)
    return window if isinstance(window, int) and 1 <= window <= MAX_MULTIPLE else 1


def _check_indices(tensors: Mapping[str, Tensor], source: str) -> None:
    """Raise ModelFileError for names that would make a network of far more layers than there are tensors."""
    limit = 100 + 2 * len(tensors)
    for name in tensors:
        for index in _INDEX.findall(name):
            if len(index) > 6 or int(index) > limit:
                raise ModelFileError(
                    f"{source}: {reprlib.repr(name)} counts {index[:12]} layers, and the file has {len(tensors)} "
                    "tensors. The file is damaged."
                )


class _AllocationLimit(TorchDispatchMode):
    """Refuses to make tensors beyond a sum of bytes, before the memory is allocated.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._remaining = limit

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if args and isinstance(args[0], list | tuple) and all(isinstance(side, int) for side in args[0]):
            self._remaining -= 4 * prod(args[0])
        elif args and all(isinstance(value, int | float) for value in args):  # arange and linspace
            self._remaining -= int(4 * max(map(abs, args)))
        if self._remaining < 0:
            raise MemoryError("it asks for far more memory than its weights have")
        return func(*args, **(kwargs or {}))
