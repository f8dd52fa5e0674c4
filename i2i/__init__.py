"""i2i: image-to-image translation.

>>> import i2i
>>> from PIL import Image
>>> translate = i2i.load("horse2zebra-cyclegan")
>>> translate(Image.open("horse.jpg")).save("zebra.png")

The public names are:

- ``load``: load a model by its name or path, as a ``Translator``.
- ``Translator``: takes a PIL image of any size and returns the translated image.
- ``Sampler``: generates images from noise; ``i2i.inference.sampler.load`` loads one.
- ``__version__``: the version of i2i.

``i2i --help`` describes the command line. ``import i2i`` is fast: PyTorch is imported when a name is first used.
Messages go to the logger "i2i"; ``logging.basicConfig(level="INFO")`` prints them.
"""

import logging
from typing import TYPE_CHECKING, Any

from i2i._version import __version__

__all__ = ["Sampler", "Translator", "__version__", "load"]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # messages are printed only if logging is set up

if TYPE_CHECKING:
    from i2i.inference.loading import load
    from i2i.inference.sampler import Sampler
    from i2i.inference.translator import Translator


def __getattr__(name: str) -> Any:
    # Imported on first use, because these modules import torch.
    if name == "Sampler":
        from i2i.inference.sampler import Sampler

        return Sampler
    if name == "Translator":
        from i2i.inference.translator import Translator

        return Translator
    if name == "load":
        from i2i.inference.loading import load

        return load
    raise AttributeError(f"module 'i2i' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return all names, so that ``help(i2i)`` and completion show those that are not imported yet."""
    return sorted({*globals(), *__all__})
