"""The patch discriminator of Pix2Pix and CycleGAN (Isola et al. 2017, appendix 6.1.2)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import Config, option
from i2i.errors import SettingError
from i2i.networks.blurpool import BlurPool2d
from i2i.networks.layers import (
    Init,
    Norm,
    conv,
    forward_with_activations,
    init_and_constrain,
    norm,
    run_in_float32,
    uses_bias,
)

LAYERS_BY_RECEPTIVE_FIELD = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}  # pixels: strided convolutions


@dataclass(frozen=True, kw_only=True)
class PatchGANConfig(Config):
    """Config of ``PatchGAN`` and ``MultiScalePatchGAN``."""

    network: Literal["patchgan"] = option("patchgan", "architecture")
    ndf: int = option(64, "channels of the discriminator's first layer", ge=1, le=1024)
    receptive_field: int = option(
        70, "receptive field of a logit in pixels: 1 (PixelGAN), 16, 34, 70, 142 or 286",
        choices=tuple(LAYERS_BY_RECEPTIVE_FIELD),
    )  # fmt: skip
    scales: int = option(1, "discriminators, each on images of half the size of the one before (pix2pixHD)", ge=1, le=6)
    antialias: bool = option(
        False, "blur before every subsampling in the discriminator (CUT); its receptive field grows a little"
    )
    norm: Norm = option("instance", "normalisation of the discriminator")
    weight_init: Init = option("normal", "initialisation of the discriminator", was="init")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the discriminator")

    def num_outputs(self) -> int:
        """Return the number of logit maps, whose losses are added up: one for each scale."""
        return self.scales

    def min_input_size(self) -> int:
        """Return the smallest image side, in pixels, for which a logit remains at every scale."""
        return _min_input(self.receptive_field, self.scales)

    def too_small_message(self, size: int) -> str:
        """Return the error message for images of ``size`` pixels a side, smaller than ``min_input_size``."""
        fitting = [field for field in LAYERS_BY_RECEPTIVE_FIELD if _min_input(field, self.scales) <= size]
        at_scales = f" at {self.scales} scales" if self.scales > 1 else ""
        fewer_scales = "fewer --d-scales, " if self.scales > 1 else ""
        return (
            f"A discriminator with receptive field {self.receptive_field}{at_scales} needs images of at least "
            f"{self.min_input_size()} px; {{size}} is {size}. Use a larger --size, {fewer_scales}or "
            f"--d-receptive-field {max(fitting, default=1)}."
        )

    def build(self, channels: int = 3) -> "PatchGAN | MultiScalePatchGAN":
        """Build the discriminator of images of ``channels``; of a condition and its image, those of both."""
        return PatchGAN(self, channels) if self.scales == 1 else MultiScalePatchGAN(self, channels)


class PatchGAN(nn.Module):
    """Convolutions that compute a logit for every patch of an image. The first layer has no norm.

    Takes (N, C, H, W), returns logits (N, 1, h, w).

    Args:
        config: see ``PatchGANConfig``.
        channels: C; for a condition and its image concatenated, the sum of both.
    """

    def __init__(self, config: PatchGANConfig, channels: int = 3) -> None:
        super().__init__()
        num_layers = LAYERS_BY_RECEPTIVE_FIELD[config.receptive_field]
        if num_layers == 0:
            self.body = _pixel_body(config, channels)
            self.to_logits = nn.Conv2d(2 * config.ndf, 1, 1, bias=uses_bias(config.norm))
        else:
            widths = [config.ndf * min(8, 2**layer) for layer in range(num_layers + 1)]
            self.body = _patch_body(config, channels, widths)
            self.to_logits = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        init_and_constrain(self, config.weight_init, config.spectral_norm)

    def forward(self, images: Tensor) -> Tensor:
        return run_in_float32(self.to_logits, self.body(images))

    def with_features(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the activations of every layer before them, (N, C, h, w) each."""
        x, features = forward_with_activations(self.body, images, (nn.LeakyReLU,))
        return run_in_float32(self.to_logits, x), features


def _pixel_body(config: PatchGANConfig, channels: int) -> nn.Sequential:
    """Build the 1×1 convolutions of a PixelGAN."""
    n = config.ndf
    return nn.Sequential(
        nn.Conv2d(channels, n, 1), nn.LeakyReLU(0.2, True),
        conv(config.norm, n, 2 * n, 1), norm(config.norm, 2 * n), nn.LeakyReLU(0.2, True),
    )  # fmt: skip


def _patch_body(config: PatchGANConfig, channels: int, widths: list[int]) -> nn.Sequential:
    """Build the 4×4 convolutions: each halves the size, except the last one, which has stride 1."""
    stride, blur = _downsampling(config)
    body: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride, 1), nn.LeakyReLU(0.2, True), *blur]
    last = len(widths) - 1
    for layer, (before, after) in enumerate(pairwise(widths), start=1):
        stride, blur = _downsampling(config) if layer < last else (1, [])
        body += [conv(config.norm, before, after, 4, stride, 1), norm(config.norm, after),
                 nn.LeakyReLU(0.2, True), *blur]  # fmt: skip
    return nn.Sequential(*body)


class MultiScalePatchGAN(nn.Module):
    """One PatchGAN for each scale, on images halved repeatedly (Wang et al. 2018, section 3.2).

    Takes (N, C, H, W), returns the logits of each scale, (N, 1, h, w), the finest first.
    """

    def __init__(self, config: PatchGANConfig, channels: int = 3) -> None:
        super().__init__()
        self.critics = nn.ModuleList(PatchGAN(config, channels) for _ in range(config.scales))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(discriminator(x) for discriminator, x in zip(self.critics, self._pyramid(images), strict=True))

    def with_features(self, images: Tensor) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Return the logits of each scale, and the activations of all layers of all scales."""
        logits: list[Tensor] = []
        features: list[Tensor] = []
        for discriminator, x in zip(self.critics, self._pyramid(images), strict=True):
            scale_logits, scale_features = discriminator.with_features(x)  # type: ignore[operator]
            logits.append(scale_logits)
            features += scale_features
        return tuple(logits), features

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        pyramid = [images]
        while len(pyramid) < len(self.critics):
            pyramid.append(F.avg_pool2d(pyramid[-1], 3, 2, 1, count_include_pad=False))  # half, rounded up
        return pyramid


def _downsampling(config: PatchGANConfig) -> tuple[int, list[nn.Module]]:
    """Return the stride of a convolution that halves the size, and the modules after its activation."""
    return (1, [BlurPool2d()]) if config.antialias else (2, [])


def _min_input(receptive_field: int, scales: int) -> int:
    """Return the image side, in pixels, for which one logit remains at the coarsest of ``scales``."""
    num_layers = LAYERS_BY_RECEPTIVE_FIELD[receptive_field]
    coarsest = 3 * 2**num_layers if num_layers else 1
    return (coarsest - 1) * 2 ** (scales - 1) + 1


def check_input_size(config: PatchGANConfig, size: int) -> None:
    """Raise ConfigError where images of ``size`` pixels a side are too small for the discriminator."""
    if size < config.min_input_size():
        raise SettingError(config.too_small_message(size), "size")
