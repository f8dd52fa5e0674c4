"""The same picture more than once: in one folder, in two splits, in both domains."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from i2i.data.audit.report import Finding, listed, some
from i2i.data.audit.snapshot import Survey
from i2i.data.layout import SPLITS, Item

BITS = 3  # of 64: 97 % of pictures saved again as JPEG or resized stay within; 64 of 64 hold for half of them only
LEVELS = 4.0  # mean difference of 32x32 thumbnails, of 255: the most that saving again or resizing was seen to do
CROWD = 256  # candidates looked at for one picture, so that the work stays proportional to the number of pictures
MANY = 0.05


@dataclass(frozen=True)
class Entry:
    """An item of a split, seen as a whole: both files of a pair."""

    split: str
    domain: str
    item: Item
    digest: bytes
    dhash: int
    thumbnail: np.ndarray


def copies(survey: Survey) -> Iterator[Finding]:
    entries = list(_entries(survey))
    groups: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.digest].append(entry)
    exact = [group for group in groups.values() if len(group) > 1]
    yield from _both_domains(survey, exact)
    yield from _leaks(survey, exact, entries)
    yield from _repeated(survey, exact, entries)


def _entries(survey: Survey) -> Iterator[Entry]:
    for split, domain, item in survey.items():
        if all(path in survey.looks for path in item):
            looks = [survey.looks[path] for path in item]
            pixels = np.frombuffer(b"".join(look.thumbnail for look in looks), np.uint8).astype(np.int16)
            yield Entry(split, domain, item, b"".join(look.digest for look in looks), looks[0].dhash, pixels)


def _both_domains(survey: Survey, exact: list[list[Entry]]) -> Iterator[Finding]:
    found = []
    for group in exact:
        firsts = {entry.domain: entry for entry in reversed(group)}
        if len(firsts) == 2:
            found.append(_equal(survey, firsts["A"], firsts["B"]))
    if found:
        yield Finding(
            level="warning",
            text=f"{some(len(found), 'picture is', 'pictures are')} in domain A and in domain B alike "
            f"({listed(found)}): they teach the discriminators nothing; take them out of one domain.",
        )


def _leaks(survey: Survey, exact: list[list[Entry]], entries: list[Entry]) -> Iterator[Finding]:
    """Pictures of one domain that are in two splits."""
    found = []
    for group in exact:
        firsts = {(entry.domain, entry.split): entry for entry in reversed(group)}
        ordered = sorted(firsts.values(), key=lambda entry: SPLITS.index(entry.split))
        for one, other in combinations(ordered, 2):
            if one.domain == other.domain:
                found.append(_equal(survey, one, other))
    near = [_equal(survey, one, other, "≈") for one, other in _near(entries)]
    if found or near:
        how = {
            (True, False): "",
            (False, True): ", saved anew or resized",
            (True, True): ", some saved anew or resized",
        }
        yield Finding(
            level="warning",
            text=f"{some(len(found + near), 'picture is', 'pictures are')} in two splits"
            f"{how[bool(found), bool(near)]} ({listed(found + near)}): a model measured on what it was trained on "
            "looks better than it is; take them out of one split.",
        )


def _near(entries: list[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Training pictures and pictures of other splits that are the same to the eye, though not in every pixel.

    Hashes that differ in at most 3 bits agree in one of four 16-bit bands, which is where candidates come from.
    """
    bands: dict[tuple[str, int, int], list[Entry]] = defaultdict(list)
    training = {(entry.domain, entry.digest) for entry in entries if entry.split == "train"}
    for entry in entries:
        if entry.split == "train" and np.ptp(entry.thumbnail) > 4 * LEVELS:  # flat pictures all look alike
            for key in _bands(entry):
                bands[key].append(entry)
    for entry in entries:
        if entry.split == "train" or (entry.domain, entry.digest) in training:
            continue
        candidates = (other for key in _bands(entry) for other in bands.get(key, ())[:CROWD])
        twin = next((other for other in candidates if _alike(entry, other)), None)
        if twin is not None:
            yield twin, entry


def _bands(entry: Entry) -> list[tuple[str, int, int]]:
    return [(entry.domain, band, entry.dhash >> 16 * band & 0xFFFF) for band in range(4)]


def _alike(one: Entry, other: Entry) -> bool:
    if (one.dhash ^ other.dhash).bit_count() > BITS:
        return False
    return float(np.abs(one.thumbnail - other.thumbnail).mean()) <= LEVELS


def _repeated(survey: Survey, exact: list[list[Entry]], entries: list[Entry]) -> Iterator[Finding]:
    """Pictures that are more than once in one domain of one split."""
    found = []
    for group in exact:
        firsts: dict[tuple[str, str], Entry] = {}
        for entry in group:
            first = firsts.setdefault((entry.split, entry.domain), entry)
            if first is not entry:
                found.append(_equal(survey, first, entry))
    if found:
        yield Finding(
            level="warning" if len(found) > MANY * len(entries) else "note",
            text=f"{some(len(found), 'file is an exact copy', 'files are exact copies')} of another in the same "
            f"folder ({listed(found)}), which counts that picture twice; delete the copies.",
        )


def _equal(survey: Survey, one: Entry, other: Entry, sign: str = "=") -> str:
    return f"{survey.name(one.item[0])} {sign} {survey.name(other.item[0])}"
