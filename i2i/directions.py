"""Directions of translation between the two domains, A and B, of a dataset."""

from enum import StrEnum

SAMPLE = "sample"  # in the place of a direction: the generator of images from noise


class Direction(StrEnum):
    """A direction of translation. Files, flags and JSON hold its value, such as "AtoB"."""

    A_TO_B = "AtoB"
    B_TO_A = "BtoA"

    @property
    def source(self) -> str:
        """The letter of the input domain."""
        return self.value[0]

    @property
    def target(self) -> str:
        """The letter of the output domain."""
        return self.value[-1]

    @property
    def source_index(self) -> int:
        """The index of the input domain, where A comes first."""
        return "AB".index(self.source)

    @property
    def target_index(self) -> int:
        """The index of the output domain, where A comes first."""
        return "AB".index(self.target)

    @property
    def reverse(self) -> "Direction":
        """The opposite direction."""
        return Direction.B_TO_A if self is Direction.A_TO_B else Direction.A_TO_B

    @property
    def label(self) -> str:
        """The direction in words, such as "A to B"."""
        return f"{self.source} to {self.target}"


def describe_direction(name: str) -> str:
    """Return the label of a direction or of SAMPLE, for people; any other name is returned as it is."""
    if name in list(Direction):
        return Direction(name).label
    return "Images from noise" if name == SAMPLE else name
