"""Convert photos, folders of photos and videos with a translator.

The package can be called, with the arguments of ``i2i convert``: see ``i2i.convert.call.convert``.

>>> import i2i
>>> i2i.convert("identity", "horse.jpg", "result.png", overwrite=True)
<Result: 1 converted, 0 skipped, 0 failed>
"""

import sys

from i2i.convert.api import (
    ExistingPolicy,
    OutputFormat,
    Result,
    convert,
    convert_jobs,
    count_frames,
    pending_jobs,
)
from i2i.convert.call import CallableModule
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

sys.modules[__name__].__class__ = CallableModule  # as in "Customizing module attribute access" of Python's reference
