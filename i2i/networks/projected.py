"""A discriminator on the features of a frozen, pretrained network (Projected GAN, Sauer et al. 2021)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.networks.layers import Init, add_spectral_norm, initialize, run_in_float32
from i2i.networks.patchgan import PatchGANConfig
from i2i.networks.weight_gradient import Conv2d
from i2i.pretrained.alexnet import AlexNetFeatures


@dataclass(frozen=True, kw_only=True)
class ProjectedConfig(PatchGANConfig):
    """Heads on frozen features, with a PatchGAN of the inherited settings beside them."""

    network: Literal["projected"] = option("projected", "architecture")  # type: ignore[assignment]
    layers: str = option("2,3,5", "AlexNet's convolutions whose features get a head, from 1 to 5")
    head_width: int = option(128, "channels of each head on the frozen features", ge=1, le=1024)
    enlarge: float = option(
        2.0, "factor by which images are enlarged before they enter the frozen network", ge=0.5, le=8
    )
    patchgan: bool = option(True, "a PatchGAN on the pixels beside the heads on frozen features (Kumari et al. 2022)")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.layer_numbers()

    def layer_numbers(self) -> list[int]:
        """Return the numbers in ``layers``, ascending. Raises ConfigError unless they are distinct and from 1 to 5."""
        words = [word.strip() for word in self.layers.split(",")]
        numbers = [int(word) for word in words if word in {"1", "2", "3", "4", "5"}]
        valid = len(numbers) == len(words) == len(set(numbers))
        require(valid, "layers", self.layers, "different numbers from 1 to 5 with commas between them")
        return sorted(numbers)

    def num_outputs(self) -> int:
        """Return the number of logit maps: one for each head, and those of the PatchGAN."""
        return len(self.layer_numbers()) + (super().num_outputs() if self.patchgan else 0)

    def min_input_size(self) -> int:
        """Return the smallest image side, in pixels, for which every part of the discriminator has a logit."""
        size = self._min_size_before_enlarging()
        return max(size, super().min_input_size()) if self.patchgan else size

    def _min_size_before_enlarging(self) -> int:
        return math.ceil(AlexNetFeatures.MIN_SIZE / self.enlarge)

    def too_small_message(self, size: int) -> str:
        """Return the error message for images of ``size`` pixels a side, smaller than ``min_input_size``."""
        if size >= self._min_size_before_enlarging():
            return super().too_small_message(size)
        return (
            f"A projected discriminator needs images of at least {AlexNetFeatures.MIN_SIZE} px after they are enlarged "
            f"{self.enlarge:g} times; {{size}} is {size}. Use a larger --size or --d-enlarge."
        )

    def build(self, channels: int = 3) -> "ProjectedDiscriminator":  # type: ignore[override]
        """Build the discriminator of images of ``channels``: 3, or 6 for a condition and its image.

        Raises ModelFileError where the weights of the frozen network can neither be found nor downloaded.
        """
        return ProjectedDiscriminator(self, AlexNetFeatures(), channels)


class ProjectedDiscriminator(nn.Module):
    """One small head for each layer of a frozen network's features, and, if asked for, a PatchGAN on the pixels.

    Takes (N, C, H, W) in [-1, 1], C a multiple of 3: each three channels are an image, and the features of all of
    them are concatenated. Returns the logits of each part, (N, 1, h, w). The heads have no norm but spectral norm:
    batch norm has no meaning at batch 1. The frozen weights are in no state and in no optimizer.
    """

    def __init__(self, config: ProjectedConfig, backbone: AlexNetFeatures, channels: int = 3) -> None:
        super().__init__()
        self.layers = config.layer_numbers()
        self.enlarge = config.enlarge
        self.backbone = backbone
        images = channels // 3
        self.heads = nn.ModuleList(
            ProjectedHead(images * backbone.CHANNELS[number - 1], config.head_width, config.weight_init)
            for number in self.layers
        )
        self.patchgan = PatchGANConfig.build(config, channels) if config.patchgan else None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits = [head(x) for head, x in zip(self.heads, self._features(images), strict=True)]
        if self.patchgan is not None:
            logits += as_scales(self.patchgan(images))
        return tuple(logits)

    def with_features(self, images: Tensor) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Return the logits of each part, and the activations of all its layers before them, (N, C, h, w) each."""
        logits: list[Tensor] = []
        activations: list[Tensor] = []
        for head, x in zip(self.heads, self._features(images), strict=True):
            head_logits, hidden = head.with_features(x)  # type: ignore[operator]
            logits.append(head_logits)
            activations += hidden
        if self.patchgan is not None:
            patch_logits, hidden = self.patchgan.with_features(images)
            logits += as_scales(patch_logits)
            activations += hidden
        return tuple(logits), activations

    def _features(self, images: Tensor) -> Sequence[Tensor]:
        separate = images.unflatten(1, (-1, 3)).flatten(0, 1)  # (N·k, 3, H, W)
        if self.enlarge != 1:
            separate = F.interpolate(separate, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        features = self.backbone(separate, self.layers)
        return [x.unflatten(0, (len(images), -1)).flatten(1, 2) for x in features]  # (N, k·C, h, w)


def as_scales(logits: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the logits of a PatchGAN as a tuple with one item for each scale."""
    return (logits,) if isinstance(logits, Tensor) else logits


class ProjectedHead(nn.Module):
    """1×1 convolution, 3×3 convolution, 1×1 convolution to logits; all with spectral norm (Miyato et al. 2018)."""

    def __init__(self, channels: int, width: int, init: Init) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.LeakyReLU(0.2), Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2)
        )
        self.to_logits = nn.Conv2d(width, 1, 1)
        initialize(self, init)
        add_spectral_norm(self)

    def forward(self, features: Tensor) -> Tensor:
        return run_in_float32(self.to_logits, self.body(features))

    def with_features(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the activations of the two layers before them."""
        first = self.body[1](self.body[0](features))
        second = self.body[3](self.body[2](first))
        return run_in_float32(self.to_logits, second), [first, second]
