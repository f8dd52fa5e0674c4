"""Regression: the picture that is right on average, learnt from pairs or, for a task, from clean photos alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.diagnostics import View
from i2i.images import to_uint8
from i2i.losses.perceptual import Perceptual, check_perceptual
from i2i.losses.pixel import charbonnier
from i2i.methods.base import Batch, Objective, Pictures, Turn
from i2i.metrics.paired import psnr
from i2i.metrics.ssim import ms_ssim
from i2i.networks import GeneratorConfig, IdentityConfig, ResnetConfig, RestorerConfig, UnetConfig
from i2i.networks.output_heads import as_seen


@dataclass(frozen=True, kw_only=True)
class RegressionConfig:
    generator: RestorerConfig | UnetConfig | ResnetConfig | IdentityConfig = option(
        RestorerConfig(), "architecture of the network"
    )
    pixel: Literal["charbonnier", "l1", "l2"] = option("charbonnier", "distance of the values to the true ones")
    weight_pixel: float = option(1.0, "λ of that distance")
    weight_ms_ssim: float = option(0.0, "λ of 1 − MS-SSIM; 0: none")
    weight_perceptual: float = option(0.0, "λ of the perceptual distance (LPIPS) to the true picture; 0: none")

    def __post_init__(self) -> None:
        for name in ("weight_pixel", "weight_ms_ssim", "weight_perceptual"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or above")

    def build(self, size: int) -> "Regression":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return Regression(self, size)


class Regression(Objective):
    """One network that minimises the distance of its result to the truth; nobody to judge it."""

    shown = 8

    def __init__(self, config: RegressionConfig, size: int) -> None:
        super().__init__()
        check_perceptual(config.weight_perceptual, size)
        self.config = config
        self.G = config.generator.build(size)
        self.perceptual = Perceptual() if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        given, truth = batch
        restored = self.G(given)
        terms = {f"G/{self.config.pixel}": self.config.weight_pixel * self._distance(restored, truth)}
        if self.config.weight_ms_ssim:
            terms["G/ms_ssim"] = self.config.weight_ms_ssim * (1 - ms_ssim(restored, truth))
        if self.perceptual is not None:
            terms["G/perceptual"] = self.config.weight_perceptual * self.perceptual(restored, truth)
        yield "G", terms

    def _distance(self, restored: Tensor, truth: Tensor) -> Tensor:
        if self.config.pixel == "l1":
            return F.l1_loss(restored, truth)
        return F.mse_loss(restored, truth) if self.config.pixel == "l2" else charbonnier(restored, truth)

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        given, truth = batch
        return {"input": as_seen(given, truth), "restored": translators["AtoB"](given).float(), "truth": truth}

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        return [
            View(direction="restored", output=shown["restored"], target=batch[1], input=shown["input"], paired=True)
        ]

    def measures(self, batch: Batch, shown: Pictures) -> dict[str, float]:
        return {
            f"psnr/{title}": float(psnr(to_uint8(shown[title]), to_uint8(batch[1])).mean())
            for title in ("input", "restored")
        }
