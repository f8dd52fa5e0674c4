"""Restoration models of other programs that i2i has no network for: they run through spandrel."""

from typing import TYPE_CHECKING

from i2i.checkpoints.foreign.recognition import Recognised

if TYPE_CHECKING:
    from torch import Tensor

_SIZE = 256  # pixels a side of the training images: the tensors do not tell it
_TILING = {
    "discouraged": "Its authors advise against tiles; i2i makes some where an image is too large for one pass.",
    "internal": "It makes tiles itself.",
}


def recognise_restoration(tensors: "dict[str, Tensor]", source: str) -> Recognised | None:
    """Return a network that spandrel knows; None for others.

    Args:
        tensors: by their names in the file.
        source: of the tensors, for messages.

    Raises:
        ModelFileError: the tensors do not fit the network, or i2i cannot use it.
        UsageError: spandrel is not installed.
    """
    from i2i.pretrained.spandrel_models import describe, load_descriptor

    descriptor = load_descriptor(tensors, source)
    if descriptor is None:
        return None
    config = describe(descriptor, source)
    title = f"{config['architecture']} for {descriptor.purpose.lower()}"
    if config["scale"] > 1:
        title = f"{config['architecture']} ×{config['scale']}"
    notes = [_TILING[config["tiling"]]] if config["tiling"] in _TILING else []
    if config["architecture"] == "DRUNet":
        notes.append("It takes the noise to have a σ of 15 grey levels, the default of its authors.")
    if config["in_channels"] == 1:
        notes.append("It takes one channel: it runs on red, green and blue one after the other.")
    if config["in_channels"] == 4:
        notes.append("It takes four channels: its alpha is opaque.")
    return Recognised(title, config, tensors, _SIZE, tuple(notes))
