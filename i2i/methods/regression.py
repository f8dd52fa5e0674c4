"""Regression: one network trained on paired images, or for a restoration task on clean photos alone.

With the L2 distance it predicts the mean of the possible targets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import Config, option
from i2i.diagnostics import SampleView
from i2i.directions import Direction
from i2i.losses.perceptual import (
    PERCEPTUAL_HELP,
    PerceptualNetwork,
    build_perceptual_loss,
    require_perceptual_size,
)
from i2i.losses.pixel import charbonnier
from i2i.methods.base import Batch, ImageDict, Method, Turn, mean_psnr
from i2i.metrics.ssim import ms_ssim
from i2i.networks import (
    CompactConfig,
    GeneratorConfig,
    IdentityConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
    build_generator,
)
from i2i.networks.output_heads import image_at


@dataclass(frozen=True, kw_only=True)
class RegressionConfig(Config):
    generator: RestorerConfig | CompactConfig | UnetConfig | ResnetConfig | IdentityConfig = option(
        RestorerConfig(), "architecture of the network"
    )
    pixel_loss: Literal["charbonnier", "l1", "l2"] = option(
        "charbonnier", "distance of the pixel values to the target", was="pixel"
    )
    weight_pixel: float = option(1.0, "λ of the pixel loss", ge=0)
    weight_ms_ssim: float = option(0.0, "λ of 1 − MS-SSIM; 0 disables it", ge=0)
    weight_perceptual: float = option(0.0, "λ of the perceptual distance to the target; 0 disables it", ge=0)
    perceptual_network: PerceptualNetwork = option("alexnet", PERCEPTUAL_HELP)

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Regression":
        """Return the method for images of ``size`` pixels a side. Raises ConfigError if they are too small.

        Args:
            size: pixels a side.
            in_channels: of the images to translate.
            out_channels: of the images to return.
        """
        return Regression(self, size, in_channels, out_channels)


class Regression(Method):
    """One network that minimises the distance of its output to the target, without a discriminator."""

    num_samples = 8

    def __init__(self, config: RegressionConfig, size: int, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        require_perceptual_size(config.weight_perceptual, config.perceptual_network, size, out_channels)
        self.config = config
        self.in_channels = in_channels
        self.G = build_generator(config.generator, size, in_channels, out_channels)
        self.perceptual = build_perceptual_loss(config.perceptual_network) if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G]}

    def translators(self) -> dict[str, nn.Module]:
        return {Direction.A_TO_B: self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        network_input, target = batch
        output = self.G(network_input)
        losses = {f"G/{self.config.pixel_loss}": self.config.weight_pixel * self._pixel_loss(output, target)}
        if self.config.weight_ms_ssim:
            losses["G/ms_ssim"] = self.config.weight_ms_ssim * (1 - ms_ssim(output, target))
        if self.perceptual is not None:
            losses["G/perceptual"] = self.config.weight_perceptual * self.perceptual(output, target)
        yield "G", losses

    def _pixel_loss(self, output: Tensor, target: Tensor) -> Tensor:
        if self.config.pixel_loss == "l1":
            return F.l1_loss(output, target)
        return F.mse_loss(output, target) if self.config.pixel_loss == "l2" else charbonnier(output, target)

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        network_input, target = batch
        return {
            "input": image_at(network_input, target, self.in_channels),
            "restored": translators[Direction.A_TO_B](network_input).float(),
            "target": target,
        }

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        return [
            SampleView(
                direction="restored", output=images["restored"], target=batch[1], input=images["input"], paired=True
            )
        ]

    def metrics(self, batch: Batch, images: ImageDict) -> dict[str, float]:
        return mean_psnr(images, ("input", "restored"), batch[1])
