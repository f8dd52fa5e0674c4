"""Checks of size, shape and colour mode of the images."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from i2i.data.audit.inspect import ImageInfo
from i2i.data.audit.report import Finding, format_size, join_some, plural, printable
from i2i.data.audit.snapshot import DatasetSnapshot

DEFAULT_SIZE = 256  # pixels; the default training resolution
MAX_ASPECT_RATIO = 2  # beyond this ratio, stretching to a square distorts the image
CONVERTED_MODES = (
    ("grey", ("1", "L", "LA", "La"), "given three equal channels"),
    ("CMYK, made for print", ("CMYK",), "converted to RGB without their colour profile, so colours shift a little"),
    ("partly transparent", ("RGBA", "LA", "PA", "RGBa", "La"), "blended on white"),
)


def check_appearance(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield the findings on size, shape and colour mode."""
    yield from _small_images(snapshot)
    yield from _colour_modes(snapshot)
    if snapshot.layout is None:
        return
    if snapshot.side_by_side:
        yield from _wrong_pair_shapes(snapshot)
    elif snapshot.layout.kind == "clean":
        if snapshot.needed is None:  # a method that takes photos was chosen for them
            yield from _possibly_side_by_side(snapshot)
    elif snapshot.resize == "stretch":
        yield from _elongated_images(snapshot)
    yield from _different_pair_shapes(snapshot)
    yield from _identical_pairs(snapshot)
    yield from _superres_pairs(snapshot)


