"""CUT and FastCUT: unpaired translation in one direction, without a cycle (Park et al. 2020)."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import Config, option, require
from i2i.diagnostics import SampleView
from i2i.directions import Direction
from i2i.distributed import own_rows
from i2i.errors import ConfigError, SettingError
from i2i.losses.adversarial import AdversarialConfig, AdversarialLoss, check_norm_for_penalty
from i2i.losses.contrastive import patch_nce
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.pixel import robust_colour_distance
from i2i.methods.base import Batch, ImageDict, Method, Turn
from i2i.methods.channels import check_discriminator, require_equal_channels
from i2i.networks import GeneratorConfig, PatchGANConfig, ProjectedConfig, Resnet, ResnetConfig, check_input_size
from i2i.networks.batching import depends_on_batch
from i2i.networks.projector import Projector, flip_locations, sample_locations


@dataclass(frozen=True, kw_only=True)
class CUTConfig(Config):
    generator: ResnetConfig = option(
        ResnetConfig(upsampling="bilinear", antialias=True, weight_init="xavier"), "architecture of the generator"
    )
    discriminator: PatchGANConfig | ProjectedConfig = option(
        PatchGANConfig(antialias=True, weight_init="xavier"), "the discriminator", prefix="d"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(), "the adversarial loss")
    weight_nce: float = option(1.0, "λ of the contrastive loss (PatchNCE)", ge=0)
    nce_identity: bool = option(
        True, "compute half of the contrastive loss on images of B, which G should leave unchanged"
    )
    nce_layers: str = option("0,4,8,12,16", "layers of the generator whose features are compared, counted from 0")
    nce_num_patches: int = option(
        256, "locations of an image that are compared in each layer", was="nce_patches", ge=2, le=65_536
    )
    nce_temperature: float = option(0.07, "τ of the contrastive loss", gt=0)
    nce_dim: int = option(256, "dimension of the projected features", was="nce_features", ge=1, le=4096)
    flip_equivariance: bool = option(
        False, "translate half of the images mirrored, and compare their features mirrored back"
    )
    weight_identity: float = option(0.0, "λ of the L1 distance between G(b) and b, for images b of B", ge=0)
    weight_background: float = option(
        0.0,
        "λ of the robust distance of the output's colours to the input's, which tolerates large changes; 0 disables it",
        ge=0,
    )
    reconstruction_steps: int = option(
        0, "steps at the start in which the generator is trained only to reproduce its inputs", ge=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.layers()
        check_norm_for_penalty(self.adversarial, self.discriminator)

    def layers(self) -> list[int]:
        """Return the numbers in ``nce_layers``, ascending.

        Raises:
            ConfigError: if it is not a comma-separated list of different numbers.
        """
        words = [word.strip() for word in self.nce_layers.split(",")]
        numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
        valid = len(numbers) == len(words) == len(set(numbers))
        require(valid, "nce_layers", self.nce_layers, "different whole numbers with commas between them")
        return sorted(numbers)

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "CUT":
        """Return the method for images of ``size`` pixels a side. Raises ConfigError if a network does not fit them.

        Args:
            size: pixels a side.
            in_channels: of the images to translate.
            out_channels: of the images to return.
        """
        return CUT(self, size, in_channels, out_channels)


class GeneratorOutput(NamedTuple):
    """Translations of one batch, and the features of its inputs."""

    fakes: Tensor  # (N, C, H, W), the translations of the inputs; some inputs were mirrored before
    keys: list[Tensor]  # (N, C, h, w) for each layer: features of the unmirrored inputs, without gradient
    flipped: Tensor | None  # (N, 1), whether each input was mirrored before its translation; None: no input


class CUT(Method):
    """A GAN with a contrastive loss between the patches of input and output (Park et al. 2020, eq. 5).

    G: A → B, whose first half is the encoder; H projects its features; D_B is the discriminator of domain B.
    """

    discriminator_weight = 0.5

    def __init__(self, config: CUTConfig, size: int, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        check_input_size(config.discriminator, size)
        check_discriminator(config.discriminator, in_channels, out_channels)
        require_equal_channels("CUT", in_channels, out_channels, "compares features of input and output by one encoder")
        if not isinstance(config.generator, ResnetConfig):
            raise ConfigError(
                f"CUT compares features of a resnet's encoder; generator is {config.generator.network!r}. "
                "Use a ResnetConfig."
            )
        self.config = config
        self.discriminator_outputs = config.discriminator.num_outputs()
        self.layers = config.layers()
        self.G = config.generator.build(size, in_channels, out_channels)
        self.H = Projector(_feature_channels(self.G, self.layers), config.nce_dim)
        self.D_B = config.discriminator.build(out_channels)
        self.encode = CallableModule(self.G.features)
        self.translate = CallableModule(self.G.with_features)
        self.adversarial = AdversarialLoss(config.adversarial)
        self.augment = self.adversarial.build_augment()

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.H, self.encode, self.translate], "D": [self.D_B]}

    def translators(self) -> dict[str, nn.Module]:
        return {Direction.A_TO_B: self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def batch_statistics(self) -> list[str]:
        return super().batch_statistics() + self.adversarial.batch_statistics()

    def graph_key(self, step: int) -> Hashable:
        return step < self.config.reconstruction_steps, self.adversarial.graph_key(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        if step < self.config.reconstruction_steps:
            yield "G", {"G/reconstruction": F.l1_loss(self.G(torch.cat(batch)), torch.cat(batch))}
            return
        generator_due = self.adversarial.generator_due(step)
        uses_b = (self.config.nce_identity and self.config.weight_nce > 0) or self.config.weight_identity > 0
        reals = [real_a, real_b] if generator_due and uses_b else [real_a]
        inputs = reals if depends_on_batch(self.G) else [torch.cat(reals)]
        with torch.set_grad_enabled(generator_due):
            outputs = [self._generate(x, len(x) // len(real_a)) for x in inputs]
        fake_b = outputs[0].fakes[: len(real_a)]

        discriminator = AugmentedDiscriminator(self.D_B, self.augment)
        terms = self.adversarial.discriminator(discriminator, real_b, fake_b, step)
        yield "D", {f"D/{name}": term / 2 for name, term in terms.items()}  # halved, as in CycleGAN
        self.adversarial.clip_discriminator(self.D_B)

        if generator_due:
            terms = self.adversarial.generator(discriminator, fake_b, real_b)
            losses = {f"G/{name}": term for name, term in terms.items()}
            if self.config.weight_nce:
                losses |= self._nce_losses(outputs, len(real_a))
            if self.config.weight_identity:
                losses["G/identity"] = self.config.weight_identity * _identity_distance(outputs, real_b)
            if self.config.weight_background:
                source = real_a
                if (flipped := outputs[0].flipped) is not None:
                    source = _flip_where(flipped[: len(real_a)], real_a)
                losses["G/background"] = self.config.weight_background * robust_colour_distance(fake_b, source)
            yield "G", losses

    def _generate(self, images: Tensor, groups: int) -> GeneratorOutput:
        """Translate ``images``, which belong to ``groups`` batches: those of A, then those of B."""
        if self.config.flip_equivariance:
            flipped = coin_flips(images, groups)
            return GeneratorOutput(
                self.run_generator(self.G, _flip_where(flipped, images)), self._keys(images), flipped
            )
        if depends_on_batch(self.G):  # a separate pass for the features, as published
            return GeneratorOutput(self.run_generator(self.G, images), self._keys(images), None)
        fakes, features = self.run_generator(self.translate, images, self.layers)
        return GeneratorOutput(fakes, [x.detach() for x in features], None)

    def _keys(self, images: Tensor) -> list[Tensor]:
        return [x.detach() for x in self.encode(images, self.layers)]

    def _nce_losses(self, outputs: list[GeneratorOutput], batch_size: int) -> dict[str, Tensor]:
        """Return the weighted "G/nce" and, if ``outputs`` include images of B, "G/nce_identity"."""
        if not self.config.nce_identity:
            outputs = [_first(outputs[0], batch_size)]
        parts = torch.cat([self._nce(output, len(output.fakes) // batch_size) for output in outputs]).split(batch_size)
        weight = self.config.weight_nce / len(parts)
        return {name: weight * nce.mean() for name, nce in zip(("G/nce", "G/nce_identity"), parts, strict=False)}

    def _nce(self, output: GeneratorOutput, groups: int) -> Tensor:
        """Return PatchNCE between translations, of ``groups`` batches, and their inputs, mean over the layers: (N,)."""
        features = self.encode(output.fakes, self.layers)
        key_locations = [sample_locations(x, self.config.nce_num_patches, groups) for x in features]
        query_locations = key_locations
        if output.flipped is not None:
            query_locations = [
                torch.where(output.flipped, flip_locations(locations, x.shape[3]), locations)
                for locations, x in zip(key_locations, features, strict=True)
            ]
        with torch.no_grad():
            keys = self.H(output.keys, key_locations)
        queries = self.H(features, query_locations)
        losses = [patch_nce(v, v_plus, self.config.nce_temperature) for v, v_plus in zip(queries, keys, strict=True)]
        return torch.stack(losses).mean(0)

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        real_a, real_b = batch
        G = translators[Direction.A_TO_B]
        return {"input": real_a, "translation": G(real_a), "target": real_b, "its translation": G(real_b)}

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        real_a, real_b = batch
        return [SampleView(direction="translation", output=images["translation"], target=real_b, input=real_a)]


def coin_flips(images: Tensor, groups: int = 1) -> Tensor:
    """Draw True or False with p = ½ for each of ``images`` (N, …), on their device: (N, 1).

    Args:
        images: (N, …).
        groups: batches that the images belong to, see ``i2i.distributed.own_rows``.
    """
    return own_rows(lambda count: torch.rand(count, 1, device=images.device), len(images), groups) < 0.5


def _first(output: GeneratorOutput, count: int) -> GeneratorOutput:
    """Return the part of an output that belongs to the first ``count`` images."""
    flipped = None if output.flipped is None else output.flipped[:count]
    return GeneratorOutput(output.fakes[:count], [x[:count] for x in output.keys], flipped)


def _identity_distance(outputs: list[GeneratorOutput], real_b: Tensor) -> Tensor:
    """Return E‖G(b) − b‖₁ per value; ``outputs`` end with those of ``real_b``, mirrored where b was mirrored."""
    fakes = torch.cat([output.fakes for output in outputs])[-len(real_b) :]
    flips = [output.flipped for output in outputs if output.flipped is not None]
    target = _flip_where(torch.cat(flips)[-len(real_b) :], real_b) if flips else real_b
    return F.l1_loss(fakes, target)


def _flip_where(flipped: Tensor, images: Tensor) -> Tensor:
    """Mirror those of ``images`` (N, C, H, W) for which ``flipped`` (N, 1) is true."""
    return torch.where(flipped[..., None, None], images.flip(3), images)


class CallableModule(nn.Module):
    """Wraps a method of a network as a module without weights, so that it can be compiled like the network.

    Args:
        function: a bound method of the network, which is registered elsewhere.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *args: Any) -> Any:
        return self._function(*args)


def _feature_channels(generator: Resnet, layers: list[int]) -> list[int]:
    """Return the number of channels of each of ``layers``. Raises ConfigError if the generator lacks one of them."""
    channels = generator.feature_channels()
    if layers[-1] >= len(channels):
        raise SettingError(
            f"{{nce_layers}} names layer {layers[-1]}; the encoder and the residual blocks of this generator are "
            f"layers 0 to {len(channels) - 1}. Choose others, or raise --blocks.",
            "nce_layers",
        )
    return [channels[layer] for layer in layers]
