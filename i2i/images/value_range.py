"""The value range of an image: which sample values are black and white.

A range is stated by the user, declared by the file, or follows from the type of the samples. Types that are used for
several ranges (floats, signed and 32-bit integers) take the range that their values fit into. All files of a dataset
share one range for each type.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from i2i.errors import ArgumentTypeError, UsageError

ValueRange = tuple[float, float]  # the sample values of black and of white
# "int32" stands for all integers of 32 and 64 bits, "float" for floats of 16, 32 and 64 bits.
SampleType = Literal["uint8", "int8", "uint16", "int16", "int32", "float"]
ValueRanges = Mapping[str, ValueRange]  # by sample type; a type that is missing takes the range of each file
SAMPLE_TYPES: tuple[SampleType, ...] = get_args(SampleType)

_LARGEST = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767, "int32": 2**32 - 1, "float": math.inf}
_SIGNED_RANGES: tuple[ValueRange, ...] = ((-128, 127), (-32768, 32767))
OVERSHOOT = 2.0  # floats up to this times white are clipped: resizing and sharpening exceed the range of their input
UNDERSHOOT = 0.5  # floats down to this times white below 0 are clipped too
NARROW = 1 / 8  # values that use at most this part of their range make an image that is nearly of one colour


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """What decides the range of a file.

    Args:
        type: of the samples.
        low: smallest finite value.
        high: largest finite value.
        declared: the range that the file states; None if it states none.
    """

    type: SampleType
    low: float
    high: float
    declared: ValueRange | None = None


def check_value_range(low: float, high: float) -> ValueRange:
    """Return (low, high). Raises UsageError unless both are finite and ``low`` is below ``high``."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            f"--value-range is {low:g} {high:g}; it must be two finite numbers, the value of black below that of "
            "white, such as 0 4095."
        )
    return float(low), float(high)


def stated_ranges(stated: Sequence[float] | None, types: Iterable[str] = SAMPLE_TYPES) -> dict[str, ValueRange]:
    """Return a stated range for each of ``types`` that can hold its upper end; none if no range is stated.

    A range of 0 to 4095 does not apply to 8-bit images, for example.

    Raises: UsageError if the range is not usable.
    """
    if stated is None:
        return {}
    try:
        low, high = (float(value) for value in stated)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"The value range is {stated!r}; it must be two numbers, the values of black and white, such as (0, 4095)."
        ) from error
    low, high = check_value_range(low, high)
    return {type: (low, high) for type in types if high <= _LARGEST[type]}


def common_ranges(summaries: Iterable[SampleSummary]) -> dict[str, ValueRange]:
    """Return the range of each type that occurs in the files of a dataset."""
    by_type: dict[str, list[SampleSummary]] = defaultdict(list)
    for summary in summaries:
        by_type[summary.type].append(summary)
    return {type: _common_range(members) for type, members in by_type.items()}


def _common_range(summaries: Sequence[SampleSummary]) -> ValueRange:
    """Return the range of files of one type: what all declare together, else the one that all values fit into."""
    low = min(summary.low for summary in summaries)
    high = max(summary.high for summary in summaries)
    declared = [summary.declared for summary in summaries if summary.declared is not None]
    if declared:
        common = min(low for low, _ in declared), max(high for _, high in declared)
        if common[0] <= low and high <= common[1] * OVERSHOOT:  # a declaration that the values contradict is wrong
            return common
    return range_of_type(summaries[0].type, low, high)


def range_of_type(type: SampleType, low: float, high: float) -> ValueRange:
    """Return the range of samples without declared range.

    Args:
        type: of the samples.
        low: smallest value.
        high: largest value.
    """
    if type == "float":
        return _float_range(low, high)
    if type.startswith("u"):
        return 0.0, float(_LARGEST[type])
    if low < 0:
        signed = _SIGNED_RANGES if type != "int16" else _SIGNED_RANGES[1:]
        return next(((float(a), float(b)) for a, b in signed if a <= low and high <= b), (low, high))
    whites = {"int8": [127.0], "int16": [255.0, 32767.0], "int32": [255.0, 65535.0]}[type]
    return 0.0, next((white for white in whites if high <= white), high)


