"""Networks as graphs of ``torch.export``: their layers replaced by ones that other runtimes have, then traced."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from i2i.errors import I2IError, UsageError
from i2i.networks.batching import depends_on_batch
from i2i.networks.few_channels import FewChannelConv2d
from i2i.networks.instance_norm import InstanceNorm

if TYPE_CHECKING:
    from torch.export import ExportedProgram

TRACED_SIDE = 64  # pixels a side of the traced example, at least


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the inputs of a network, for a runtime that plans its memory in advance.

    Args:
        batch: images, at most.
        min_side, max_side: pixels of height and width.
    """

    batch: int
    min_side: int
    max_side: int


class PerImageNorm(nn.Module):
    """Normalise each channel of each image: instance norm, or batch norm with the statistics of one image.

    Args:
        eps: ε.
        weight: (C), multiplies the result; None for 1.
        bias: (C), is added then; None for 0.
    """

    def __init__(self, eps: float, weight: Tensor | None = None, bias: Tensor | None = None) -> None:
        super().__init__()
        self.eps = eps
        self.weight: Tensor | None
        self.bias: Tensor | None
        self.register_buffer("weight", None if weight is None else weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):  # a streamed feature map
            return x.normalize(self.eps, self.weight, self.bias)
        weight, bias = (None if value is None else value.float() for value in (self.weight, self.bias))
        return F.instance_norm(x.float(), weight=weight, bias=bias, eps=self.eps).to(x.dtype)


class HalfWeights(nn.Module):
    """A network whose weights are stored in float16. It computes in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, x: Tensor) -> Tensor:
        named = [*self.network.named_parameters(), *self.network.named_buffers()]
        weights = {name: value.float() if value.is_floating_point() else value for name, value in named}
        return functional_call(self.network, weights, (x,))


def to_portable(network: nn.Module, name: str, *, without_dropout: bool = False) -> nn.Module:
    """Replace layers of a network, in its inference mode, by layers that other runtimes have, and return it.

    Batch norm that takes its statistics from the input becomes a norm of each image by itself, as i2i translates images
    with such a network one at a time. Spectral norm becomes the weights that it results in. Convolutions of few
    channels are not rearranged, which helps torch on a CPU only.

    Args:
        network: see ``prepare_for_inference``. It is changed.
        name: of the model, for messages.
        without_dropout: leave out dropout that is on at inference.

    Raises: UsageError if the network draws random numbers at inference.
    """
    network = network.float()
    if draws_dropout(network) and not without_dropout:
        raise UsageError(
            f"{name} uses dropout at inference (inference_mode train). Another runtime draws other random masks, so "
            "that no result could be compared: export it with --without-dropout, which changes its results a little, "
            "or in the format i2i."
        )
    for module in list(network.modules()):
        if is_parametrized(module):
            for tensor in list(module.parametrizations):  # type: ignore[arg-type]
                remove_parametrizations(module, tensor, leave_parametrized=True)
        if isinstance(module, FewChannelConv2d):
            module.rearrange = False
        for child_name, child in list(module.named_children()):
            if (replacement := _portable_layer(child)) is not None:
                setattr(module, child_name, replacement)
    return network.eval().requires_grad_(False)


def _portable_layer(layer: nn.Module) -> nn.Module | None:
    """Return what takes the place of a layer; None if it stays."""
    if isinstance(layer, InstanceNorm):
        return PerImageNorm(layer.eps)
    if isinstance(layer, nn.BatchNorm2d) and layer.training:
        return PerImageNorm(layer.eps, layer.weight, layer.bias)
    if isinstance(layer, nn.Dropout) and layer.training:
        return nn.Identity()
    return None


def draws_dropout(network: nn.Module) -> bool:
    """Return whether a network in its inference mode uses dropout."""
    return any(isinstance(module, nn.Dropout) and module.training and module.p > 0 for module in network.modules())


def reference_output(network: nn.Module, image: Tensor) -> Tensor:
    """Return what torch makes of a batch: of one image at a time where its result depends on the batch.

    Args:
        network: in its inference mode; its dropout is left out.
        image: (N, C, H, W) in [-1, 1].
    """
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.training]
    for dropout in dropouts:
        dropout.eval()
    try:
        with torch.inference_mode():
            parts = image.split(1) if depends_on_batch(network) else (image,)
            return torch.cat([network(part) for part in parts])
    finally:
        for dropout in dropouts:
            dropout.train()


def trace(
    network: nn.Module, channels: int, size_multiple: int, name: str, limits: "Limits | None" = None
) -> "ExportedProgram":
    """Trace a network from ``to_portable`` with any batch, height and width, or with those within limits.

    Args:
        network: takes (N, channels, H, W).
        channels: of its input.
        size_multiple: must divide H and W.
        name: of the model, for messages.
        limits: of batch, height and width; None for no limits.

    Raises: I2IError if the network calls functions that cannot be traced.
    """
    side = -(-TRACED_SIDE // size_multiple) * size_multiple
    example = torch.zeros(2, channels, side, side + size_multiple)
    dims: dict[int, Any]
    if limits is None:
        dynamic = torch.export.Dim.DYNAMIC
        dims = {0: torch.export.Dim("batch", min=1), 2: dynamic, 3: dynamic}
    else:
        dims = {0: torch.export.Dim("batch", min=1, max=limits.batch)}
        for dimension, letter in ((2, "rows"), (3, "columns")):
            units = torch.export.Dim(letter, min=-(-limits.min_side // size_multiple),
                                     max=limits.max_side // size_multiple)  # fmt: skip
            dims[dimension] = size_multiple * units
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(_OneInput(network), (example,), dynamic_shapes=(dims,))
    except Exception as error:  # the tracer raises many types
        raise I2IError(
            f"{name} cannot be exported: torch.export cannot trace its network "
            f"({type(network).__name__}: {str(error).strip().splitlines()[0][:300]})."
        ) from error
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # it names folders of this machine
    return program


class _OneInput(nn.Module):
    """A network whose argument is called "image"."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image)
