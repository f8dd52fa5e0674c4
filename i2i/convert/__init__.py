"""Convert photos, folders of photos and videos with a translator.

The package is called, with the arguments of the function ``convert`` below, which are those of ``i2i convert``.

>>> import i2i
>>> i2i.convert("identity", "horse.jpg", "result.png", overwrite=True)
<Result: 1 converted, 0 skipped, 0 failed>
"""

import sys

from i2i.convert.api import OutputFormat, Result, convert_jobs, count_frames
from i2i.convert.call import CallableModule, convert
from i2i.convert.pending import ExistingPolicy, pending_jobs
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
