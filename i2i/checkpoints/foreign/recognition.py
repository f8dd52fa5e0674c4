"""What a recognised model file of another program holds, and small helpers that the recognisers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # of a grey image, as Pillow converts RGB (ITU-R BT.601)


@dataclass(frozen=True)
class Recognised:
    """A network of another program, in i2i's terms.

    Args:
        title: what it is, such as "ResNet generator of 9 blocks".
        generator: config of the network, as JSON.
        tensors: its weights, under i2i's names.
        size: pixels a side of the images that it was trained on, as far as the tensors tell.
        notes: sentences for the model card.
    """

    title: str
    generator: Mapping[str, Any]
    tensors: "dict[str, Tensor]"
    size: int
    notes: tuple[str, ...] = field(default=())


class UnusableNetwork(Exception):
    """The tensors are of a known network, but of a variant that i2i does not have. The message is a sentence."""


class Remaining:
    """Tensors by name, from which a recogniser takes what it knows.

    Args:
        tensors: the tensors of a file.
    """

    def __init__(self, tensors: "Mapping[str, Tensor]") -> None:
        self.tensors = dict(tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor, () if there is none of this name."""
        return tuple(self.tensors[name].shape) if name in self.tensors else ()

    def take(self, name: str) -> "Tensor | None":
        """Return a tensor and remove it; None if there is none of this name."""
        return self.tensors.pop(name, None)


def from_grey(weight: "Tensor", dim: int = 1) -> "Tensor":
    """Return the weights of a first layer of one channel as those of a layer that takes RGB and sees its luma."""
    import torch

    return torch.cat([value * weight for value in _LUMA], dim)


def strip_prefixes(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors without the prefixes that data-parallel training, compilation and wrappers give to all names."""
    named = dict(tensors)
    prefixes = ("module.", "_orig_mod.", "netG.", "netG_A.", "netG_B.", "generator.", "G.")
    while prefix := next((text for text in prefixes if all(name.startswith(text) for name in named)), None):
        named = {name.removeprefix(prefix): tensor for name, tensor in named.items()}
    return named