def _float_range(low: float, high: float) -> ValueRange:
    for white in (1.0, 255.0):
        if high <= OVERSHOOT * white and low < white:
            if low >= -UNDERSHOOT * min(white, high):  # what resizing adds is small beside the brightest value
                return 0.0, white
            if low >= -OVERSHOOT * white:
                return -white, white
    if low < 0:
        return next(((a, b) for a, b in _SIGNED_RANGES[1:] if a <= low and high <= b), (low, max(high, low + 1)))
    return 0.0, 65535.0 if high <= OVERSHOOT * 65535 else high


def is_narrow(summary: SampleSummary, value_range: ValueRange) -> bool:
    """Return whether the values use so little of the range that the image comes out nearly of one colour.

    An image of a single value is not narrow: it is of one colour in any range.
    """
    low, high = value_range
    if summary.low >= summary.high:
        return False
    if low == 0:
        return summary.high <= NARROW * high  # dark; an image of light greys alone is usual
    return summary.high - summary.low <= NARROW * (high - low)


def exceeds(summary: SampleSummary, value_range: ValueRange) -> bool:
    """Return whether values lie outside of a range. Floats may by as much as resizing and sharpening cause."""
    low, high = value_range
    if summary.type != "float":
        return summary.low < low or summary.high > high
    return summary.low < low - UNDERSHOOT * (high - low) or summary.high > low + OVERSHOOT * (high - low)


def join_summaries(summaries: Sequence[SampleSummary]) -> SampleSummary:
    """Return the summary of all samples of several files of one type."""
    return SampleSummary(
        type=summaries[0].type,
        low=min(summary.low for summary in summaries),
        high=max(summary.high for summary in summaries),
    )


def proposed_range(summary: SampleSummary) -> ValueRange:
    """Return a round range that contains the values: 0 to 4095 for values of 12 bits, for example."""
    if summary.low >= 0 and summary.type != "float" and summary.high > 255:
        return 0.0, float((1 << int(summary.high).bit_length()) - 1)
    low, high = min(0.0, summary.low), summary.high
    if summary.type == "float" and high - low <= 1:
        return low, high
    return float(math.floor(low)), float(math.ceil(high))


def format_range(value_range: ValueRange) -> str:
    """Return a range as the two arguments of ``--value-range``."""
    return " ".join(f"{value:.10g}" for value in value_range)


def summary_to_json(summary: SampleSummary | None) -> list[Any] | None:
    """Return the type and the values of a summary."""
    return None if summary is None else [summary.type, summary.low, summary.high, summary.declared]


def summary_from_json(data: Any) -> SampleSummary | None:
    """Return the summary that ``summary_to_json`` wrote. Raises ValueError or TypeError for anything else."""
    if data is None:
        return None
    type, low, high, declared = data
    if type not in SAMPLE_TYPES:
        raise ValueError(f"{type!r} is no sample type")
    limits = None if declared is None else (float(declared[0]), float(declared[1]))
    return SampleSummary(type=type, low=float(low), high=float(high), declared=limits)


def ranges_to_json(ranges: ValueRanges) -> dict[str, list[float]]:
    return {type: list(value_range) for type, value_range in sorted(ranges.items())}


def ranges_from_json(data: Any) -> dict[str, ValueRange]:
    """Return the ranges that ``ranges_to_json`` wrote. Raises ValueError for anything else."""
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is not a table")
    ranges: dict[str, ValueRange] = {}
    for type, value in data.items():
        if type not in SAMPLE_TYPES or not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError(f"{type!r}: {value!r} is not a sample type with two numbers")
        if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in value):
            raise ValueError(f"{type!r}: {value!r} are not two numbers")
        try:
            ranges[type] = check_value_range(*value)
        except (UsageError, OverflowError) as error:
            raise ValueError(f"{type!r}: {value!r} is not a range") from error
    return ranges
