"""The base class of the methods: networks, and the turns in which they are trained."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from i2i.diagnostics import SampleView
from i2i.images import to_uint8
from i2i.losses.augment import AdaptiveAugment
from i2i.metrics.paired import psnr
from i2i.networks import GeneratorConfig, NoiseGeneratorConfig
from i2i.networks.batching import batch_statistics
from i2i.networks.checkpointing import recompute

Batch = tuple[Tensor, ...]  # (N, C, H, W) in [-1, 1] for each domain
Turn = tuple[str, dict[str, Tensor]]  # a player and the losses that it minimises: "player/term" → scalar
ImageDict = dict[str, Tensor]  # title → (N, C, H, W) in [-1, 1]


class Method(nn.Module):
    """A training method. The trainer knows nothing else about it.

    A method is a game of players, such as G and D (Goodfellow et al. 2014). In each training step the players move in
    turns: a turn is one optimizer step on the networks of one player.

    Attributes:
        recompute_generators: whether ``run_generator`` keeps the inputs only. The train step sets it where it splits a
            batch: the graphs of all parts would wait for the next turn.
    """

    recompute_generators = False

    discriminator_weight = 1.0  # factor of the terms of D
    discriminator_outputs = 1  # logit maps of a discriminator, whose losses are added up
    num_samples = 4  # images of each domain in the fixed batch for samples

    def players(self) -> dict[str, list[nn.Module]]:
        """Return player → the modules that its optimizer trains. The names are those that ``turns`` yields."""
        raise NotImplementedError

    def translators(self) -> dict[str, nn.Module]:
        """Return direction ("AtoB", "BtoA") → the network that the model file will hold."""
        raise NotImplementedError

    def generator_config(self) -> GeneratorConfig | NoiseGeneratorConfig:
        """Return the config from which each of the translators is built."""
        raise NotImplementedError

    def prepare_step(self, count: int) -> None:
        """Draw the random numbers that come from the host. Called before the turns of each step.

        Args:
            count: images of each domain in the batch of the step.
        """

    def run_generator(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Return ``function(*inputs)``, a pass through the generator whose gradient is computed in a later turn."""
        if not self.recompute_generators:
            return function(*inputs)
        return recompute(nn.ModuleList(self.translators().values()), function, *inputs)

    def batch_statistics(self) -> list[str]:
        """Return the names of layers and losses for which the result of an image depends on its batch."""
        return batch_statistics(nn.ModuleList(module for modules in self.players().values() for module in modules))

    def graph_key(self, step: int) -> Hashable:
        """Return a key of the turns of a step. Steps of one key have the same turns with the same terms.

        A CUDA graph captured in a step is replayed in the other steps of its key.
        """
        return 0

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """Run one training step. Each yield is a player and the losses that it minimises.

        A loss is the mean over the images of the batch: the train step may split a batch, run the turns of its parts
        side by side, and add up their gradients before a player's optimizer step.

        When the iterator is resumed, the player has made its optimizer step. The code must not synchronise with the
        device (``.item()``), nor depend on values on the device, so that a step can be captured and replayed.

        Args:
            batch: images (N, C, H, W) in [-1, 1] of each domain, which may differ in C.
            step: index of the training step, from 0.
        """
        raise NotImplementedError

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        """Return the columns of a sample grid: title → images (N, C, H, W) in [-1, 1].

        Args:
            batch: the fixed batch of ``num_samples`` images of each domain.
            translators: direction → network, as in ``translators``, with the weights to sample from.
        """
        raise NotImplementedError

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        """Return what the training doctor examines of each direction.

        Args:
            batch: the fixed batch.
            images: the result of ``sample_images`` for this batch.
            translators: the networks that made ``images``.
        """
        return []

    def metrics(self, batch: Batch, images: ImageDict) -> dict[str, float]:
        """Return name → quality of ``images``, the result of ``sample_images``. Synchronises with the device."""
        return {}

    def log_scalars(self) -> dict[str, float]:
        """Return name → number to log besides the losses. Synchronises with the device."""
        augmentations = (item for item in self.named_modules() if isinstance(item[1], AdaptiveAugment))
        return {f"{name}/p": float(augment.p) for name, augment in augmentations}


def mean_psnr(images: ImageDict, titles: Sequence[str], target: Tensor) -> dict[str, float]:
    """Return "psnr/TITLE" → PSNR in dB, mean over the images; titles whose images have another shape are left out.

    Args:
        images: title → (N, C, H, W) in [-1, 1].
        titles: of the images to measure.
        target: (N, C, H, W) in [-1, 1].
    """
    reference = to_uint8(target)
    return {
        f"psnr/{title}": float(psnr(to_uint8(images[title]), reference).mean())
        for title in titles
        if images[title].shape == target.shape
    }
