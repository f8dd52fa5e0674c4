"""Detect the layout of a dataset: a named layout of the table, by its folders, names and sizes.

What the method needs decides where a folder can be read in several ways.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from i2i.data.layout.arrangement import Arrangement, find_arrangement, split_folders
from i2i.data.layout.find import HINT
from i2i.data.layout.near_miss import check_one_folder_deeper, check_one_folder_higher, describe_content, join_names
from i2i.data.layout.pairs import (
    NO_SUFFIXES,
    Suffixes,
    check_suffixes,
    explain_mismatch,
    pair_by_stem,
    pair_in_one_folder,
)
from i2i.data.layout.sizes import are_twice_as_wide, compare_sizes, have_equal_wide_shape
from i2i.data.layout.types import KIND_OF_LAYOUT, SPLITS, Item, Kind, Layout, LayoutName, PairSizes
from i2i.errors import DatasetError
from i2i.images import IMAGE_SUFFIXES
from i2i.images.folders import list_images
from i2i.images.stacks import StackPattern

Splits = dict[str, tuple[Sequence[Item], ...]]
FoldersBySplit = Mapping[str, tuple[Path, Path]]


def detect_layout(
    root: Path,
    needed: Kind | None = None,
    *,
    name: LayoutName = "auto",
    pair_suffixes: Suffixes | None = None,
    stack: StackPattern | None = None,
) -> Layout:
    """Detect how the dataset folder ``root`` is laid out.

    Args:
        root: the folder.
        needed: the kind of data that the method needs. It decides an ambiguous layout; a folder that is clearly of
            another kind is returned as what it is.
        name: a layout to be used instead of detecting one.
        pair_suffixes: ends of the names of A and B in each pair, such as ("_in", "_out"); None for equal names.
        stack: the files that form one image together; None if every file is an image.

    Raises:
        DatasetError: the folder holds no data for training, or not in the layout ``name``.
    """
    suffixes = NO_SUFFIXES
    if pair_suffixes is not None:
        check_suffixes(pair_suffixes)
        suffixes = pair_suffixes
        needed = "paired"
    arrangement = None if name == "side-by-side" else find_arrangement(root)
    if arrangement is None:
        return _one_folder_layout(root, needed, name, suffixes, stack)
    if name == "photos":
        return _photos_of_both(root, arrangement, stack)
    kind = KIND_OF_LAYOUT.get(name) or _kind(arrangement, needed)
    if kind == "clean":
        return _one_folder_layout(root, needed, name, suffixes, stack)
    return two_domain_layout(root, arrangement, kind, name, suffixes, may_be_unpaired=needed is None, stack=stack)


def _kind(arrangement: Arrangement, needed: Kind | None) -> Kind:
    if needed == "clean" or needed is None:  # named folders remain what they are
        return arrangement.kind
    return needed if arrangement.kind in ("paired", "clean") else arrangement.kind


def two_domain_layout(
    root: Path,
    arrangement: Arrangement,
    kind: Kind,
    name: LayoutName = "auto",
    suffixes: Suffixes = NO_SUFFIXES,
    *,
    may_be_unpaired: bool = False,
    title: str = "",
    stack: StackPattern | None = None,
) -> Layout:
    """Return the layout of two domains, each in a folder of its own.

    Args:
        root: the folder that holds all folders.
        arrangement: the folders of A and B.
        kind: "paired" or "unpaired".
        name: "auto", or the stated layout.
        suffixes: ends of the names of A and B in each pair.
        may_be_unpaired: whether the data are taken as unpaired if no names agree.
        title: short name of the dataset.
        stack: the files that form one image together.

    Raises:
        DatasetError: there are no images, or no pairs.
    """
    if kind == "unpaired":
        return _unpaired(root, arrangement, title, stack)
    pairs = {split: pair_by_stem(*folders, suffixes, stack) for split, folders in arrangement.splits.items()}
    splits: Splits = {split: (items,) for split, (items, _) in pairs.items() if items}
    without_partner = [path for _, paths in pairs.values() for path in paths]
    if "train" not in splits:
        a, b = arrangement.splits["train"]
        reason, is_near_miss = explain_mismatch(a, b, suffixes, stack)
        if may_be_unpaired and not is_near_miss and list_images(a, stack) and list_images(b, stack):
            return _unpaired(root, arrangement, title, stack)
        raise DatasetError(
            f"{root}: no file of {a.name}/ has a partner of the same name in {b.name}/: {reason}. {HINT}"
        )
    sizes = PairSizes() if name == "pairs" else compare_sizes(splits["train"][0])
    if name == "superres" and sizes.scales == (1, 1):
        problem = sizes.problem() or sizes.problem(target=0) or "The images of the pairs are of equal size."
        raise DatasetError(f"{root} is no super-resolution set. {problem}")
    if (
        sizes.scales[0] > 1 and arrangement.kind == "clean"
    ):  # no names say which is which: the small images are the inputs
        return two_domain_layout(root, arrangement.swapped(), kind, name, suffixes, title=title, stack=stack)
    is_superres = sizes.scales != (1, 1)
    words = f"{arrangement}, paired by name"
    if suffixes != NO_SUFFIXES:
        words += f" with {suffixes[0] or 'no end'} and {suffixes[1] or 'no end'}"
    if is_superres:
        words += f", one image {max(sizes.scales)} times as large as the other"
    folders = {split: arrangement.splits[split] for split in splits}
    name = "superres" if is_superres else "pairs"
    return Layout(
        root, "paired", words, splits, name=name, folders=folders, sizes=sizes, without_partner=without_partner,
        title=title,
    )  # fmt: skip


def _unpaired(root: Path, arrangement: Arrangement, title: str, stack: StackPattern | None) -> Layout:
    splits: Splits = {}
    for split, folders in arrangement.splits.items():
        images = [list_images(folder, stack) for folder in folders]
        if split == "train":
            for folder, paths in zip(folders, images, strict=True):
                if not paths:
                    raise DatasetError(
                        f"{folder} holds no images ({describe_content(folder)}). It needs {_suffixes()} files. {HINT}"
                    )
        if all(images):
            splits[split] = tuple([(path,) for path in paths] for paths in images)
    folders_of = {split: arrangement.splits[split] for split in splits}
    return Layout(root, "unpaired", str(arrangement), splits, "unpaired", folders_of, title=title)


def _photos_of_both(root: Path, arrangement: Arrangement, stack: StackPattern | None) -> Layout:
    """Return the photos in the folders of two domains as one set."""
    splits: Splits = {}
    for split, (a, b) in arrangement.splits.items():
        if items := [(path,) for folder in (a, b) for path in list_images(folder, stack)]:
            splits[split] = (items,)
    if "train" not in splits:
        raise DatasetError(f"{root} holds no images for training in {arrangement}. {HINT}")
    folders = {split: arrangement.splits[split] for split in splits}
    return Layout(root, "clean", f"photos in {arrangement}", splits, "photos", folders)


def _one_folder_layout(
    root: Path, needed: Kind | None, name: LayoutName, suffixes: Suffixes, stack: StackPattern | None
) -> Layout:
    """Return the layout of side-by-side pairs, of clean photos, or of pairs in one folder by their suffixes."""
    if name != "photos":
        check_one_folder_deeper(root)
        if needed != "clean":
            check_one_folder_higher(root)
    folders, files = _files_by_split(root, stack)
    if not files.get("train"):
        folder = folders.get("train", root)
        raise DatasetError(
            f"{folder} holds no images ({describe_content(folder)}). Unpaired data needs trainA/ and trainB/, paired "
            f"data train/ with side-by-side pairs (or A/ and B/); images are {_suffixes()} files. {HINT}"
        )
    if name in ("auto", "pairs", "superres") and suffixes != NO_SUFFIXES:
        return _pairs_in_one_folder(root, folders, files, name, suffixes)
    if name in ("unpaired", "pairs", "superres"):
        raise DatasetError(
            f"{root} has no folders of two domains ({describe_content(root)}); --layout {name} needs two folders of "
            f"images, such as A/ and B/. {HINT}"
        )
    is_paired = name == "side-by-side" or (name == "auto" and _are_side_by_side(files["train"], needed))
    source = "side-by-side pairs" if is_paired else "photos"
    if "train" in folders:
        source += f" in {folders['train'].name}/"
    splits: Splits = {split: ([(path,) for path in paths],) for split, paths in files.items() if paths}
    used = {split: (folders.get(split, root),) for split in splits}
    if is_paired:
        return Layout(root, "paired", source, splits, "side-by-side", used)
    return Layout(root, "clean", source, splits, "photos", used)


def _are_side_by_side(files: Sequence[Path], needed: Kind | None) -> bool:
    """Return whether files hold both images of a pair. A method for photos takes none for a pair."""
    if needed == "clean":
        return False
    return are_twice_as_wide(files) or (needed == "paired" and have_equal_wide_shape(files))


def _files_by_split(root: Path, stack: StackPattern | None) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Return the folders and the images of the splits.

    Without a folder train, all images outside of val and test are training images.
    """
    folders = split_folders(root)
    if "train" in folders:
        folders = {split: folders[split] for split in SPLITS if split in folders}
        return folders, {split: list_images(folder, stack) for split, folder in folders.items()}
    images = list_images(root, stack)
    held_out = {split: list_images(folders[split], stack) for split in SPLITS if split in folders}
    others = sorted(set(images) - {path for paths in held_out.values() for path in paths})
    if not others:  # a folder of photos that happen to be in a folder test
        return {}, {"train": images}
    return {split: folders[split] for split in held_out}, {"train": others, **held_out}


