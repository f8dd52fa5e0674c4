"""What an objective is: networks, and the turns in which they are trained."""

from collections.abc import Hashable, Iterator, Mapping

from torch import Tensor, nn

from i2i.diagnostics import View
from i2i.losses.augment import AdaptiveAugment
from i2i.networks import GeneratorConfig, SamplerConfig

Batch = tuple[Tensor, ...]
Turn = tuple[str, dict[str, Tensor]]
Pictures = dict[str, Tensor]


class Objective(nn.Module):
    """Networks and the game they play. The trainer knows no more of a method than this."""

    critic_weight = 1.0  # by what the terms of D are multiplied
    shown = 4  # pictures a domain in the fixed batch that is looked at

    def players(self) -> dict[str, list[nn.Module]]:
        """The modules that move together, by the name under which ``turns`` gives them losses."""
        raise NotImplementedError

    def translators(self) -> dict[str, nn.Module]:
        """What ships: direction ("AtoB", "BtoA") → network."""
        raise NotImplementedError

    def generator_config(self) -> GeneratorConfig | SamplerConfig:
        """How each of the translators is built."""
        raise NotImplementedError

    def draw(self, count: int) -> None:
        """Draw what chance decides on the host, before the turns of a step with ``count`` pictures a domain."""

    def phase(self, step: int) -> Hashable:
        """Steps of one phase play the same turns of the same terms: what was recorded of one replays another."""
        return 0

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """One training step: each yield is a player and the terms ("player/term" → scalar) it minimises.

        The player has moved by the time the next turn is asked for. ``batch``: pictures (N, 3, H, W). Nothing in it
        waits for the device or depends on what the device holds, so that a step can be recorded once and replayed.
        """
        raise NotImplementedError

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        """Title → pictures (N, 3, H, W) that show what ``translators`` make of a fixed batch."""
        raise NotImplementedError

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        """For the training doctor: what each direction has to show in ``shown``, the samples of ``batch``."""
        return []

    def measures(self, batch: Batch, shown: Pictures) -> dict[str, float]:
        """Name → how good ``shown``, the samples of the fixed ``batch``, are; waits for the device."""
        return {}

    def gauges(self) -> dict[str, float]:
        """Name → number worth a place in the log that is no loss; waits for the device."""
        adaptive = ((name, part) for name, part in self.named_modules() if isinstance(part, AdaptiveAugment))
        return {f"{name}/p": float(part.p) for name, part in adaptive}
