"""ResNet generators of pytorch-CycleGAN-and-pix2pix, of CUT, and the global generator of pix2pixHD.

All are one flat sequence: c7s1, downsampling, residual blocks, upsampling, c7s1. The indices of the layers tell the
variant: blur filters (CUT), dropout and the padding of the blocks have places of their own in it.
"""

import re
from typing import TYPE_CHECKING, Any

from i2i.checkpoints.foreign.layers import LayerTranslation, find_norm, to_rgb
from i2i.checkpoints.foreign.recognition import Recognised, Remaining, UnusableNetwork

if TYPE_CHECKING:
    from torch import Tensor

_SIZE = 256  # pixels a side of the training images by default in all three programs
_BLOCK = re.compile(r"model\.(\d+)\.conv_block\.(\d+)\.weight")
_CONVOLUTIONS = {(1, 5): ("reflect", 0), (1, 6): ("reflect", 1), (0, 3): ("zeros", 0), (0, 4): ("zeros", 1)}


def recognise_resnet(tensors: "dict[str, Tensor]") -> Recognised | None:
    """Return a residual generator with i2i's names; None if the tensors are of another network.

    Raises:
        UnusableNetwork: it is a residual generator that i2i's networks cannot be.
    """
    source = Remaining(tensors)
    blocks = sorted({int(match[1]) for name in tensors if (match := _BLOCK.fullmatch(name))})
    if source.shape("model.1.weight")[2:] != (7, 7) or not blocks:
        return None
    if blocks != list(range(blocks[0], blocks[-1] + 1)):
        return None
    first_norm = find_norm(source, f"model.{blocks[0]}.conv_block.{_block_layout(source, blocks[0])[0][0]}",
                           f"model.{blocks[0]}.conv_block.{_block_layout(source, blocks[0])[0][0] + 1}")  # fmt: skip
    translation = LayerTranslation(source, first_norm)
    try:
        generator = _move(translation, blocks)
    except KeyError:
        return None
    if source.tensors:
        return None
    target = translation.target
    notes = to_rgb(target, "encoder.1", "to_rgb.1")
    width = target["encoder.1.weight"].shape[0]
    levels = generator["downsamplings"]
    title = f"ResNet generator of {len(blocks)} blocks"
    if levels > 2:
        title = f"pix2pixHD's global generator of {len(blocks)} blocks"
    config: dict[str, Any] = {"network": "resnet", "ngf": width, "blocks": len(blocks), "norm": first_norm, **generator}
    return Recognised(title, config, target, _SIZE, tuple(notes))


def _block_layout(source: Remaining, block: int) -> tuple[tuple[int, int], str, bool]:
    """Return the indices of a block's two convolutions, its padding, and whether it has dropout."""
    names = [f"model.{block}.conv_block.{index}" for index in range(8)]
    indices = [index for index, name in enumerate(names) if len(source.shape(f"{name}.weight")) == 4]
    if len(indices) != 2 or tuple(indices) not in _CONVOLUTIONS:
        raise UnusableNetwork(f"Its residual blocks have convolutions at {indices}, as those of no known program.")
    first, second = indices
    padding, dropout = _CONVOLUTIONS[first, second]
    return (first, second), padding, bool(dropout)


def _move(translation: LayerTranslation, blocks: list[int]) -> dict[str, Any]:
    """Move all layers. Return the values of the config that their places tell. Raises KeyError for a missing layer."""
    source = translation.source
    translation.move_conv("model.1", "encoder.1", ("model.2", "encoder.2"))
    down, antialias = _move_downsampling(translation, blocks[0])
    padding, dropout = "reflect", False
    for index, block in enumerate(blocks):
        (first, second), padding, dropout = _block_layout(source, block)
        pads = 1 if padding == "zeros" else 0  # i2i's blocks have a layer that pads
        for number, convolution in enumerate((first, second), 1):
            old, new = f"model.{block}.conv_block", f"blocks.{index}.body"
            place = convolution + pads * number
            translation.move_conv(
                f"{old}.{convolution}", f"{new}.{place}", (f"{old}.{convolution + 1}", f"{new}.{place + 1}")
            )
    end, upsampling = _move_upsampling(translation, blocks[-1] + 1, down)
    translation.move_conv(f"model.{end + 1}", "to_rgb.1", None)
    return {
        "downsamplings": down, "antialias": antialias, "upsampling": upsampling, "padding": padding,
        "dropout": 0.5 if dropout else 0.0,
    }  # fmt: skip


def _move_downsampling(translation: LayerTranslation, end: int) -> tuple[int, bool]:
    """Move the layers before the residual blocks. Return how many times they halve, and whether they blur."""
    index, count, antialias = 4, 0, False
    while index < end:
        translation.move_conv(f"model.{index}", f"encoder.{index}", (f"model.{index + 1}", f"encoder.{index + 1}"))
        blur = translation.source.take(f"model.{index + 3}.filt")
        if blur is not None:
            _check_filter(blur, (1, 2, 1), 1)
        if count and antialias != (blur is not None):
            raise KeyError(index)
        antialias = blur is not None
        count += 1
        index += 3 + antialias
    if index != end:
        raise KeyError(index)
    return count, antialias


def _move_upsampling(translation: LayerTranslation, start: int, count: int) -> tuple[int, str]:
    """Move the layers after the residual blocks. Return the index behind them, and how they enlarge."""
    index, upsampling = start, "transposed"
    for _ in range(count):
        enlarge = translation.source.take(f"model.{index}.filt")
        if enlarge is not None:
            _check_filter(enlarge, (1, 3, 3, 1), 4)
            upsampling = "bilinear"
        convolution = index + (enlarge is not None)
        names = tuple(f"{part}.{place}" for part, place in (
            ("model", convolution), ("decoder", convolution - start),
            ("model", convolution + 1), ("decoder", convolution + 1 - start),
        ))  # fmt: skip
        translation.move_conv(names[0], names[1], (names[2], names[3]), transposed=enlarge is None)
        index = convolution + 3
    return index, upsampling


def _check_filter(found: "Tensor", taps: tuple[int, ...], gain: float) -> None:
    """Raise UnusableNetwork unless a blur's filter is the one of i2i's layer: the outer product of ``taps``, × gain."""
    import torch

    line = torch.tensor(taps, dtype=torch.float32) / sum(taps)
    wanted = gain * torch.outer(line, line)
    if found.shape[-2:] != wanted.shape or not torch.allclose(found, wanted.expand_as(found), atol=1e-5):
        raise UnusableNetwork(f"Its blur filters are not {list(taps)}: i2i's anti-aliased layers have these.")
