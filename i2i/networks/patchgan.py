"""The patch discriminator of Pix2Pix and CycleGAN (Isola et al. 2017, appendix 6.1.2)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.errors import ConfigError
from i2i.networks.blurpool import Halve
from i2i.networks.layers import Init, Norm, conv, finish, in_float32, needs_bias, norm, with_activations

FIELDS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}  # receptive field in pixels: strided layers


@dataclass(frozen=True, kw_only=True)
class PatchGANConfig:
    network: Literal["patchgan"] = option("patchgan", "architecture")
    ndf: int = option(64, "channels of the discriminator's first layer")
    receptive_field: int = option(70, "pixels seen by one judgement: 1 (PixelGAN), 16, 34, 70, 142 or 286")
    scales: int = option(1, "discriminators, each on pictures of half the size of the one before (pix2pixHD)")
    antialias: bool = option(False, "blur before every subsampling in the discriminator (CUT); it sees a little more")
    norm: Norm = option("instance", "normalisation of the discriminator")
    init: Init = option("normal", "initialisation of the discriminator")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the discriminator")

    def __post_init__(self) -> None:
        require(1 <= self.ndf <= 1024, "ndf", self.ndf, "from 1 to 1024")
        require(1 <= self.scales <= 6, "scales", self.scales, "from 1 to 6")
        require(self.receptive_field in FIELDS, "receptive_field", self.receptive_field,
              f"one of {', '.join(map(str, FIELDS))}")  # fmt: skip

    def smallest_input(self) -> int:
        """Pixels a side below which no judgement remains."""
        return _smallest(self.receptive_field, self.scales)

    def too_small(self, size: int) -> str:
        """The message for images of ``size`` pixels a side, which are smaller than ``smallest_input``."""
        fields = [field for field in FIELDS if _smallest(field, self.scales) <= size]
        at_scales = f" at {self.scales} scales" if self.scales > 1 else ""
        fewer_scales = "fewer --d-scales, " if self.scales > 1 else ""
        return (
            f"A discriminator with receptive field {self.receptive_field}{at_scales} needs images of at least "
            f"{self.smallest_input()} px; size is {size}. Use a larger --size, {fewer_scales}or --d-receptive-field "
            f"{max(fields, default=1)}."
        )

    def build(self, channels: int = 3) -> "PatchGAN | MultiScale":
        """The discriminator of pictures of ``channels``: 3, or 6 for a condition and its picture."""
        return PatchGAN(self, channels) if self.scales == 1 else MultiScale(self, channels)


class PatchGAN(nn.Module):
    """Convolutions that judge every patch of a picture. Takes (N, C, H, W), returns logits (N, 1, h, w).

    ``channels`` is 3, or 6 for a condition and its picture concatenated. No norm on the first layer.
    """

    def __init__(self, config: PatchGANConfig, channels: int = 3) -> None:
        super().__init__()
        n, layers, bias = config.ndf, FIELDS[config.receptive_field], needs_bias(config.norm)
        if layers == 0:
            body = [
                nn.Conv2d(channels, n, 1), nn.LeakyReLU(0.2, True),
                conv(config.norm, n, 2 * n, 1), norm(config.norm, 2 * n), nn.LeakyReLU(0.2, True),
            ]  # fmt: skip
            self.body, self.to_logits = nn.Sequential(*body), nn.Conv2d(2 * n, 1, 1, bias=bias)
        else:
            widths = [n * min(8, 2**layer) for layer in range(layers + 1)]
            stride, blur = _halving(config)
            body = [nn.Conv2d(channels, n, 4, stride, 1), nn.LeakyReLU(0.2, True), *blur]
            for layer, (before, width) in enumerate(pairwise(widths), start=1):
                stride, blur = _halving(config) if layer < layers else (1, [])
                body += [conv(config.norm, before, width, 4, stride, 1), norm(config.norm, width),
                         nn.LeakyReLU(0.2, True), *blur]  # fmt: skip
            self.body, self.to_logits = nn.Sequential(*body), nn.Conv2d(widths[-1], 1, 4, 1, 1)
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        return in_float32(self.to_logits, self.body(picture))

    def with_features(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the activations of every layer before them, (N, C, h, w) each."""
        x, features = with_activations(self.body, picture, (nn.LeakyReLU,))
        return in_float32(self.to_logits, x), features


class MultiScale(nn.Module):
    """A PatchGAN for each scale, on pictures halved once more than for the one before (Wang et al. 2018, section 3.2).

    Takes (N, C, H, W), returns the logits of each scale, (N, 1, h, w), the finest first.
    """

    def __init__(self, config: PatchGANConfig, channels: int = 3) -> None:
        super().__init__()
        self.critics = nn.ModuleList(PatchGAN(config, channels) for _ in range(config.scales))

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        return tuple(critic(x) for critic, x in zip(self.critics, self._sizes(picture), strict=True))

    def with_features(self, picture: Tensor) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """The logits of each scale, and the activations of all layers of all scales."""
        parts = zip(self.critics, self._sizes(picture), strict=True)
        found = [critic.with_features(x) for critic, x in parts]  # type: ignore[operator]
        return tuple(logits for logits, _ in found), [layer for _, layers in found for layer in layers]

    def _sizes(self, picture: Tensor) -> list[Tensor]:
        sizes = [picture]
        while len(sizes) < len(self.critics):
            sizes.append(F.avg_pool2d(sizes[-1], 3, 2, 1, count_include_pad=False))  # half of each side, rounded up
        return sizes


def _halving(config: PatchGANConfig) -> tuple[int, list[nn.Module]]:
    """The stride of a convolution that halves the size, and what follows its activation."""
    return (1, [Halve()]) if config.antialias else (2, [])


def _smallest(field: int, scales: int) -> int:
    """Pixels a side that leave one judgement at the coarsest of ``scales``."""
    layers = FIELDS[field]
    coarsest = 3 * 2**layers if layers else 1
    return (coarsest - 1) * 2 ** (scales - 1) + 1


def check_size(config: PatchGANConfig, size: int) -> None:
    """Raise ConfigError where images of ``size`` pixels a side are too small for the discriminator."""
    if size < config.smallest_input():
        raise ConfigError(config.too_small(size))
