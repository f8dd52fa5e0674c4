"""Describe tensors that no recogniser knows: how many, the first names and shapes, and what they resemble."""

import re
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 3
_DISCRIMINATOR = "a PatchGAN discriminator; the generator is latest_net_G*.pth"
_RESEMBLES = (  # a name that a network of this kind has, and what it is
    (r"model1_\d\.", "pix2pixHD's local enhancer; i2i has its global generator alone"),
    (
        r"(model|layer\d+|scale\d+_layer\d+)\.0(\.0)?\.weight",
        _DISCRIMINATOR,
    ),
    (r"model\.\d+\.(conv|up)\.weight|style_conv|to_rgb|modulated_conv", "a StyleGAN2 generator"),
    (r"mlp_\d+\.", "the patch sampler of CUT (latest_net_F.pth); the generator is latest_net_G.pth"),
    (r"model\.diffusion_model\.|double_blocks|transformer_blocks", "a text-to-image diffusion model"),
    (r"lora_(up|down|A|B)", "a LoRA of another model"),
    (r"text_model\.|encoder\.layer\.\d+\.attention", "a language model or text encoder"),
    (r"first_stage_model\.|decoder\.mid\.", "the autoencoder of a diffusion model"),
    (r"features\.\d+\.weight", "a classifier such as VGG or AlexNet"),
    (r"layer[1-4]\.\d+\.conv1\.weight", "a ResNet classifier"),
    (r"exp_avg|optimizer", "the state of an optimizer"),
)


def describe_tensors(tensors: "Mapping[str, Tensor]") -> str:
    """Return a sentence about tensors, such as "It has 26 tensors, the first are w (3, 3), b (3)"."""
    first = ", ".join(f"{reprlib.repr(name)[1:-1]} {tuple(tensors[name].shape)}" for name in list(tensors)[:_SHOWN])
    more = " …" if len(tensors) > _SHOWN else ""
    count = "one tensor" if len(tensors) == 1 else f"{len(tensors)} tensors"
    sentence = f"It has {count}: {first}{more}."
    resembled = next((what for pattern, what in _RESEMBLES if any(re.match(pattern, name) for name in tensors)), "")
    if resembled == _DISCRIMINATOR and not any(tuple(tensor.shape[2:]) == (4, 4) for tensor in tensors.values()):
        resembled = ""  # other networks name their layers alike
    return f"{sentence} It resembles {resembled}." if resembled else sentence
