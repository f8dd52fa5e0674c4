"""The pixel formats of a dataset: channels, type and value range of each domain, found from its files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from i2i.data.layout import Layout
from i2i.data.value_ranges import DomainRanges, files_of_domains
from i2i.errors import DatasetError, ImageError
from i2i.images.channels import ChannelHeader, read_channel_header
from i2i.images.label_classes import LabelClasses
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats, PixelFormat, default_range
from i2i.images.sample_types import DTYPES, count_channels
from i2i.images.value_range import ValueRanges

_WIDTH = {dtype: position for position, dtype in enumerate(DTYPES)}  # of several types of a domain, the last is kept
WantedChannels = tuple[int | None, int | None]  # of the domains A and B; None to find them


def dataset_formats(
    layout: Layout, wanted: WantedChannels = (None, None), labels: LabelClasses | None = None
) -> DomainFormats:
    """Return the formats of a dataset's two domains, by the headers of all files, with the ranges of their types.

    Pictures are RGB if some are in colour and others grey, and if they are grey and three channels are wanted. All
    other files of a domain have one number of channels. Alpha counts only where it is wanted: 4 for RGBA.

    Args:
        layout: the dataset.
        wanted: channels of A and of B, as the user states them.
        labels: the classes of the images A, if these are label maps.

    Raises:
        DatasetError: files of a domain differ in their channels, do not have those that are wanted, or are no label
            maps where these are needed.
    """
    files = files_of_domains(layout)
    headers = [_read_headers(paths) for paths in files]
    if labels is not None:
        return label_format(layout, labels, headers[0]), _domain_format(headers[1], wanted[1], "the images B", layout)
    if layout.kind == "paired" and not files[1]:  # side by side: both images of a pair in one file
        headers[1] = headers[0]
    a, b = (
        _domain_format(domain_headers, count, f"the images {name}", layout)
        for domain_headers, count, name in zip(headers, wanted, "AB", strict=True)
    )
    return (a, b) if layout.kind != "clean" else (a, a)


def domain_format(layout: Layout, domain: int, wanted: int | None = None, wanted_by: str = "") -> PixelFormat:
    """Return the format of one domain of a dataset, as ``dataset_formats`` finds it.

    Args:
        layout: the dataset.
        domain: 0 for A, 1 for B.
        wanted: channels; None to find them.
        wanted_by: what wants them, as the start of a sentence.

    Raises:
        DatasetError: files differ in their channels, or do not have those that are wanted.
    """
    headers = _read_headers(files_of_domains(layout)[domain])
    return _domain_format(headers, wanted, f"the images {'AB'[domain]}", layout, wanted_by)


def with_ranges(formats: DomainFormats, ranges: DomainRanges) -> DomainFormats:
    """Return formats with the value ranges of a dataset, see ``dataset_ranges``.

    Args:
        formats: of A and B.
        ranges: black and white of A and B by sample type; a type that is missing has its largest range.
    """
    a, b = (_with_range(format, limits) for format, limits in zip(formats, ranges, strict=True))
    return a, b


def _with_range(format: PixelFormat, ranges: ValueRanges) -> PixelFormat:
    if format.is_rgb8 or format.labels is not None:
        return format
    return replace(format, value_range=ranges.get(format.type) or default_range(format.type))


def check_rgb(layout: Layout, purpose: str) -> DomainFormats:
    """Return the format of pictures. Raises DatasetError if files of a dataset are none.

    Args:
        layout: the dataset.
        purpose: what needs pictures, such as "--task denoise".
    """
    for paths in files_of_domains(layout):
        odd = {path: header for path, header in _read_headers(paths).items() if header.channels not in (1, 3)}
        if odd:
            path, header = next(iter(odd.items()))
            raise DatasetError(
                f"{purpose} needs pictures, grey or RGB; {_names(odd, layout)} of {len(paths)} have other channels "
                f"({layout.relative_name(path)} has {header.channels}). Train pix2pix, regression, cyclegan or cut "
                "without a task on images of other channels."
            )
    return RGB_FORMATS


def label_format(layout: Layout, classes: LabelClasses, headers: Mapping[Path, ChannelHeader]) -> PixelFormat:
    """Return the format of the label maps A, with the palette of their files.

    Args:
        layout: the dataset, of pairs in two files each.
        classes: their classes.
        headers: of the files A.

    Raises:
        DatasetError: the pairs are side by side in one file, files can be no label maps, or palettes differ.
    """
    if len(layout.splits["train"][0][0]) == 1:
        raise DatasetError(
            f"{layout.root} holds both images of a pair in one file ({layout.source}), and label maps need files of "
            "their own: put them into A/ and the images into B/."
        )
    for path, header in headers.items():
        if not header.is_indexed and (header.channels != 1 or header.dtype.startswith("float")):
            raise DatasetError(
                f"--labels needs label maps as images A: an image with a palette, or class ids in a grey image; "
                f"{layout.relative_name(path)} has {count_channels(header.channels)} of {header.dtype}."
            )
    palettes = {path: header.palette for path, header in headers.items() if header.palette}
    longest = max(palettes.values(), key=len, default=())
    classes = replace(classes, palette=longest[: classes.count])
    for path, palette in palettes.items():
        try:
            classes.check_palette(palette, layout.relative_name(path))
        except ImageError as error:
            raise DatasetError(str(error)) from error
    return PixelFormat.of_labels(classes)


def _read_headers(paths: Iterable[Path]) -> dict[Path, ChannelHeader]:
    """Return the header of each file. Files that cannot be read are left out; they are reported when they are read."""
    headers = {}
    for path in paths:
        try:
            headers[path] = read_channel_header(path)
        except (ImageError, OSError):
            continue
    return headers


def _domain_format(
    headers: Mapping[Path, ChannelHeader], wanted: int | None, domain: str, layout: Layout, wanted_by: str = ""
) -> PixelFormat:
    if not headers:
        return RGB_FORMATS[0]
    count = wanted or _common_count(headers, domain, layout)
    misfits = {path: header for path, header in headers.items() if not _can_give(header, count)}
    if misfits:
        path, header = next(iter(misfits.items()))
        alpha = f" and alpha, so {header.channels + 1} with it" if header.alpha else ""
        needs = wanted_by or f"{count_channels(count)} {'is' if count == 1 else 'are'} stated for {domain}"
        advice = (
            f"Give images of {count_channels(count)}."
            if wanted_by
            else "Leave --in-channels and --out-channels out to find the channels from the files."
        )
        raise DatasetError(
            f"{needs}, and {_names(misfits, layout)} of {len(headers)} cannot give that: "
            f"{layout.relative_name(path)} has {count_channels(header.channels)}{alpha}. {advice}"
        )
    dtypes = {header.dtype for header in headers.values()}
    first = next(iter(headers.values()))
    with_alpha = all(header.alpha and header.channels + 1 == count for header in headers.values())
    return PixelFormat(
        channels=count,
        dtype=max(dtypes, key=lambda dtype: _WIDTH[dtype]),
        bands=first.bands if len(first.bands) == count else (),
        alpha=with_alpha,
    )


def _can_give(header: ChannelHeader, count: int) -> bool:
    with_alpha = header.channels + header.alpha
    return count in (header.channels, with_alpha) or (header.channels, count) == (1, 3)


def _common_count(headers: Mapping[Path, ChannelHeader], domain: str, layout: Layout) -> int:
    """Return the channels of all files of a domain. Raises DatasetError if they differ, other than grey and RGB."""
    counts = Counter(header.channels for header in headers.values())
    if counts.keys() <= {1, 3}:
        return max(counts)
    if len(counts) == 1:
        return next(iter(counts))
    parts = []
    for count, number in sorted(counts.items()):
        members = [path for path, header in headers.items() if header.channels == count]
        files = "1 file has" if number == 1 else f"{number} files have"
        parts.append(f"{files} {count_channels(count)} ({_names(members, layout)})")
    raise DatasetError(
        f"Files of {domain} differ in their channels: {'; '.join(parts)}. All files of a domain must have the same "
        "channels. Remove or convert the others."
    )


def _names(paths: Iterable[Path], layout: Layout) -> str:
    names = [layout.relative_name(path) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
