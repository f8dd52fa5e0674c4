"""Checks of the dataset's structure: pairs, splits, balance and number of images."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from i2i.data.audit.report import Finding, join_some, plural, printable
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.images.folders import list_images, real_path, subfolders
from i2i.images.stacks import stack_files

MIN_TRAINING_IMAGES = 50  # with fewer images a translator overfits easily
MAX_IMBALANCE = 2  # ratio of the numbers of images of the two domains


def check_structure(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield the findings on pairs, splits, balance and number of images; none if the layout is unknown."""
    if snapshot.layout is None:
        return
    yield from _missing_partners(snapshot)
    yield from _unused_folders(snapshot)
    yield from _possibly_two_domains(snapshot)
    yield from _imbalance(snapshot)
    yield from _few_images(snapshot)
    if snapshot.items_by_domain().keys() == {"train"}:
        yield Finding(
            level="note",
            text="There is no test split, so models can only be evaluated on their training images; "
            "move about a tenth of the images to a test split.",
        )


def _missing_partners(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    if not snapshot.two_folders:
        return
    assert snapshot.layout is not None
    unpaired = list(snapshot.layout.without_partner)
    if any(stack_files(path) for path in snapshot.paths()):
        images = sorted(set(snapshot.paths()))
    else:
        images = [path for folder in snapshot.folders() for path in list_images(folder)]
    stems = Counter(path.with_suffix("") for path in images)
    ambiguous = [path for path in images if stems[path.with_suffix("")] > 1]
    if unpaired:
        yield Finding(
            level="warning",
            text=f"{plural(len(unpaired), 'image has', 'images have')} no partner of the same name in the other "
            f"folder ({snapshot.names(unpaired)}) and will not be used; rename or add the partners.",
        )
    if ambiguous:
        yield Finding(
            level="warning",
            text=f"{len(ambiguous)} images differ from another in the same folder only by their suffix "
            f"({snapshot.names(ambiguous)}); images are paired by name without suffix, so only one of each is used; "
            "rename or remove the others.",
        )


def _unused_folders(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find folders of images that belong to no split, in a layout with folders of its own."""
    layout = snapshot.layout
    if layout is None or layout.title or not layout.folders:
        return
    used = [real_path(folder) for folder in snapshot.folders()]
    if real_path(snapshot.root) in used or _is_synthetic(snapshot.root):
        return
    for folder in _outermost_others(snapshot.root, used):
        images = list_images(folder)
        if images:
            splits = ", ".join(dict.fromkeys(f"{snapshot.name(path)}/" for path in snapshot.folders()))
            yield Finding(
                level="warning",
                text=f"{printable(snapshot.name(folder))}/ holds {plural(len(images), 'image', 'images')} that belong "
                f"to no split and are not used; the images are read from {splits}.",
            )


def _is_synthetic(folder: Path) -> bool:
    """Return whether i2i has drawn a dataset. Such a dataset may have hidden targets and masks beside its splits."""
    if not (folder / "about.json").is_file():
        return False
    from i2i.data.synthetic import synthetic_name  # imports OpenCV, which a training does not need

    return synthetic_name(folder) is not None


def _outermost_others(folder: Path, used: list[Path]) -> Iterator[Path]:
    """Yield the outermost folders in ``folder`` that neither are in ``used`` nor contain one of it."""
    for path in subfolders(folder):
        real = real_path(path)
        if real in used:
            continue
        if any(real in it.parents for it in used):
            yield from _outermost_others(path, used)
        else:
            yield path


def _possibly_two_domains(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Find photos in exactly two folders, which may be two domains."""
    if snapshot.layout is None or snapshot.layout.kind != "clean":
        return
    (base, *_) = snapshot.folders()
    relative = {path.relative_to(base).parts for path in snapshot.paths() if path.is_relative_to(base)}
    folders = sorted({parts[0] for parts in relative if len(parts) > 1})
    if len(folders) == 2 and all(len(parts) > 1 for parts in relative):
        yield Finding(
            level="note",
            text=f"The photos are in two folders ({join_some(folders)}). `i2i train gan` and --task use them as one "
            "set; `i2i train cyclegan` and `cut` take them as two domains, A and B; `i2i train pix2pix` takes files of "
            "equal names as pairs.",
        )


def _imbalance(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    counts = {domain: len(items) for domain, items in snapshot.items_by_domain().get("train", {}).items()}
    if len(counts) == 2 and max(counts.values()) > MAX_IMBALANCE * min(counts.values()):
        large, small = sorted(counts, key=counts.__getitem__, reverse=True)
        names = {domain: printable(snapshot.domain_folder("train", domain)) for domain in counts}
        ratio = f"{counts[large] / counts[small]:.1f}"
        yield Finding(
            level="warning",
            text=f"{names[large]}/ has {counts[large]} images and {names[small]}/ only {counts[small]}; an epoch is "
            f"max(|A|, |B|) = {counts[large]} samples, so it uses each image of {small} about {ratio} times, which "
            f"promotes overfitting; add images to {names[small]}/.",
        )


def _few_images(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    domains = snapshot.items_by_domain().get("train", {})
    few = {domain: len(items) for domain, items in domains.items() if len(items) < MIN_TRAINING_IMAGES}
    if few:
        counts = " and ".join(
            f"{count} {domain}"
            if len(domain) > 1
            else f"{plural(count, 'image', 'images')} in {printable(snapshot.domain_folder('train', domain))}/"
            for domain, count in few.items()
        )
        yield Finding(
            level="note",
            text=f"There are only {counts} for training, so models overfit soon; watch the samples and stop early, or "
            "add images (a few hundred are enough).",
        )
