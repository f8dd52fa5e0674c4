"""The metrics: name, unit, which direction is better, and thresholds for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from i2i.errors import UsageError


@dataclass(frozen=True)
class MetricSpec:
    """Name, format and order of a metric.

    Args:
        name: in JSON and in flags.
        title: in tables.
        better: which values are better.
        description: what is measured.
        scale: factor applied for display.
        digits: decimals for display.
        unit: of the scaled value.
    """

    name: str
    title: str
    better: Literal["lower", "higher", "neither"]
    description: str
    scale: float = 1.0
    digits: int = 2
    unit: str = ""

    def format(self, value: float) -> str:
        """Return the scaled value as text, without the unit."""
        text = f"{value * self.scale:.{self.digits}f}"
        return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")

    def is_better(self, a: float, b: float) -> bool:
        """Return whether ``a`` is better than ``b``."""
        return a > b if self.better == "higher" else a < b


METRICS = {
    spec.name: spec
    for spec in (
        MetricSpec("fid", "FID", "lower", "Fréchet distance between the features of all outputs and of all real "
                   "images; biased upwards with few images", digits=1),
        MetricSpec("kid", "KID", "lower", "squared maximum mean discrepancy of the same features; unbiased for any "
                   "number of images, around 0 for two samples of one distribution", scale=1000, unit="×10⁻³"),
        MetricSpec("is", "Inception Score", "higher", "confidence and diversity of the network's labels of the "
                   "outputs"),
        MetricSpec("lpips", "LPIPS", "lower", "perceptual distance between output and target, from the layers of "
                   "AlexNet", digits=3),
        MetricSpec("psnr", "PSNR", "higher", "peak signal-to-noise ratio of output and target", unit="dB"),
        MetricSpec("ssim", "SSIM", "higher", "similarity of output and target in local structure", digits=3),
        MetricSpec("ms_ssim", "MS-SSIM", "higher", "SSIM at five scales", digits=3),
        MetricSpec("change", "Change", "neither", "mean absolute difference of output and input in grey levels of 255; "
                   "near 0 the model returns its input", digits=1, unit="levels"),
        MetricSpec("change_lpips", "Change (LPIPS)", "neither", "perceptual distance between output and input",
                   digits=3),
        MetricSpec("cycle", "Cycle error", "lower", "mean absolute difference of the input and its translation forth "
                   "and back, in grey levels of 255", digits=1, unit="levels"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """A bound on a metric.

    Args:
        metric: its name.
        bound: in the metric's own unit, without ``scale``.
        side: "under" if smaller values fail, "over" if larger values fail.
    """

    metric: str
    bound: float
    side: Literal["under", "over"]

    def fails(self, value: float) -> bool:
        """Return whether ``value`` is beyond the bound. NaN always is."""
        return not (value >= self.bound if self.side == "under" else value <= self.bound)


def parse_thresholds(under: Sequence[str], over: Sequence[str]) -> list[Threshold]:
    """Return the thresholds of the values of ``--fail-under`` and ``--fail-over``, such as "psnr=24".

    Raises:
        UsageError: a value names no metric or no number, or is on the side of better values.
    """
    return [*(_parse_threshold(text, "under") for text in under), *(_parse_threshold(text, "over") for text in over)]


def _parse_threshold(text: str, side: Literal["under", "over"]) -> Threshold:
    name, _, number = text.partition("=")
    spec = METRICS.get(name.strip().replace("-", "_"))
    try:
        bound = float(number)
    except ValueError:
        bound = float("nan")
    if spec is None or bound != bound:
        raise UsageError(
            f"--fail-{side} {text} is no threshold; it must be like psnr=24, with one of {', '.join(METRICS)}."
        )
    better_on_this_side = {"under": "lower", "over": "higher"}[side]
    if spec.better == better_on_this_side:
        other_side = "over" if side == "under" else "under"
        raise UsageError(f"{spec.title} is better when {spec.better}: use --fail-{other_side} {text}.")
    return Threshold(spec.name, bound, side)
