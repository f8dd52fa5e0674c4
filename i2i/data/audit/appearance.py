"""Sizes, shapes and colour modes of the pictures, and what a training makes of them."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from i2i.data.audit.inspect import Look
from i2i.data.audit.report import Finding, listed, shown, some
from i2i.data.audit.snapshot import Survey

SIZE = 256  # pixels a side, which trainings take unless told otherwise
RATIO = 2  # of the sides, beyond which stretching to a square deforms what is shown
MODES = (
    ("grey", ("1", "L", "LA", "La"), "given three equal channels"),
    ("CMYK, meant for print", ("CMYK",), "turned into RGB without their colour profile, so colours shift a little"),
    ("of more than 8 bits", ("I", "I;16", "I;16B", "I;16L", "I;16N", "F"), "scaled to 8 bits"),
    ("partly transparent", ("RGBA", "LA", "PA", "RGBa", "La"), "laid on white"),
)


def appearance(survey: Survey) -> Iterator[Finding]:
    yield from _small(survey)
    yield from _modes(survey)
    if survey.layout is None:
        return
    if survey.joined:
        yield from _joined(survey)
    elif survey.layout.kind == "clean":
        yield from _half_joined(survey)
    else:
        yield from _long(survey)
    yield from _partners_differ(survey)
    yield from _twins(survey)


def fitting_size(survey: Survey) -> int | None:
    """Pixels a side to train at, a power of 2 as U-Nets want it, where most pictures are too small for the usual."""
    sides = [min(survey.frame(look)) for look in survey.training().values()]
    if not sides or median(sides) >= SIZE:
        return None
    return max(32, 1 << (int(median(sides)).bit_length() - 1))


def _small(survey: Survey) -> Iterator[Finding]:
    training = survey.training()
    small = {path: look for path, look in training.items() if min(survey.frame(look)) < SIZE}
    if not small:
        return
    have = "have halves of" if survey.joined else "have"
    what = f"{len(small)} of {len(training)} training pictures {have} less than {SIZE} pixels a side"
    if len({look.size for look in small.values()}) == 1:
        what += f" ({shown(next(iter(small.values())).size)})"
    else:
        what += f" ({_sized(survey, small)})"
    fitting = fitting_size(survey)
    yield Finding(
        level="note" if fitting else "warning",
        text=f"{what}; enlarged to {SIZE} they are blurred, and the blur is learnt; "
        + (f"train at {fitting} pixels." if fitting else "replace or remove them."),
    )


def _modes(survey: Survey) -> Iterator[Finding]:
    for name, modes, fate in MODES:
        found = [path for path, look in survey.looks.items() if look.mode in modes]
        if found:
            yield Finding(
                level="note",
                text=f"{some(len(found), 'picture is', 'pictures are')} {name} ({survey.names(found)}), "
                f"and will be {fate}.",
            )


def _long(survey: Survey) -> Iterator[Finding]:
    found = {path: look for path, look in survey.training().items() if max(look.size) > RATIO * min(look.size)}
    if found:
        yield Finding(
            level="warning",
            text=f"{some(len(found), 'training picture is', 'training pictures are')} more than twice as long one way "
            f"as the other ({_sized(survey, found)}), and stretching to a square deforms what is shown; "
            "train with `--fit cover`, or crop them.",
        )


def _joined(survey: Survey) -> Iterator[Finding]:
    found = {path: look for path, look in survey.looks.items() if look.size[0] != 2 * look.size[1]}
    if found:
        yield Finding(
            level="warning",
            text=f"{some(len(found), 'side-by-side pair is', 'side-by-side pairs are')} not twice as wide as high "
            f"({_sized(survey, found)}), so cutting in the middle may miss the seam; look whether they are pairs.",
        )


def _half_joined(survey: Survey) -> Iterator[Finding]:
    """Side-by-side pairs among which others keep the folder from being seen as such."""
    others = {path: look for path, look in survey.looks.items() if look.size[0] != 2 * look.size[1]}
    pairs = len(survey.looks) - len(others)
    if pairs > len(others) > 0:
        yield Finding(
            level="warning",
            text=f"{pairs} pictures are twice as wide as high, as side-by-side pairs are, but {len(others)} "
            f"{'is' if len(others) == 1 else 'are'} not ({_sized(survey, others)}), so all are taken as single photos; "
            "if these are pairs, mend or remove the others.",
        )


def _partners_differ(survey: Survey) -> Iterator[Finding]:
    """Partners of another size are brought to one size; only a different shape moves them against each other."""
    found = []
    for _, _, item in survey.items():
        if len(item) == 2 and all(path in survey.looks for path in item):
            a, b = (survey.looks[path].size for path in item)
            if abs(a[0] / b[0] - a[1] / b[1]) * max(b) > 1.5:  # more than rounding to whole pixels explains
                found.append(f"{survey.name(item[0])} {shown(a)}, {survey.name(item[1])} {shown(b)}")
    if found:
        yield Finding(
            level="warning",
            text=f"{some(len(found), 'pair has', 'pairs have')} partners of different shape ({listed(found)}), so what "
            "they show does not lie in the same place; crop them alike.",
        )


def _twins(survey: Survey) -> Iterator[Finding]:
    if survey.layout is None or survey.layout.kind != "paired":
        return
    found = []
    pairs = [item for _, _, item in survey.items() if all(path in survey.looks for path in item)]
    for item in pairs:
        looks = [survey.looks[path] for path in item]
        if looks[0].twins if len(looks) == 1 else looks[0].digest == looks[1].digest:
            found.append(item[0])
    if found:
        every = len(found) == len(pairs)
        yield Finding(
            level="error" if every else "warning",
            text=f"{'All ' if every else ''}{some(len(found), 'pair consists', 'pairs consist')} of the same picture "
            f"twice ({survey.names(found)}), which teaches to change nothing; replace them.",
        )


def _sized(survey: Survey, looks: dict[Path, Look]) -> str:
    return listed(f"{survey.name(path)} {shown(look.size)}" for path, look in looks.items())
