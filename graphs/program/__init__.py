"""Programs over thoughts: a directed graph of stages, as in Graph of Thoughts."""

from cogitate.graphs.program.carry_out import carry_out, stages
from cogitate.graphs.program.choose import Given, GroundTruth, KeepBest, KeepValid, Part, Score
from cogitate.graphs.program.generic import generic
from cogitate.graphs.program.sorting import halves, nearness, sorting
from cogitate.graphs.program.stage import Measure, Stage, StageOf, Test, Wording
from cogitate.graphs.program.transform import (
    Aggregate,
    Generate,
    Refine,
    Split,
    ValidateAndImprove,
)

__all__ = [
    "Aggregate",
    "Generate",
    "Given",
    "GroundTruth",
    "KeepBest",
    "KeepValid",
    "Measure",
    "Part",
    "Refine",
    "Score",
    "Split",
    "Stage",
    "StageOf",
    "Test",
    "ValidateAndImprove",
    "Wording",
    "carry_out",
    "generic",
    "halves",
    "nearness",
    "sorting",
    "stages",
]
