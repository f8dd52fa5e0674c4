"""Convert folders of images and videos with a translator."""

from i2i.convert.api import (
    ExistingPolicy,
    OutputFormat,
    Result,
    convert,
    convert_jobs,
    count_frames,
    pending_jobs,
)
from i2i.convert.plan import Job, Plan, make_plan

__all__ = [
    "ExistingPolicy",
    "Job",
    "OutputFormat",
    "Plan",
    "Result",
    "convert",
    "convert_jobs",
    "count_frames",
    "make_plan",
    "pending_jobs",
]
