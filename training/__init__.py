"""How they learn: evaluation, harvests, datasets and trainers."""

from cogitate.training.evaluate import Evaluation, aevaluate, evaluate, summarise, table
from cogitate.training.intervals import Interval, wilson

__all__ = [
    "Evaluation",
    "Interval",
    "aevaluate",
    "evaluate",
    "summarise",
    "table",
    "wilson",
]
