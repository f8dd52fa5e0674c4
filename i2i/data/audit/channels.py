"""Checks of channels and depth: what the images hold, what a training makes of it, and which flags suit."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from i2i.data.audit.inspect import ImageInfo
from i2i.data.audit.report import Finding, printable
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.pixel_formats import dataset_formats
from i2i.errors import DatasetError
from i2i.images.channels import ChannelHeader
from i2i.images.sample_types import count_channels
from i2i.images.value_range import (
    SampleSummary,
    ValueRanges,
    common_ranges,
    format_range,
    is_narrow,
    join_summaries,
    stated_ranges,
)

_IGNORED = 255  # the id of pixels that belong to no class, in most datasets
MAX_CLASS_ID = 64  # values above are levels of grey and no class ids


def check_channels(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield the findings on channels and depth of each domain."""
    domains = snapshot.images_by_domain()
    ranges = common_ranges(image.samples for images in domains.values() for image in images.values() if image.samples)
    for name, images in domains.items():
        headers = {path: image.header for path, image in images.items() if image.header is not None}
        yield from _other_channels(name, headers, snapshot)
        yield from _alpha(name, headers, domains)
        yield from _mixed_types(name, images, snapshot)
        yield from _value_range(name, images, snapshot, ranges)
        yield from _class_ids(name, images, snapshot)
    yield from _mixed_channels(snapshot)


def has_pictures(snapshot: DatasetSnapshot) -> bool:
    """Return whether images are grey or RGB, or no header is known."""
    headers = [image.header for image in snapshot.images.values() if image.header is not None]
    return not headers or any(header.channels in (1, 3) for header in headers)


def _subject(name: str) -> str:
    return f"The images {name}" if name else "The images"


def _other_channels(name: str, headers: Mapping[Path, ChannelHeader], snapshot: DatasetSnapshot) -> Iterator[Finding]:
    counts = {header.channels for header in headers.values()}
    if not counts or counts <= {1, 3} or len(counts) > 1:
        return
    header = next(iter(headers.values()))
    named = f" ({printable(', '.join(header.bands))})" if header.bands else ""
    yield Finding(
        level="note",
        text=f"{_subject(name)} have {count_channels(header.channels)} of {header.dtype}{named}. pix2pix, regression, "
        "cyclegan and cut (of equal channels) learn from all of them; restoration tasks and gan need grey or RGB. FID, "
        "KID and LPIPS compare their pictures (`i2i docs channels`).",
    )


def _alpha(
    name: str, headers: Mapping[Path, ChannelHeader], domains: Mapping[str, Mapping[Path, ImageInfo]]
) -> Iterator[Finding]:
    if not headers or not all(header.alpha for header in headers.values()):
        return
    channels = {header.channels for header in headers.values()}
    if len(channels) > 1:
        return
    (count,) = channels
    flag = "--out-channels" if name == "B" else "--in-channels"
    both = f"`{flag} {count + 1}`" if name else f"`--in-channels {count + 1} --out-channels {count + 1}`"
    kind = "RGBA" if count == 3 else f"{count} channel{'s' if count > 1 else ''} and alpha"
    yield Finding(
        level="note",
        text=f"{_subject(name)} are {kind}. Alpha is blended on white, which leaves {count} "
        f"channel{'s' if count > 1 else ''}; {both} learns it as a further channel.",
    )


def _mixed_types(name: str, images: Mapping[Path, ImageInfo], snapshot: DatasetSnapshot) -> Iterator[Finding]:
    by_type: dict[str, list[Path]] = defaultdict(list)
    for path, image in images.items():
        if image.header is not None:
            by_type[image.header.dtype].append(path)
    if len(by_type) < 2:
        return
    parts = "; ".join(f"{len(paths)} of {dtype} ({snapshot.names(paths)})" for dtype, paths in sorted(by_type.items()))
    yield Finding(
        level="note",
        text=f"{_subject(name)} have different depths: {parts}. Each type is scaled from its own range to black and "
        "white. If equal numbers mean equal values in all of them, convert them to one type.",
    )


def _value_range(
    name: str, images: Mapping[Path, ImageInfo], snapshot: DatasetSnapshot, ranges: ValueRanges
) -> Iterator[Finding]:
    """Say which values become black and white, for types whose values decide it, and for signed ones."""
    by_type: dict[str, list[SampleSummary]] = defaultdict(list)
    for image in images.values():
        if image.samples is not None and image.samples.type not in ("uint8", "uint16"):
            by_type[image.samples.type].append(image.samples)
    stated = stated_ranges(snapshot.value_range)
    for type, summaries in by_type.items():
        limits = stated.get(type) or ranges[type]
        together = join_summaries(summaries)
        if is_narrow(together, limits) and type not in stated:
            continue  # a warning names the flag
        low, high = format_range((together.low, together.high)).split()
        black, white = format_range(limits).split()
        source = "as stated" if type in stated else "`--value-range` states others"
        beyond = together.low < limits[0] or together.high > limits[1]
        clipped = ", and values beyond are clipped" if beyond else ""
        yield Finding(
            level="note",
            text=f"{_subject(name)} hold {type} values from {low} to {high}; {black} is read as black and {white} as "
            f"white{clipped} ({source}).",
        )


def _class_ids(name: str, images: Mapping[Path, ImageInfo], snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find images of one channel with few small integers, or of a palette."""
    ids = {path: image for path, image in images.items() if holds_class_ids(image)}
    if not ids or len(ids) < len(images):
        return
    count = max(image.num_values or 0 for image in ids.values())
    indexed = all(image.header is not None and image.header.is_indexed for image in ids.values())
    kind = "colours of a palette" if indexed else "different values"
    classes = {value for image in ids.values() for value in image.class_ids}
    ignored = " --ignore-label 255" if 255 in classes else ""
    flags = f"`--labels {max(2, max(classes - {_IGNORED}) + 1)}{ignored}`"
    yield Finding(
        level="note",
        text=f"{_subject(name)} hold at most {count} {kind} each ({snapshot.names(ids)}): class ids? They are read as "
        "levels, and resizing and results mix neighbouring ids. As targets, give each class a colour of its own; as "
        f"inputs of pix2pix or regression, the images A, {flags} gives each class a channel of its own.",
    )


def holds_class_ids(image: ImageInfo) -> bool:
    """Return whether an image has two classes or more, with small ids; 255 often marks pixels of no class."""
    if image.num_values is None:
        return False
    classes = set(image.class_ids) - {_IGNORED}
    return len(classes) > 1 and min(classes) >= 0 and max(classes) < MAX_CLASS_ID


def _mixed_channels(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    if snapshot.layout is None:
        return
    try:
        dataset_formats(snapshot.layout)
    except DatasetError as error:
        yield Finding(level="error", text=printable(str(error)))
