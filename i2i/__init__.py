"""i2i: image-to-image translation.

>>> import i2i
>>> from PIL import Image
>>> translate = i2i.load("horse2zebra")
>>> translate(Image.open("horse.jpg")).save("zebra.png")

A whole project, from training to results:

>>> run = i2i.train("cyclegan", data="stripes", recipe="tiny")  # doctest: +SKIP
>>> print(i2i.evaluate(run))  # doctest: +SKIP
>>> i2i.convert(run, "datasets/stripes/testA", "striped/")  # doctest: +SKIP

The public names are:

- ``load``: load a model by its name or path, as a ``Translator``.
- ``Translator``: takes PIL images, paths, NumPy arrays and PyTorch tensors of any size, and returns the same kind.
- ``load_auto``: load a translator that chooses among the restoration models for each photo, and explains the choice.
- ``load_sampler``: load a model that generates images from noise, as a ``Sampler``.
- ``Sampler``: takes seeds and returns PIL images.
- ``train``: train a model; it takes the settings of ``i2i train`` and returns the run.
- ``evaluate``: measure and compare models; it returns the tables.
- ``convert``: translate photos, folders and videos into files, with the options of ``i2i convert``; see
  ``help(i2i.convert)``.
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

__all__ = [
    "I2IError", "Sampler", "Translator", "__version__", "convert", "evaluate", "load", "load_auto",
    "load_sampler", "train",
]  # fmt: skip

logging.getLogger(__name__).addHandler(logging.NullHandler())  # messages are printed only if logging is set up

if TYPE_CHECKING:
    from i2i.api.evaluate import evaluate
    from i2i.api.train import train
    from i2i.convert.call import convert
    from i2i.inference.loading import load, load_auto
    from i2i.inference.sampler import Sampler
    from i2i.inference.sampler import load as load_sampler
    from i2i.inference.translator import Translator

_LAZY = {  # imported on first use, because these modules import torch
    "Sampler": ("i2i.inference.sampler", "Sampler"),
    "Translator": ("i2i.inference.translator", "Translator"),
    "evaluate": ("i2i.api.evaluate", "evaluate"),
    "load": ("i2i.inference.loading", "load"),
    "load_auto": ("i2i.inference.loading", "load_auto"),
    "load_sampler": ("i2i.inference.sampler", "load"),
    "train": ("i2i.api.train", "train"),
}


def __getattr__(name: str) -> Any:
    if name == "convert":
        return importlib.import_module("i2i.convert")  # the package can be called
    if name not in _LAZY:
        raise AttributeError(f"module 'i2i' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """Return all names, so that ``help(i2i)`` and completion show those that are not imported yet."""
    return sorted({*globals(), *__all__})
