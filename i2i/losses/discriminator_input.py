"""A discriminator as both sides of the game meet it."""

import torch
from torch import Tensor, nn

from i2i.losses.augment import Augment, augmented

Judgements = Tensor | tuple[Tensor, ...]  # (N, …): one for each picture or patch; a tuple: at each of several scales


def scales(judged: Judgements) -> tuple[Tensor, ...]:
    """The judgements of each scale, of which most discriminators have one."""
    return (judged,) if isinstance(judged, Tensor) else judged


class Judge(nn.Module):
    """``network`` seeing pictures augmented, and beside the condition that they were made from, if there is one.

    Takes pictures (N, 3, H, W), returns the network's judgements. given: (N, 3, H, W), augmented as the pictures are;
    several batches of N in one pass each have it beside them.
    """

    def __init__(self, network: nn.Module, augment: Augment, given: Tensor | None = None) -> None:
        super().__init__()
        self.network, self.augment, self.given = network, augment, given

    def forward(self, pictures: Tensor) -> Judgements:
        seen = self._beside(pictures)
        return self.network(augmented(seen, self.augment.draw(seen)))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Judgements, list[Tensor], list[Tensor]]:
        """Judgements of ``fake``, and the network's activations for it and for ``real``, both augmented alike.

        Those for ``real`` (N, 3, H, W), of which there are as many as fakes, have no gradient.
        """
        made, true = self._beside(fake), self._beside(real)
        draws = self.augment.draw(made)
        judged, activations = self.network.with_features(augmented(made, draws))  # type: ignore[operator]
        with torch.no_grad():
            _, targets = self.network.with_features(augmented(true, draws))  # type: ignore[operator]
        return judged, activations, targets

    def _beside(self, pictures: Tensor) -> Tensor:
        if self.given is None:
            return pictures
        return torch.cat([self.given.repeat(len(pictures) // len(self.given), 1, 1, 1), pictures], 1)
