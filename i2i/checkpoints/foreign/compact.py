"""SRVGGNetCompact of Real-ESRGAN, which i2i has as a network of its own: ``i2i.networks.compact``."""

from typing import TYPE_CHECKING

from i2i.checkpoints.foreign.recognition import Recognised

if TYPE_CHECKING:
    from torch import Tensor

_SIZE = 252  # pixels a side of a result; a multiple of every scale
_SCALES = {3: 1, 12: 2, 27: 3, 48: 4}  # channels of the last convolution -> scale
_MAX_WIDTH, _MAX_CONVOLUTIONS = 512, 128


def recognise_compact(tensors: "dict[str, Tensor]") -> Recognised | None:
    """Return a compact network of RGB images with PReLU; None if the tensors are of another network."""
    convolutions = (len(tensors) - 5) // 3 if len(tensors) % 3 == 2 else -1  # of three and two tensors each
    last = 2 * (convolutions + 1)
    names = [f"body.{index}.{part}" for index in range(last + 1) for part in ("weight", "bias")]
    wanted = {name for name in names if not (name.endswith("bias") and int(name.split(".")[1]) % 2)}
    if not 0 <= convolutions <= _MAX_CONVOLUTIONS or wanted != tensors.keys():
        return None
    width = tensors["body.0.weight"].shape[0]
    scale = _SCALES.get(tensors[f"body.{last}.weight"].shape[0])
    if scale is None or width > _MAX_WIDTH or not _fits(tensors, width, last, scale):
        return None
    config = {"network": "compact", "width": width, "convolutions": convolutions, "scale": scale}
    title = f"SRVGGNetCompact of {width} channels and {convolutions} convolutions, ×{scale}"
    return Recognised(title, config, tensors, _SIZE)


def _fits(tensors: "dict[str, Tensor]", width: int, last: int, scale: int) -> bool:
    """Return whether the tensors have the shapes of the network."""
    for index in range(last + 1):
        weight = tuple(tensors[f"body.{index}.weight"].shape)
        outputs = 3 * scale**2 if index == last else width
        inputs = 3 if index == 0 else width
        if weight != ((width,) if index % 2 else (outputs, inputs, 3, 3)):
            return False
    return True
