"""Checks for duplicate images: in one folder, in two splits, in both domains."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from i2i.data.audit.report import Finding, join_some, plural
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.layout import SPLITS, Item

# Two images are near duplicates if their hashes differ in at most MAX_HASH_DISTANCE of 64 bits and their 32x32
# thumbnails by at most MAX_THUMBNAIL_DIFFERENCE of 255 grey levels on average. Of images that were recompressed as
# JPEG or resized, 97 % stay within 3 bits (only half of them keep all 64); 4 levels was the largest difference seen.
MAX_HASH_DISTANCE = 3
MAX_THUMBNAIL_DIFFERENCE = 4.0
MAX_CANDIDATES = 256  # compared with one image, so that the time stays proportional to the number of images
WARNING_SHARE = 0.05  # share of exact copies from which on they are a warning


@dataclass(frozen=True)
class Entry:
    """An item of a split. Digest and thumbnail cover both files of a pair."""

    split: str
    domain: str
    item: Item
    digest: bytes
    dhash: int
    thumbnail: np.ndarray


def check_duplicates(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield the findings on images that occur more than once."""
    entries = list(_entries(snapshot))
    by_digest: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_digest[entry.digest].append(entry)
    groups = [group for group in by_digest.values() if len(group) > 1]
    yield from _in_both_domains(snapshot, groups)
    yield from _in_two_splits(snapshot, groups, entries)
    yield from _repeated(snapshot, groups, entries)


def _entries(snapshot: DatasetSnapshot) -> Iterator[Entry]:
    for split, domain, item in snapshot.items():
        if all(path in snapshot.images for path in item):
            images = [snapshot.images[path] for path in item]
            pixels = np.frombuffer(b"".join(image.thumbnail for image in images), np.uint8).astype(np.int16)
            digest = b"".join(image.digest for image in images)
            yield Entry(split, domain, item, digest, images[0].dhash, pixels)


def _in_both_domains(snapshot: DatasetSnapshot, groups: list[list[Entry]]) -> Iterator[Finding]:
    duplicates = []
    for group in groups:
        first_of_domain = {entry.domain: entry for entry in reversed(group)}
        if len(first_of_domain) == 2:
            duplicates.append(_format_match(snapshot, first_of_domain["A"], first_of_domain["B"]))
    if duplicates:
        yield Finding(
            level="warning",
            text=f"{plural(len(duplicates), 'image is', 'images are')} in domain A and in domain B "
            f"({join_some(duplicates)}); the discriminators cannot learn from them; remove them from one domain.",
        )


def _in_two_splits(snapshot: DatasetSnapshot, groups: list[list[Entry]], entries: list[Entry]) -> Iterator[Finding]:
    exact = []
    for group in groups:
        first = {(entry.domain, entry.split): entry for entry in reversed(group)}
        ordered = sorted(first.values(), key=lambda entry: SPLITS.index(entry.split))
        for a, b in combinations(ordered, 2):
            if a.domain == b.domain:
                exact.append(_format_match(snapshot, a, b))
    near = [_format_match(snapshot, a, b, "≈") for a, b in _near_duplicates(entries)]
    if exact or near:
        copies = ""
        if near:
            copies = ", some recompressed or resized" if exact else ", recompressed or resized"
        yield Finding(
            level="warning",
            text=f"{plural(len(exact + near), 'image is', 'images are')} in two splits{copies} "
            f"({join_some(exact + near)}); evaluation on training images overestimates the quality of a model; remove "
            "them from one split.",
        )


def _near_duplicates(entries: list[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Yield (training item, item of another split) that look equal but differ in some pixels.

    Hashes that differ in at most 3 bits agree in at least one of four 16-bit bands. The items that share a band are
    the candidates.
    """
    training: dict[tuple[str, int, int], list[Entry]] = defaultdict(list)
    training_digests = {(entry.domain, entry.digest) for entry in entries if entry.split == "train"}
    for entry in entries:
        # Nearly uniform images all look alike.
        if entry.split == "train" and np.ptp(entry.thumbnail) > 4 * MAX_THUMBNAIL_DIFFERENCE:
            for key in _hash_bands(entry):
                training[key].append(entry)
    for entry in entries:
        if entry.split == "train" or (entry.domain, entry.digest) in training_digests:
            continue
        candidates = (a for key in _hash_bands(entry) for a in training.get(key, ())[:MAX_CANDIDATES])
        match = next((candidate for candidate in candidates if _are_near(entry, candidate)), None)
        if match is not None:
            yield match, entry


def _hash_bands(entry: Entry) -> list[tuple[str, int, int]]:
    return [(entry.domain, band, entry.dhash >> 16 * band & 0xFFFF) for band in range(4)]


def _are_near(a: Entry, b: Entry) -> bool:
    if (a.dhash ^ b.dhash).bit_count() > MAX_HASH_DISTANCE:
        return False
    return float(np.abs(a.thumbnail - b.thumbnail).mean()) <= MAX_THUMBNAIL_DIFFERENCE


def _repeated(snapshot: DatasetSnapshot, groups: list[list[Entry]], entries: list[Entry]) -> Iterator[Finding]:
    """Find images that occur more than once in one domain of one split."""
    copies = []
    for group in groups:
        originals: dict[tuple[str, str], Entry] = {}
        for entry in group:
            original = originals.setdefault((entry.split, entry.domain), entry)
            if original is not entry:
                copies.append(_format_match(snapshot, original, entry))
    if copies:
        yield Finding(
            level="warning" if len(copies) > WARNING_SHARE * len(entries) else "note",
            text=f"{plural(len(copies), 'file is an exact copy', 'files are exact copies')} of another in the same "
            f"folder ({join_some(copies)}), which gives that image double weight; delete the copies.",
        )


def _format_match(snapshot: DatasetSnapshot, a: Entry, b: Entry, sign: str = "=") -> str:
    return f"{snapshot.name(a.item[0])} {sign} {snapshot.name(b.item[0])}"
