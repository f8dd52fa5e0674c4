"""How good a model is, how sure that is, and compared with what.

What computes is loaded when it is first asked for: the page of the demo reads votes and columns without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from i2i.evaluation.metric_specs import COLUMNS, Column, Limit, limits

if TYPE_CHECKING:
    from i2i.evaluation.direction import Section
    from i2i.evaluation.evaluate import Evaluation, evaluate
    from i2i.evaluation.options import Options
    from i2i.evaluation.text_report import text

__all__ = ["COLUMNS", "Column", "Evaluation", "Limit", "Options", "Section", "evaluate", "limits", "text"]
_LATER = {
    "Evaluation": "evaluation", "evaluate": "evaluation", "Options": "options", "Section": "section", "text": "wording",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
