"""Small restoration networks of other programs with random weights, in the files of those programs."""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DnCNN import DnCNN
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.LaMa import LaMa
from spandrel.architectures.NAFNet import NAFNet
from spandrel.architectures.SCUNet import SCUNet
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "Compact, grey": lambda: Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=3, upscale=4),
    "Compact, RGBA": lambda: Compact(num_in_ch=4, num_out_ch=4, num_feat=8, num_conv=3, upscale=2),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
    "ESRGAN": lambda: ESRGAN(num_filters=4, num_blocks=1, scale=4),
    "SwinIR": lambda: SwinIR(
        img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8, upscale=2, upsampler="pixelshuffle"
    ),
    "NAFNet": lambda: NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "DRUNet": lambda: DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 8, 8], nb=4),
    "SCUNet": lambda: SCUNet(config=[1, 1, 1, 1, 1, 1, 1], dim=64),
    "DnCNN": lambda: DnCNN(in_nc=1, out_nc=1, nc=8, nb=8, act_mode="R"),
}
SCALES = {"Compact, grey": 4, "Compact, RGBA": 2, "SPAN": 2, "ESRGAN": 4, "SwinIR": 2}
GLOBAL = ("NAFNet",)  # they use the mean of the whole image


def build(name: str, seed: int = 0) -> nn.Module:
    """Return a network in evaluation mode, with the weights of its initialisation from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[name]().eval()
    for weight_name, weight in network.named_parameters():
        if weight_name.endswith(("beta", "gamma")):  # NAFNet starts as the identity
            weight.data.fill_(1.0)
        if weight_name.startswith("upsampler.") and name == "SPAN":  # its features have 255 grey levels
            weight.data.mul_(0.02 if weight.dim() == 4 else 0.0).add_(0.5 if weight.dim() == 1 else 0.0)
        if weight_name == "m_tail.weight":
            weight.data.mul_(8.0)
    return network


def write(name: str, path: str | Path | None = None, seed: int = 0) -> Path:
    """Write a network as its program does: in a .pth file under "params_ema", or a .safetensors file."""
    path = Path(path or f"{name}.pth")
    weights = build(name, seed).state_dict()
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({"params_ema": weights}, path)
    return path


def small_lama(monkeypatch: pytest.MonkeyPatch) -> LaMa:
    """Make spandrel's LaMa small, and return one."""
    module = importlib.import_module("spandrel.architectures.LaMa.__arch.LaMa")
    monkeypatch.setattr(module, "FFCResNetGenerator", partial(module.FFCResNetGenerator, ngf=4, n_blocks=1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LaMa(in_nc=4, out_nc=3).eval()