def _superres_pairs(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find pairs of different sizes: for super-resolution, or by no factor that i2i learns."""
    assert snapshot.layout is not None
    sizes = snapshot.layout.sizes
    if sizes.scales != (1, 1):
        small, large = ("A", "B") if sizes.scales[1] > 1 else ("B", "A")
        yield Finding(
            level="note",
            text=f"The images {large} are {max(sizes.scales)} times as wide and high as their partners {small}, so a "
            f"training from {small} to {large} learns super-resolution.",
        )
    elif problem := sizes.problem():
        yield Finding(level="error", text=printable(problem))


def suggested_size(snapshot: DatasetSnapshot) -> int | None:
    """Return a training resolution in pixels if most images are below the default, else None.

    The resolution is a power of 2, as U-Nets need it.
    """
    sides = [min(snapshot.input_size(image)) for image in snapshot.training_images().values()]
    if not sides or median(sides) >= DEFAULT_SIZE:
        return None
    return max(32, 1 << (int(median(sides)).bit_length() - 1))


def _small_images(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    training = snapshot.training_images()
    small = {path: image for path, image in training.items() if min(snapshot.input_size(image)) < DEFAULT_SIZE}
    if not small:
        return
    subject = "have halves" if snapshot.side_by_side else "are"
    sizes = {image.size for image in small.values()}
    examples = format_size(sizes.pop()) if len(sizes) == 1 else _join_sizes(snapshot, small)
    size = suggested_size(snapshot)
    yield Finding(
        level="note" if size else "warning",
        text=f"{len(small)} of {len(training)} training images {subject} smaller than {DEFAULT_SIZE} pixels "
        f"({examples}); enlarged to {DEFAULT_SIZE} they are blurred, and the model learns the blur; "
        + (f"train at {size} pixels." if size else "replace or remove them."),
    )


def _colour_modes(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    images = snapshot.images
    found = [
        (name, [path for path, image in images.items() if image.mode in modes], conversion)
        for name, modes, conversion in CONVERTED_MODES
    ]
    is_clean = snapshot.layout is not None and snapshot.layout.kind == "clean"
    if not is_clean:  # images of a domain that are all grey keep their one channel
        grey = {
            path for domain in snapshot.images_by_domain().values() if _is_grey(domain) for path in domain
        }  # fmt: skip
        found[0] = (found[0][0], [path for path in found[0][1] if path not in grey], found[0][2])
    deep = [path for path, image in images.items() if image.samples and image.samples.type not in ("uint8", "int8")]
    found.append(("of more than 8 bits", deep, "scaled to 8 bits" if is_clean else "kept with all bits"))
    for name, paths, conversion in found:
        if paths:
            yield Finding(
                level="note",
                text=f"{plural(len(paths), 'image is', 'images are')} {name} ({snapshot.names(paths)}), "
                f"and will be {conversion}.",
            )


def _is_grey(domain: Mapping[Path, ImageInfo]) -> bool:
    return all(image.header is not None and image.header.channels == 1 for image in domain.values())


def _elongated_images(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    images = {
        path: image
        for path, image in snapshot.training_images().items()
        if max(image.size) > MAX_ASPECT_RATIO * min(image.size)
    }
    if images:
        yield Finding(
            level="warning",
            text=f"{plural(len(images), 'training image has', 'training images have')} an aspect ratio above "
            f"{MAX_ASPECT_RATIO} ({_join_sizes(snapshot, images)}), so stretching to a square distorts the content; "
            "train with `--resize cover`, or crop them.",
        )


def _not_twice_as_wide(snapshot: DatasetSnapshot) -> dict[Path, ImageInfo]:
    return {path: image for path, image in snapshot.images.items() if image.size[0] != 2 * image.size[1]}


def _wrong_pair_shapes(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    images = _not_twice_as_wide(snapshot)
    if images:
        yield Finding(
            level="warning",
            text=f"{plural(len(images), 'side-by-side pair is', 'side-by-side pairs are')} not twice as wide as high "
            f"({_join_sizes(snapshot, images)}), so a cut in the middle may miss the border between the two images; "
            "check that they are pairs.",
        )


def _possibly_side_by_side(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find side-by-side pairs that are taken for single photos because of other images in the folder."""
    others = _not_twice_as_wide(snapshot)
    pairs = len(snapshot.images) - len(others)
    if pairs > len(others) > 0:
        yield Finding(
            level="warning",
            text=f"{pairs} images are twice as wide as high, like side-by-side pairs, but {len(others)} "
            f"{'is' if len(others) == 1 else 'are'} not ({_join_sizes(snapshot, others)}), so all are used as single "
            "photos; if they are pairs, correct or remove the others.",
        )


def _different_pair_shapes(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find pairs whose images have different aspect ratios. Different sizes alone are resized to one size."""
    pairs = []
    for _, _, item in snapshot.items():
        if len(item) == 2 and all(path in snapshot.images for path in item):
            a, b = (snapshot.images[path].size for path in item)
            if abs(a[0] / b[0] - a[1] / b[1]) * max(b) > 1.5:  # more than rounding to whole pixels explains
                names = [snapshot.name(path) for path in item]
                pairs.append(f"{names[0]} {format_size(a)}, {names[1]} {format_size(b)}")
    if pairs:
        yield Finding(
            level="warning",
            text=f"{plural(len(pairs), 'pair has', 'pairs have')} images of different shape ({join_some(pairs)}), so "
            "their contents are not aligned; crop them alike.",
        )


def _identical_pairs(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    if snapshot.layout is None or snapshot.layout.kind != "paired":
        return
    identical = []
    pairs = [item for _, _, item in snapshot.items() if all(path in snapshot.images for path in item)]
    for item in pairs:
        images = [snapshot.images[path] for path in item]
        if not images[0].digest:  # not decoded
            continue
        if images[0].equal_halves if len(images) == 1 else images[0].digest == images[1].digest:
            identical.append(item[0])
    if identical:
        all_identical = len(identical) == len(pairs)
        count = plural(len(identical), "pair consists", "pairs consist")
        yield Finding(
            level="error" if all_identical else "warning",
            text=f"{f'All {count}' if all_identical else count} of the same image twice "
            f"({snapshot.names(identical)}), so the model learns to change nothing; replace them.",
        )


def _join_sizes(snapshot: DatasetSnapshot, images: dict[Path, ImageInfo]) -> str:
    return join_some(f"{snapshot.name(path)} {format_size(image.size)}" for path, image in images.items())
