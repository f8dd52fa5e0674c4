"""CUT and FastCUT: translation in one direction, learnt without pairs and without a way back (Park et al. 2020)."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.diagnostics import View
from i2i.errors import ConfigError
from i2i.losses.adversarial import Adversarial, AdversarialConfig
from i2i.losses.compatible import check_critic
from i2i.losses.contrastive import patch_nce
from i2i.losses.discriminator_input import Judge
from i2i.losses.pixel import robust_colour_distance
from i2i.methods.base import Batch, Objective, Pictures, Turn
from i2i.networks import GeneratorConfig, PatchGANConfig, ProjectedConfig, Resnet, ResnetConfig, check_size
from i2i.networks.batching import minds_company
from i2i.networks.projector import Projector, draw_places, mirrored


@dataclass(frozen=True, kw_only=True)
class CUTConfig:
    generator: ResnetConfig = option(
        ResnetConfig(upsampling="bilinear", antialias=True, init="xavier"), "architecture of the generator"
    )
    discriminator: PatchGANConfig | ProjectedConfig = option(
        PatchGANConfig(antialias=True, init="xavier"), "the discriminator", prefix="d"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(), "the adversarial loss")
    weight_nce: float = option(1.0, "λ of the contrastive loss (PatchNCE)")
    nce_identity: bool = option(True, "half of the contrastive loss on pictures of B, which G is to leave as they are")
    nce_layers: str = option("0,4,8,12,16", "the generator's layers whose features are compared, counted from 0")
    nce_patches: int = option(256, "places of a picture that are compared in each layer")
    nce_temperature: float = option(0.07, "τ of the contrastive loss")
    nce_features: int = option(256, "numbers that describe a place")
    flip_equivariance: bool = option(False, "translate half of the pictures mirrored, and compare them mirrored back")
    weight_background: float = option(
        0.0, "λ of the robust distance of the translation's colours to the input's, which spares large changes; 0: none"
    )
    reconstruction_steps: int = option(
        0, "steps at the start in which the generator learns to reproduce its inputs and nothing else"
    )

    def __post_init__(self) -> None:
        require(self.weight_nce >= 0, "weight_nce", self.weight_nce, "0 or above")
        require(2 <= self.nce_patches <= 65_536, "nce_patches", self.nce_patches, "from 2 to 65536")
        require(self.nce_temperature > 0, "nce_temperature", self.nce_temperature, "above 0")
        require(1 <= self.nce_features <= 4096, "nce_features", self.nce_features, "from 1 to 4096")
        require(self.weight_background >= 0, "weight_background", self.weight_background, "0 or above")
        require(self.reconstruction_steps >= 0, "reconstruction_steps", self.reconstruction_steps, "0 or above")
        self.layers()
        check_critic(self.adversarial, self.discriminator)

    def layers(self) -> list[int]:
        """The numbers in ``nce_layers``, ascending. Raises ConfigError where it is no list of different numbers."""
        words = [word.strip() for word in self.nce_layers.split(",")]
        numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
        valid = len(numbers) == len(words) == len(set(numbers))
        require(valid, "nce_layers", self.nce_layers, "different whole numbers with commas between them")
        return sorted(numbers)

    def build(self, size: int) -> "CUT":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return CUT(self, size)


class Pass(NamedTuple):
    """Pictures on their way through the generator."""

    fakes: Tensor  # (N, 3, H, W), the translations; of a mirrored picture, if it was translated mirrored
    keys: list[Tensor]  # (N, C, h, w) for each layer: the features of the pictures themselves, without gradient
    flipped: Tensor | None  # (N, 1): whether a picture was translated mirrored; None: none was


class CUT(Objective):
    """A GAN whose translations keep, place by place, what tells their inputs' places apart (Park et al. 2020, eq. 5).

    G: A → B, whose first half is the encoder; H projects its features; D_B judges pictures of domain B.
    """

    critic_weight = 0.5

    def __init__(self, config: CUTConfig, size: int) -> None:
        super().__init__()
        check_size(config.discriminator, size)
        if not isinstance(config.generator, ResnetConfig):
            raise ConfigError(
                f"CUT compares features of a resnet's encoder; generator is {config.generator.network!r}."
            )
        self.config, self.layers = config, config.layers()
        self.G = config.generator.build(size)
        self.H = Projector(_widths(self.G, self.layers), config.nce_features)
        self.D_B = config.discriminator.build()
        self.encode, self.translate = Way(self.G.features), Way(self.G.with_features)
        self.adversarial = Adversarial(config.adversarial)
        self.augment = self.adversarial.augmentation()

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.H, self.encode, self.translate], "D": [self.D_B]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def phase(self, step: int) -> Hashable:
        return step < self.config.reconstruction_steps, self.adversarial.phase(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        if step < self.config.reconstruction_steps:
            yield "G", {"G/reconstruction": F.l1_loss(self.G(torch.cat(batch)), torch.cat(batch))}
            return
        plays = self.adversarial.generator_plays(step)
        identity = plays and self.config.nce_identity and self.config.weight_nce
        reals = [real_a, real_b] if identity else [real_a]
        passes = [self._pass(x) for x in (reals if minds_company(self.G) else [torch.cat(reals)])]
        fake_b = passes[0].fakes[: len(real_a)]

        judge = Judge(self.D_B, self.augment)
        terms = self.adversarial.discriminator(judge, real_b, fake_b, step)
        yield "D", {f"D/{name}": term / 2 for name, term in terms.items()}  # halved, as CycleGAN's
        self.adversarial.after_discriminator(self.D_B)

        if plays:
            terms = self.adversarial.generator(judge, fake_b, real_b)
            losses = {f"G/{name}": term for name, term in terms.items()}
            if self.config.weight_nce:
                nce = torch.cat([self._nce(each) for each in passes]).split(len(real_a))
                weight = self.config.weight_nce / len(nce)
                losses |= {name: weight * of.mean() for name, of in zip(("G/nce", "G/nce_identity"), nce, strict=False)}
            if self.config.weight_background:
                flipped = passes[0].flipped
                seen = real_a
                if flipped is not None:
                    seen = torch.where(flipped[: len(real_a), :, None, None], real_a.flip(3), real_a)
                losses["G/background"] = self.config.weight_background * robust_colour_distance(fake_b, seen)
            yield "G", losses

    def _pass(self, pictures: Tensor) -> Pass:
        if self.config.flip_equivariance:
            flipped = coins(pictures)
            seen = torch.where(flipped[..., None, None], pictures.flip(3), pictures)
            return Pass(self.G(seen), self._keys(pictures), flipped)
        if minds_company(self.G):  # features of a pass of their own, as published
            return Pass(self.G(pictures), self._keys(pictures), None)
        fakes, keys = self.translate(pictures, self.layers)
        return Pass(fakes, [x.detach() for x in keys], None)

    def _keys(self, pictures: Tensor) -> list[Tensor]:
        return [x.detach() for x in self.encode(pictures, self.layers)]

    def _nce(self, each: Pass) -> Tensor:
        """PatchNCE between the translations and their inputs, mean over the layers: (N,)."""
        queries = self.encode(each.fakes, self.layers)
        places = [draw_places(x, self.config.nce_patches) for x in queries]
        there = places
        if each.flipped is not None:
            there = [
                torch.where(each.flipped, mirrored(at, x.shape[3]), at) for at, x in zip(places, queries, strict=True)
            ]
        with torch.no_grad():
            v_plus = self.H(each.keys, places)
        losses = [
            patch_nce(v, plus, self.config.nce_temperature)
            for v, plus in zip(self.H(queries, there), v_plus, strict=True)
        ]
        return torch.stack(losses).mean(0)

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        real_a, real_b = batch
        G = translators["AtoB"]
        return {"input": real_a, "translation": G(real_a), "target": real_b, "its translation": G(real_b)}

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        real_a, real_b = batch
        return [View(direction="translation", output=shown["translation"], target=real_b, input=real_a)]


def coins(pictures: Tensor) -> Tensor:
    """Heads or tails for each of ``pictures`` (N, …), drawn on their device: (N, 1)."""
    return torch.rand(len(pictures), 1, device=pictures.device) < 0.5


class Way(nn.Module):
    """One of a network's ways as a module without weights, so that it is compiled as networks are."""

    def __init__(self, way: Callable[..., Any]) -> None:
        super().__init__()
        self._way = way

    def forward(self, *given: Any) -> Any:
        return self._way(*given)


def _widths(generator: Resnet, layers: list[int]) -> list[int]:
    """The channels of the generator's layers. Raises ConfigError where it has no such layers."""
    there = generator.widths()
    if layers[-1] >= len(there):
        raise ConfigError(
            f"nce_layers names layer {layers[-1]}; the encoder and the residual blocks of this generator are layers 0 "
            f"to {len(there) - 1}. Name others by --nce-layers, or raise --blocks."
        )
    return [there[layer] for layer in layers]
