"""Damage to bytes: flipped bits, cut ends, overwritten ranges."""

import random


def damage(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return damaged bytes, and what was done to them."""
    kind = rng.choice(("bit", "bit", "bit", "cut", "zeros", "noise", "empty", "longer", "repeat"))
    if not data or kind == "empty":
        return b"", "emptied"
    place = rng.randrange(len(data))
    if kind == "bit":
        bit = rng.randrange(8)
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :], f"bit {bit} of byte {place} flipped"
    if kind == "cut":
        return data[:place], f"cut after {place} bytes"
    if kind == "longer":
        more = rng.randbytes(rng.randint(1, 600))
        return data + more, f"{len(more)} random bytes appended"
    end = min(len(data), place + rng.choice((1, 8, 64, 512, 4096)))
    if kind == "repeat":
        return data[:end] + data[place:], f"bytes {place} to {end} repeated"
    filler = bytes(end - place) if kind == "zeros" else rng.randbytes(end - place)
    return data[:place] + filler + data[end:], f"bytes {place} to {end} overwritten by {kind}"
