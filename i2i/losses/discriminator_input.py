"""Discriminator wrapper: concatenates the condition (conditional GAN) and augments the inputs."""

from typing import Any

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
        network: the discriminator; takes (N, C, H, W), with a condition that and the condition's channels.
        augment: samples the augmentation of each batch.
        condition: (N, D, H, W) in [-1, 1], augmented like the images; None for an unconditional GAN. It is repeated
            for an input of several concatenated batches of N images.
    """

    def __init__(self, network: nn.Module, augment: Augment, condition: Tensor | None = None) -> None:
        super().__init__()
        self.network = network
        self.augment = augment
        self.condition = condition

    def forward(self, images: Tensor) -> Logits:
        """Return the logits of augmented ``images`` (N, C, H, W) in [-1, 1]."""
        inputs = self._with_condition(images)
        return self.network(apply_params(inputs, self.augment.sample_params(inputs), self._channels(images)))

    def logits_and_features(self, real: Tensor, fake: Tensor) -> tuple[Logits, list[Tensor], list[Tensor]]:
        """Return the logits of ``fake`` and the network's features of both, with the same augmentation for both.

        Args:
            real: (N, C, H, W) in [-1, 1].
            fake: (N, C, H, W) in [-1, 1].

        Returns: the logits of ``fake``, its features, and the features of ``real``, which have no gradient.
        """
        fake_inputs, real_inputs = self._with_condition(fake), self._with_condition(real)
        params, channels = self.augment.sample_params(fake_inputs), self._channels(fake)
        with_features: Any = self.network.with_features
        logits, fake_features = with_features(apply_params(fake_inputs, params, channels))
        with torch.no_grad():
            _, real_features = with_features(apply_params(real_inputs, params, channels))
        return logits, fake_features, real_features

    def _channels(self, images: Tensor) -> tuple[int, ...]:
        """Return the channels of each image in an input: the condition, if there is one, and the image."""
        return (images.shape[1],) if self.condition is None else (self.condition.shape[1], images.shape[1])

    def _with_condition(self, images: Tensor) -> Tensor:
        """Concatenate the condition before the channels of ``images``: (N, D + C, H, W)."""
        if self.condition is None:
            return images
        return torch.cat([self.condition.repeat(len(images) // len(self.condition), 1, 1, 1), images], 1)
