"""i2i: image-to-image translation.

>>> import i2i
>>> i2i.load("horse2zebra-cyclegan")(photo)  # a PIL image in, a PIL image out
"""

from typing import TYPE_CHECKING, Any

from i2i._version import __version__

__all__ = ["Translator", "__version__", "load"]

if TYPE_CHECKING:
    from i2i.inference.translator import Translator, load


def __getattr__(name: str) -> Any:
    if name in ("Translator", "load"):  # torch is imported by those who use it
        from i2i.inference import translator

        return getattr(translator, name)
    raise AttributeError(f"module 'i2i' has no attribute {name!r}")
