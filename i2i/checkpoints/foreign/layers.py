"""Convolutions and norms of other programs' generators, under the names of i2i's layers."""

from typing import TYPE_CHECKING, Literal

from i2i.checkpoints.foreign.recognition import Remaining, UnusableNetwork, from_grey

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["instance", "batch", "none"]
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def find_norm(source: Remaining, conv: str, norm: str) -> Norm:
    """Return the kind of a norm without weights of its own, or with them.

    Instance norm has none. Files written with PyTorch 0.3 hold running statistics of it, which no program uses. A
    convolution before batch norm, or before no norm, has no bias in the reference implementation.

    Args:
        source: the tensors.
        conv: name of the convolution before the norm.
        norm: name of the norm.

    Raises: UnusableNetwork if it is another norm.
    """
    if f"{norm}.weight" not in source.tensors:
        return "instance" if f"{conv}.bias" in source.tensors or f"{norm}.running_mean" in source.tensors else "none"
    if f"{norm}.running_mean" not in source.tensors:
        raise UnusableNetwork("Its norms have weights, but no running statistics: i2i has no such norm.")
    return "batch"


class LayerTranslation:
    """Moves layers from another program's tensors to those of an i2i network.

    Args:
        source: the tensors; what is moved is removed.
        norm: the norm of the network.

    Attributes:
        target: the tensors under i2i's names.
    """

    def __init__(self, source: Remaining, norm: Norm) -> None:
        self.source = source
        self.norm = norm
        self.target: dict[str, Tensor] = {}

    def move_conv(self, name: str, new: str, norms: tuple[str, str] | None, *, transposed: bool = False) -> None:
        """Move a convolution and the norm after it.

        Args:
            name: of the convolution in the source.
            new: of the convolution in i2i's network.
            norms: names of the norm, in the source and in i2i's network; None for a convolution without a norm.
            transposed: whether the weight is (in, out, …).

        Raises: KeyError if a tensor is missing.
        """
        weight = self.source.tensors.pop(f"{name}.weight")
        self.target[f"{new}.weight"] = weight
        bias = self.source.take(f"{name}.bias")
        if norms is not None and self.norm == "batch":
            self._move_batch_norm(*norms, bias)
            return
        if norms is not None:
            for statistic in _STATISTICS if self.norm == "instance" else ():
                self.source.take(f"{norms[0]}.{statistic}")
        self.target[f"{new}.bias"] = weight.new_zeros(weight.shape[1 if transposed else 0]) if bias is None else bias

    def move_conv_without_bias(self, name: str, new: str) -> None:
        """Move a convolution that has a bias in i2i's network unless the norm is batch norm, and no norm after it."""
        self.move_conv(name, new, None)
        if self.norm == "batch" and not self.target[f"{new}.bias"].any():
            del self.target[f"{new}.bias"]

    def _move_batch_norm(self, name: str, new: str, bias: "Tensor | None") -> None:
        """Move batch norm. A bias before it only shifts its mean."""
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.target[f"{new}.{part}"] = self.source.tensors.pop(f"{name}.{part}")
        if bias is not None:
            self.target[f"{new}.running_mean"] = self.target[f"{new}.running_mean"] - bias
        count = self.source.take(f"{name}.num_batches_tracked")
        self.target[f"{new}.num_batches_tracked"] = self._count() if count is None else count.reshape(()).long()

    def _count(self) -> "Tensor":
        import torch

        return torch.zeros((), dtype=torch.int64)


def to_rgb(tensors: "dict[str, Tensor]", first: str, last: str, *, transposed_last: bool = False) -> list[str]:
    """Make a network of one or three channels take and return RGB, in place. The images it returns are the same.

    Args:
        tensors: of i2i's network.
        first: name of the first convolution.
        last: name of the last one.
        transposed_last: whether the last one is transposed.

    Returns: sentences for the model card.

    Raises: UnusableNetwork for another number of channels.
    """
    inputs = tensors[f"{first}.weight"].shape[1]
    dim = 1 if transposed_last else 0
    outputs = tensors[f"{last}.weight"].shape[dim]
    if inputs not in (1, 3) or outputs not in (1, 3):
        raise UnusableNetwork(f"It takes {inputs} channels and returns {outputs}: i2i translates images of 1 or 3.")
    notes = []
    if inputs == 1:
        tensors[f"{first}.weight"] = from_grey(tensors[f"{first}.weight"])
        notes.append("The network takes grey images: it sees the luma of a photo.")
    if outputs == 1:
        for part in ("weight", "bias"):
            value = tensors[f"{last}.{part}"]
            along = dim if part == "weight" else 0
            repeats = [1] * value.dim()
            repeats[along] = 3
            tensors[f"{last}.{part}"] = value.repeat(repeats)
        notes.append("The network returns grey images.")
    return notes
