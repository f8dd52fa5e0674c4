"""How good a model is, how sure that is, and compared with what."""

from i2i.evaluate.columns import COLUMNS, Column, Limit, limits
from i2i.evaluate.evaluation import Evaluation, evaluate
from i2i.evaluate.options import Options
from i2i.evaluate.section import Section
from i2i.evaluate.text import text

__all__ = ["COLUMNS", "Column", "Evaluation", "Limit", "Options", "Section", "evaluate", "limits", "text"]
