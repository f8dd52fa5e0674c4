"""Names of chains, such as denoise+superres2, and of their members."""

import re

from i2i.directions import Direction
from i2i.errors import UsageError

_OWN_OPTION = re.compile(r"(.+):(AtoB|BtoA|\d+(?:\.\d+)?)", re.DOTALL)


def split_chain(text: str) -> list[str]:
    """Return the members of a chain.

    >>> split_chain("denoise+superres2")
    ['denoise', 'superres2']

    Raises: UsageError if one of them is empty.
    """
    members = text.split("+")
    if not all(member.strip() for member in members):
        raise UsageError(f"{text!r} has an empty model. A chain is two or more models, such as denoise+superres2.")
    return members


def split_member(text: str) -> tuple[str, str | None, float | None]:
    """Return name, direction and strength of a member of a chain, such as "horse2zebra:BtoA" or "denoise:25"."""
    match = _OWN_OPTION.fullmatch(text)
    if match is None:
        return text, None, None
    is_direction = match[2] in list(Direction)
    return match[1], match[2] if is_direction else None, None if is_direction else float(match[2])
