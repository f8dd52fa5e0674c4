"""What an objective is: networks, and the turns in which they are trained."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from i2i.networks import GeneratorConfig

Batch = tuple[Tensor, ...]
Turn = tuple[str, dict[str, Tensor]]
Pictures = dict[str, Tensor]


class Objective(nn.Module):
    """Networks and the game they play. The trainer knows no more of a method than this."""

    def players(self) -> dict[str, list[nn.Module]]:
        """The modules that move together, by the name under which ``turns`` gives them losses."""
        raise NotImplementedError

    def translators(self) -> dict[str, nn.Module]:
        """What ships: direction ("AtoB", "BtoA") → network."""
        raise NotImplementedError

    def generator_config(self) -> GeneratorConfig:
        """How each of the translators is built."""
        raise NotImplementedError

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """One training step: each yield is a player and the terms ("player/term" → scalar) it minimises.

        The player has moved by the time the next turn is asked for. ``batch``: pictures (N, 3, H, W).
        """
        raise NotImplementedError

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        """Title → pictures (N, 3, H, W) that show what ``translators`` make of a fixed batch."""
        raise NotImplementedError