def _pairs_in_one_folder(
    root: Path,
    folders: Mapping[str, Path],
    files: Mapping[str, Sequence[Path]],
    name: LayoutName,
    suffixes: Suffixes,
) -> Layout:
    splits: Splits = {}
    without_partner: list[Path] = []
    for split, paths in files.items():
        pairs, others = pair_in_one_folder(folders.get(split, root), paths, suffixes)
        without_partner += others
        if pairs:
            splits[split] = (pairs,)
    if "train" not in splits:
        names = join_names([path.relative_to(root).as_posix() for path in files["train"]])
        raise DatasetError(
            f"{root} has no two images whose names differ only by {suffixes[0] or 'no end'} and "
            f"{suffixes[1] or 'no end'} (it has {names}). Give the ends of the names by --pair-suffixes, without the "
            f"file's suffix. {HINT}"
        )
    sizes = PairSizes() if name == "pairs" else compare_sizes(splits["train"][0])
    words = f"pairs in one folder, by {suffixes[0] or 'no end'} and {suffixes[1] or 'no end'}"
    used = {split: (folders.get(split, root),) for split in splits}
    name = "pairs" if sizes.scales == (1, 1) else "superres"
    return Layout(root, "paired", words, splits, name=name, folders=used, sizes=sizes, without_partner=without_partner)


def _suffixes() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
