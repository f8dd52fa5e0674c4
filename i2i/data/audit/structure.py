"""How many pictures lie where: partners, splits, balance."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from i2i.data.audit.report import Finding, listed, plain, some
from i2i.data.audit.snapshot import Survey
from i2i.data.layout import SPLITS, match_stems, pictures

FEW = 50  # training pictures, below which a translator easily learns them by heart
BALANCE = 2


def arrangement(survey: Survey) -> Iterator[Finding]:
    if survey.layout is None:
        return
    yield from _partners(survey)
    yield from _unused(survey)
    yield from _two_kinds(survey)
    yield from _balance(survey)
    yield from _few(survey)
    if survey.parts().keys() == {"train"}:
        yield Finding(
            level="note",
            text="There is no test split, so a training can only be judged on what it was trained on; "
            "put about a tenth of the pictures aside as a test split.",
        )


def _partners(survey: Survey) -> Iterator[Finding]:
    if not survey.two_folders:
        return
    alone: list[Path] = []
    double: list[Path] = []
    for split in survey.parts():
        a, b = survey.partners(split)
        alone += match_stems(a, b)[1]
        for folder in (a, b):
            found = pictures(folder)
            stems = Counter(path.with_suffix("") for path in found)
            double += [path for path in found if stems[path.with_suffix("")] > 1]
    if alone:
        yield Finding(
            level="warning",
            text=f"{some(len(alone), 'picture has', 'pictures have')} no partner of the same name in the other folder "
            f"({survey.names(alone)}) and will not be used; rename or add the partners.",
        )
    if double:
        yield Finding(
            level="warning",
            text=f"{len(double)} pictures differ from another in the same folder only by their ending "
            f"({survey.names(double)}), and one of each is left out; pairs are told by name, so rename or remove them.",
        )


def _unused(survey: Survey) -> Iterator[Finding]:
    """Folders that are called like a split and are none."""
    used = {survey.name(path).split("/")[0] for path in survey.paths()}
    for folder in sorted(path for path in survey.root.iterdir() if path.is_dir() and path.name not in used):
        if folder.name.lower().startswith(SPLITS) and (held := pictures(folder)):
            unpaired = survey.layout is not None and survey.layout.kind == "unpaired"
            wanted = "trainA/ and trainB/, testA/ and testB/" if unpaired else "train/, val/ and test/"
            inner = " (with A/ and B/ in each)" if survey.two_folders else ""
            yield Finding(
                level="warning",
                text=f"{plain(folder.name)}/ holds {some(len(held), 'picture', 'pictures')} that no split takes; "
                f"in this layout splits are {wanted}{inner}.",
            )


def _two_kinds(survey: Survey) -> Iterator[Finding]:
    """Photos in exactly two folders may be two kinds of picture."""
    if survey.layout is None or survey.layout.kind != "clean":
        return
    (base, *_) = survey.folders()
    inner = {path.relative_to(base).parts for path in survey.paths() if path.is_relative_to(base)}
    tops = sorted({parts[0] for parts in inner if len(parts) > 1})
    if len(tops) == 2 and all(len(parts) > 1 for parts in inner):
        yield Finding(
            level="note",
            text=f"The photos lie in two folders ({listed(tops)}) and are taken as one set; if they are two kinds of "
            "picture to translate between, call the folders trainA and trainB.",
        )


def _balance(survey: Survey) -> Iterator[Finding]:
    counts = {domain: len(items) for domain, items in survey.parts().get("train", {}).items()}
    if len(counts) == 2 and max(counts.values()) > BALANCE * min(counts.values()):
        large, small = sorted(counts, key=counts.__getitem__, reverse=True)
        times = f"{counts[large] / counts[small]:.1f}"
        yield Finding(
            level="warning",
            text=f"train{large}/ has {counts[large]} pictures and train{small}/ only {counts[small]}; an epoch is "
            f"max(|A|, |B|) = {counts[large]} samples, so in it each picture of {small} is seen about {times} times "
            f"and may be learnt by heart; add pictures to train{small}/.",
        )


def _few(survey: Survey) -> Iterator[Finding]:
    few = {domain: len(items) for domain, items in survey.parts().get("train", {}).items() if len(items) < FEW}
    if few:
        what = " and ".join(
            f"{count} {domain}" if len(domain) > 1 else f"{some(count, 'picture', 'pictures')} in train{domain}/"
            for domain, count in few.items()
        )
        yield Finding(
            level="note",
            text=f"There are only {what} to train on, which are soon learnt by heart; watch the samples and stop "
            "early, or gather more (a few hundred serve well).",
        )
