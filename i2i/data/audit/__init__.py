"""Looks at every picture of a dataset before a training does, and says what is wrong with it and what suits it."""

import shlex
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from i2i.data.audit.appearance import appearance, fitting_size
from i2i.data.audit.duplicates import copies
from i2i.data.audit.files import files
from i2i.data.audit.inspect import look_at
from i2i.data.audit.report import Finding, Report, Sizes, plain
from i2i.data.audit.snapshot import Survey
from i2i.data.audit.structure import arrangement
from i2i.data.layout import HINT, layout, pictures
from i2i.errors import DatasetError, I2IError

__all__ = ["Finding", "Report", "Sizes", "audit"]

LEVELS = ("error", "warning", "note")
SCARCE = 500  # training pictures; the low-shot sets of DiffAugment have 100 to 389 (Zhao et al. 2020)


def audit(root: Path, *, progress: Callable[[int, int], None] | None = None) -> Report:
    """Every picture under ``root`` decoded once, and what there is to say about them.

    progress: told (pictures read, pictures in all). Raises DatasetError where ``root`` is no folder; whatever is
    wrong inside it is a finding.
    """
    if not root.is_dir():
        raise DatasetError(f"There is no folder {root}. {HINT}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on broken EXIF and huge pictures
        return _report(root, progress)


def _report(root: Path, progress: Callable[[int, int], None] | None) -> Report:
    findings: list[Finding] = []
    try:
        found = layout(root)
    except Exception as error:  # as in look(): to tell the layout, headers of pictures are read
        found = None
        text = str(error).removesuffix(HINT).strip()  # they have just asked to have it checked
        if not isinstance(error, I2IError):
            text = f"The layout of {root} cannot be told: {text}."
        findings.append(Finding(level="error", text=plain(text)))
    paths = sorted(set(Survey(root, found).paths())) if found else pictures(root)
    survey = Survey(root, found, *look_at(paths, progress))
    for check in (files, arrangement, appearance, copies):
        findings += check(survey)
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    return Report(
        root=root,
        kind=found.kind if found else None,
        source=found.source if found else "",
        counts={split: {name: len(items) for name, items in parts.items()} for split, parts in survey.parts().items()},
        sizes=_sizes(survey),
        modes=Counter(look.mode for look in survey.looks.values()),
        findings=findings,
        advice=_advice(survey, any(finding.level == "error" for finding in findings)),
    )


def _sizes(survey: Survey) -> dict[str, dict[str, Sizes]]:
    found = {
        split: {name: [survey.looks[path].size for path in paths if path in survey.looks] for name, paths in of.items()}
        for split, of in survey.domains().items()
    }
    return {split: {name: Sizes.of(sizes) for name, sizes in of.items() if sizes} for split, of in found.items()}


def _advice(survey: Survey, wrong: bool) -> str:
    """The training that suits the folder."""
    first = "Once the errors above are put right: " if wrong else ""
    if survey.layout is None:
        return (
            "Lay the pictures out as trainA/ and trainB/ (two kinds of picture), as train/ with side-by-side pairs, "
            "as A/ and B/ with pairs of the same name, or as one folder of photos; then check again."
        )
    if survey.layout.kind == "clean":
        photos = shlex.quote(plain(str(survey.root)))
        return (
            f"{first}the folder holds clean photos. `i2i train regression --data {photos} --task denoise` learns from "
            "them to undo noise, and other tasks other damage (`i2i degrade --help` lists them); "
            f"`i2i train gan --data {photos}` learns to paint more of their kind. "
            "For translation a second kind of picture is needed: these in trainA/, the others in trainB/."
        )
    size = fitting_size(survey)
    data = shlex.quote(plain(str(survey.root))) + (f" --size {size}" if size else "")
    if survey.layout.kind == "unpaired":
        return (
            f"{first}`i2i train cyclegan --data {data}` learns A to B and B to A at once; `i2i train cut` one of them, "
            f"faster.{_augmentation(survey)}"
        )
    a, b = ("A/", "B/") if survey.two_folders else ("the left half", "the right")
    return (
        f"{first}`i2i train pix2pix --data {data}` learns to turn A ({a}) into B ({b}); "
        f"`--direction BtoA` learns the way back.{_augmentation(survey)}"
    )


def _augmentation(survey: Survey) -> str:
    """What helps a discriminator that sees the same few pictures again and again."""
    fewest = min((len(items) for items in survey.parts().get("train", {}).values()), default=0)
    if not 0 < fewest < SCARCE:
        return ""
    return f" With so few pictures ({fewest}), `--augment diffaugment` keeps D from learning them by heart."
