"""Advice of an audit: the training commands that suit a dataset."""

from i2i.data.audit.appearance import suggested_size
from i2i.data.audit.channels import has_pictures
from i2i.data.audit.report import printable
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.source import DataSource

AUGMENTATION_THRESHOLD = 500  # training images; DiffAugment's low-shot datasets have 100 to 389 (Zhao et al. 2020)


def training_advice(snapshot: DatasetSnapshot, source: DataSource, *, has_errors: bool) -> str:
    """Return the training commands that suit the dataset, in sentences.

    Args:
        snapshot: the dataset.
        source: where it is, as the flags of a command name it.
        has_errors: whether the audit found errors, which are to be fixed before.
    """
    if snapshot.layout is None:
        return (
            "Arrange the images as trainA/ and trainB/ (two domains), as train/ with side-by-side pairs, "
            "as A/ and B/ with pairs of the same name, or as one folder of photos; then check again. "
            "`i2i docs data` shows all layouts."
        )
    place = printable(source.flags())
    size = suggested_size(snapshot)
    data = place + (f" --size {size}" if size else "")
    if snapshot.layout.kind == "clean":
        advice = _advice_for_one_set(snapshot, place)
    elif snapshot.layout.kind == "unpaired":
        advice = (
            f"`i2i train cyclegan {data}` learns A to B and B to A at once; `i2i train cut` learns one "
            f"direction, faster.{_augmentation_advice(snapshot)}"
        )
    else:
        advice = _advice_for_pairs(snapshot, data)
    return f"After fixing the errors above: {advice}" if has_errors else advice


def _advice_for_one_set(snapshot: DatasetSnapshot, place: str) -> str:
    """Return the trainings that need one set of images. ``place``: the flags that name the dataset."""
    if not has_pictures(snapshot):
        return (
            "the folder holds one set of images. Restoration tasks and gan take grey and RGB, and not these. "
            "Translation needs a second domain: put these images in trainA/ and the others in trainB/, or pairs of "
            "equal names in A/ and B/."
        )
    return (
        f"the folder holds clean photos. `i2i train regression {place} --task denoise` trains "
        "denoising on them, and other tasks other restorations (`i2i degrade --help` lists them); "
        f"`i2i train gan {place}` trains a generator of such images. "
        "Translation needs a second domain: put these images in trainA/, the others in trainB/."
    )


def _advice_for_pairs(snapshot: DatasetSnapshot, data: str) -> str:
    """Return the trainings on pairs. ``data``: the flags that name the dataset, and its training size."""
    assert snapshot.layout is not None
    scales = snapshot.layout.sizes.scales
    if scales != (1, 1):
        direction = " --direction BtoA" if scales[0] > 1 else ""
        return (
            f"`i2i train regression {data}{direction}` learns super-resolution ×{max(scales)}; `i2i train "
            f"pix2pix {data}{direction} --recipe restore` learns sharper and less faithful results."
        )
    a, b = "the left half", "the right half"
    if len(folders := snapshot.layout.folders.get("train", ())) == 2:
        a, b = (f"{printable(snapshot.name(folder))}/" for folder in folders)
    return (
        f"`i2i train pix2pix {data}` learns to translate A ({a}) to B ({b}); "
        f"`--direction BtoA` learns the reverse.{_augmentation_advice(snapshot)}"
    )


def _augmentation_advice(snapshot: DatasetSnapshot) -> str:
    """Return a hint to augmentation for a small dataset, else an empty text."""
    smallest = min((len(items) for items in snapshot.items_by_domain().get("train", {}).values()), default=0)
    if not 0 < smallest < AUGMENTATION_THRESHOLD:
        return ""
    return f" With so few images ({smallest}), `--augment diffaugment` reduces overfitting of the discriminator."
