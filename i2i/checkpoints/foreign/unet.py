"""U-Net generators of pytorch-CycleGAN-and-pix2pix: blocks nested in each other, the outermost one first."""

from typing import TYPE_CHECKING

from i2i.checkpoints.foreign.layers import LayerTranslation, find_norm, to_rgb
from i2i.checkpoints.foreign.recognition import Recognised, Remaining, UnusableNetwork

if TYPE_CHECKING:
    from torch import Tensor

_MIN_DEPTH, _MAX_DEPTH = 5, 10  # of i2i's U-Nets, of 32 to 1024 px


def recognise_unet(tensors: "dict[str, Tensor]") -> Recognised | None:
    """Return a U-Net with i2i's names; None if the tensors are of another network.

    Raises:
        UnusableNetwork: it is a U-Net that i2i's cannot be.
    """
    source = Remaining(tensors)
    if source.shape("model.model.0.weight")[2:] != (4, 4):
        return None
    prefixes = ["model.model."]
    while len(prefixes) <= _MAX_DEPTH:
        inner = prefixes[-1] + ("1.model." if len(prefixes) == 1 else "3.model.")
        if f"{inner}1.weight" not in tensors:
            break
        prefixes.append(inner)
    depth = len(prefixes)
    if not _MIN_DEPTH <= depth <= _MAX_DEPTH:
        raise UnusableNetwork(f"It is a U-Net of {depth} levels; i2i's have {_MIN_DEPTH} to {_MAX_DEPTH}.")
    kind = find_norm(source, f"{prefixes[1]}1", f"{prefixes[1]}2")
    translation = LayerTranslation(source, kind)
    try:
        _move(translation, prefixes)
    except KeyError:
        return None
    if source.tensors:
        return None
    target = translation.target
    width = target["down.0.0.weight"].shape[0]
    notes = to_rgb(target, "down.0.0", "up.0.1", transposed_last=True)
    config = {"network": "unet", "ngf": width, "norm": kind, "dropout": 0.5, "dropout_blocks": "reference"}
    return Recognised(f"U-Net generator of {depth} levels", config, target, 2**depth, tuple(notes))


def _move(translation: LayerTranslation, prefixes: list[str]) -> None:
    """Move the layers of all levels. Raises KeyError for a missing one."""
    last = len(prefixes) - 1
    for level, prefix in enumerate(prefixes):
        down, up = f"down.{level}", f"up.{level}"
        if level == 0:
            translation.move_conv_without_bias(f"{prefix}0", f"{down}.0")
            translation.move_conv(f"{prefix}3", f"{up}.1", None, transposed=True)
            continue
        if level == last:  # the bottleneck has no norm
            translation.move_conv_without_bias(f"{prefix}1", f"{down}.1")
            up_conv = 3
        else:
            translation.move_conv(f"{prefix}1", f"{down}.1", (f"{prefix}2", f"{down}.2"))
            up_conv = 5
        translation.move_conv(f"{prefix}{up_conv}", f"{up}.1", (f"{prefix}{up_conv + 1}", f"{up}.2"), transposed=True)
