"""Programmatic graders: nothing here asks a model, and only a sandbox runs an answer."""

from cogitate.tasks.graders.by_kind import AutoGrader, grader_for, kind_of
from cogitate.tasks.graders.code import CodeGrader
from cogitate.tasks.graders.exact import ChoiceGrader, ExactGrader, NumericGrader, SortingGrader
from cogitate.tasks.graders.game24 import Game24Grader
from cogitate.tasks.graders.math import MathGrader
from cogitate.tasks.graders.reasoning_gym import ReasoningGymGrader

__all__ = [
    "AutoGrader",
    "ChoiceGrader",
    "CodeGrader",
    "ExactGrader",
    "Game24Grader",
    "MathGrader",
    "NumericGrader",
    "ReasoningGymGrader",
    "SortingGrader",
    "grader_for",
    "kind_of",
]
