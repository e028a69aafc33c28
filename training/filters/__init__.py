"""Which rows are left out of a dataset, and why: each filter counts what it drops."""

from cogitate.training.filters.duplicates import NearUnique, Unique
from cogitate.training.filters.held_out import Contamination, ContaminationReport, HeldOut
from cogitate.training.filters.limits import Balance, Length, Perplexity, PerProblem

__all__ = [
    "Balance",
    "Contamination",
    "ContaminationReport",
    "HeldOut",
    "Length",
    "NearUnique",
    "PerProblem",
    "Perplexity",
    "Unique",
]
