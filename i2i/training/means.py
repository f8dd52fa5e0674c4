"""Means of losses that nobody waits for."""

from collections.abc import Mapping

from torch import Tensor


class Means:
    """Running means of losses, kept on the device so that no step waits for one."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self.last: dict[str, float] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def sums(self) -> dict[str, Tensor]:
        """The sums since the last means were taken."""
        return self._sums

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        self.last = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return self.last
