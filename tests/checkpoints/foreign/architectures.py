"""Published generators, built plainly from their papers and under the names of their programs' files.

They are written without i2i's networks, so that an imported model can be compared to them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def make_norm(kind: str, channels: int, tracked: bool) -> nn.Module:
    """Return a norm of the reference. ``tracked``: instance norm with the running statistics of PyTorch 0.3's files."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(channels, affine=False, track_running_stats=tracked)


class ReferenceBlock(nn.Module):
    def __init__(self, channels: int, norm: str, padding: str, dropout: bool, bias: bool, tracked: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(2):
            layers += {"reflect": [nn.ReflectionPad2d(1)], "replicate": [nn.ReplicationPad2d(1)], "zeros": []}[padding]
            layers.append(nn.Conv2d(channels, channels, 3, padding=int(padding == "zeros"), bias=bias))
            layers.append(make_norm(norm, channels, tracked))
            if number == 0:
                layers += [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Downsample(nn.Module):
    """CUT's: blur with [1, 2, 1], reflected, and keep every second pixel (Zhang 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0])
        blur = torch.outer(line, line) / 16
        self.register_buffer("filt", blur[None, None].repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    """CUT's: insert zeros, then blur with [1, 3, 3, 1]; the edges are replicated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        blur = 4 * torch.outer(line, line) / 64
        self.register_buffer("filt", blur[None, None].repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=x.shape[1])[:, :, 1:-1, 1:-1]


class ReferenceResnet(nn.Module):
    """ResNet generator of pytorch-CycleGAN-and-pix2pix, CUT (``antialias``) and pix2pixHD (``levels=4, bias=True``)."""

    def __init__(
        self, *, inputs: int = 3, outputs: int = 3, ngf: int = 4, blocks: int = 2, norm: str = "instance",
        dropout: bool = False, padding: str = "reflect", antialias: bool = False, antialias_up: bool = False,
        levels: int = 2, bias: bool | None = None, tracked: bool = False, tanh: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        bias = norm == "instance" if bias is None else bias
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, ngf, 7, bias=bias),
                                   make_norm(norm, ngf, tracked), nn.ReLU()]  # fmt: skip
        widths = [ngf * 2**level for level in range(levels + 1)]
        for above, below in pairwise(widths):
            layers.append(nn.Conv2d(above, below, 3, stride=1 if antialias else 2, padding=1, bias=bias))
            layers += [make_norm(norm, below, tracked), nn.ReLU()]
            layers += [Downsample(below)] if antialias else []
        layers += [ReferenceBlock(widths[-1], norm, padding, dropout, bias, tracked) for _ in range(blocks)]
        for above, below in reversed(list(pairwise(widths))):
            if antialias_up:
                layers += [Upsample(below), nn.Conv2d(below, above, 3, padding=1, bias=bias)]
            else:
                layers.append(nn.ConvTranspose2d(below, above, 3, 2, padding=1, output_padding=1, bias=bias))
            layers += [make_norm(norm, above, tracked), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, outputs, 7), *([nn.Tanh()] if tanh else [])]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _UnetLevel(nn.Module):
    def __init__(self, outer: int, inner: int, norm: str, bias: bool, inside: nn.Module | None, dropout: bool) -> None:
        super().__init__()
        down = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        down += [make_norm(norm, inner, False), inside] if inside is not None else []
        up = [nn.ReLU(), nn.ConvTranspose2d(inner if inside is None else 2 * inner, outer, 4, 2, 1, bias=bias),
              make_norm(norm, outer, False)]  # fmt: skip
        self.model = nn.Sequential(*down, *up, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


class _OuterLevel(nn.Module):
    def __init__(self, inputs: int, outputs: int, ngf: int, bias: bool, inside: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(inputs, ngf, 4, 2, 1, bias=bias), inside, nn.ReLU(),
            nn.ConvTranspose2d(2 * ngf, outputs, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class ReferenceUnet(nn.Module):
    """U-Net generator of pytorch-CycleGAN-and-pix2pix, with ``depth`` levels."""

    def __init__(
        self, depth: int = 5, *, inputs: int = 3, outputs: int = 3, ngf: int = 2, norm: str = "batch",
        dropout: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        bias = norm == "instance"
        level: nn.Module = _UnetLevel(8 * ngf, 8 * ngf, norm, bias, None, False)
        for _ in range(depth - 5):
            level = _UnetLevel(8 * ngf, 8 * ngf, norm, bias, level, dropout)
        for factor in (4, 2, 1):
            level = _UnetLevel(factor * ngf, 2 * factor * ngf, norm, bias, level, False)
        self.model = _OuterLevel(inputs, outputs, ngf, bias, level)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw weights and running statistics of a network so that every layer matters, and return it."""
    rng = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("filt") or not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=rng)
        if name.endswith("running_var"):
            value.copy_(noise.abs() + 0.5)
        elif value.dim() == 4:
            value.copy_(noise * (1.5 / value[0].numel()) ** 0.5)
        else:
            value.copy_(0.3 * noise + (1.0 if name.endswith("weight") else 0.0))
    return network
