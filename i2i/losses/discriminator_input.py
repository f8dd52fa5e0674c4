"""Discriminator wrapper: concatenates the condition (conditional GAN) and augments the inputs."""

import torch
from torch import Tensor, nn

from i2i.losses.augment import Augment, apply_params

Logits = Tensor | tuple[Tensor, ...]  # (N, …), one for each image or patch; a tuple holds one tensor for each scale


def as_scales(logits: Logits) -> tuple[Tensor, ...]:
    """Return the logits as a tuple with one tensor for each scale."""
    return (logits,) if isinstance(logits, Tensor) else logits


class AugmentedDiscriminator(nn.Module):
    """A discriminator network together with its condition and its augmentation.

    Args:
        network: the discriminator; takes (N, 3, H, W), with a condition (N, 6, H, W).
        augment: samples the augmentation of each batch.
        condition: (N, 3, H, W) in [-1, 1], augmented like the images; None for an unconditional GAN. It is repeated
            for an input of several concatenated batches of N images.
    """

    def __init__(self, network: nn.Module, augment: Augment, condition: Tensor | None = None) -> None:
        super().__init__()
        self.network = network
        self.augment = augment
        self.condition = condition

    def forward(self, images: Tensor) -> Logits:
        """Return the logits of augmented ``images`` (N, 3, H, W) in [-1, 1]."""
        inputs = self._with_condition(images)
        return self.network(apply_params(inputs, self.augment.sample_params(inputs)))

    def logits_and_features(self, real: Tensor, fake: Tensor) -> tuple[Logits, list[Tensor], list[Tensor]]:
        """Return the logits of ``fake`` and the network's features of both, with the same augmentation for both.

        Args:
            real: (N, 3, H, W) in [-1, 1].
            fake: (N, 3, H, W) in [-1, 1].

        Returns: the logits of ``fake``, its features, and the features of ``real``, which have no gradient.
        """
        fake_inputs, real_inputs = self._with_condition(fake), self._with_condition(real)
        params = self.augment.sample_params(fake_inputs)
        logits, fake_features = self.network.with_features(apply_params(fake_inputs, params))  # type: ignore[operator]
        with torch.no_grad():
            _, real_features = self.network.with_features(apply_params(real_inputs, params))  # type: ignore[operator]
        return logits, fake_features, real_features

    def _with_condition(self, images: Tensor) -> Tensor:
        """Concatenate the condition before the channels of ``images``: (N, 6, H, W)."""
        if self.condition is None:
            return images
        return torch.cat([self.condition.repeat(len(images) // len(self.condition), 1, 1, 1), images], 1)
