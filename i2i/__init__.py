"""i2i: image-to-image translation.

>>> import i2i
>>> from PIL import Image
>>> translate = i2i.load("horse2zebra-cyclegan")
>>> translate(Image.open("horse.jpg")).save("zebra.png")

The public names are:

- ``load``: load a model by its name or path, as a ``Translator``.
- ``Translator``: takes PIL images, paths, NumPy arrays and PyTorch tensors of any size, and returns the same kind.
- ``load_sampler``: load a model that generates images from noise, as a ``Sampler``.
- ``Sampler``: takes seeds and returns PIL images.
- ``I2IError``: the base class of all errors that i2i raises on purpose.
- ``__version__``: the version of i2i.

``i2i --help`` describes the command line. ``import i2i`` is fast: PyTorch is imported when a name is first used.
Messages go to the logger "i2i"; ``logging.basicConfig(level="INFO")`` prints them.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from i2i._version import __version__
from i2i.errors import I2IError

__all__ = ["I2IError", "Sampler", "Translator", "__version__", "load", "load_sampler"]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # messages are printed only if logging is set up

if TYPE_CHECKING:
    from i2i.inference.loading import load
    from i2i.inference.sampler import Sampler
    from i2i.inference.sampler import load as load_sampler
    from i2i.inference.translator import Translator

_LAZY = {  # imported on first use, because these modules import torch
    "Sampler": ("i2i.inference.sampler", "Sampler"),
    "Translator": ("i2i.inference.translator", "Translator"),
    "load": ("i2i.inference.loading", "load"),
    "load_sampler": ("i2i.inference.sampler", "load"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'i2i' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """Return all names, so that ``help(i2i)`` and completion show those that are not imported yet."""
    return sorted({*globals(), *__all__})
