"""What is measured: names, units, and which way is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from i2i.errors import UsageError


@dataclass(frozen=True)
class Column:
    """A measure. ``scale`` is what its value is multiplied by where people read it."""

    name: str
    title: str
    better: Literal["less", "more", "neither"]
    says: str
    scale: float = 1.0
    digits: int = 2
    unit: str = ""

    def text(self, value: float) -> str:
        """As it is read, without the unit."""
        text = f"{value * self.scale:.{self.digits}f}"
        return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")

    def beats(self, one: float, other: float) -> bool:
        return one > other if self.better == "more" else one < other


COLUMNS = {
    column.name: column
    for column in (
        Column("fid", "FID", "less", "Fréchet distance of the features of all outputs and all real pictures; rises "
               "where there are few pictures", digits=1),
        Column("kid", "KID", "less", "squared maximum mean discrepancy of the same features; right for any number of "
               "pictures, and around 0 where nothing tells outputs from real pictures", scale=1000, unit="×10⁻³"),
        Column("is", "Inception Score", "more", "how sure and how varied the network's labels of the outputs are"),
        Column("lpips", "LPIPS", "less", "how different output and truth look, by the layers of AlexNet", digits=3),
        Column("psnr", "PSNR", "more", "how close output and truth are, pixel by pixel", unit="dB"),
        Column("ssim", "SSIM", "more", "how alike output and truth are in local structure", digits=3),
        Column("ms_ssim", "MS-SSIM", "more", "the same at five scales", digits=3),
        Column("change", "Change", "neither", "mean difference of output and input in grey levels of 255: where it is "
               "near 0, the input was left alone", digits=1, unit="levels"),
        Column("change_lpips", "Change (LPIPS)", "neither", "how different output and input look", digits=3),
        Column("cycle", "Cycle error", "less", "mean difference of the input and its translation there and back, in "
               "grey levels of 255", digits=1, unit="levels"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """A bound that a model's measure must keep: such as psnr, at least 24."""

    metric: str
    bound: float
    side: Literal["under", "over"]

    def broken_by(self, value: float) -> bool:
        """Whether ``value`` is beyond the bound; what is no number keeps none."""
        return not (value >= self.bound if self.side == "under" else value <= self.bound)


def limits(under: Sequence[str], over: Sequence[str]) -> list[Limit]:
    """The limits of words such as "psnr=24". Raises UsageError for one that names no measure, or no number."""
    return [*(_limit(word, "under") for word in under), *(_limit(word, "over") for word in over)]


def _limit(word: str, side: Literal["under", "over"]) -> Limit:
    name, _, number = word.partition("=")
    column = COLUMNS.get(name.strip().replace("-", "_"))
    try:
        bound = float(number)
    except ValueError:
        bound = float("nan")
    if column is None or bound != bound:
        raise UsageError(f"--fail-{side} {word} is no limit; it must be such as psnr=24, of {', '.join(COLUMNS)}.")
    wrong = {"under": "less", "over": "more"}[side]
    if column.better == wrong:
        other = "over" if side == "under" else "under"
        raise UsageError(f"Of {column.title} {wrong} is better: --fail-{other} {word} is what holds a limit.")
    return Limit(column.name, bound, side)
