"""What is asked, and how it is graded."""

from cogitate.tasks.answers import extract_answer, has_answer_line
from cogitate.tasks.equality import answer_key, group_answers, same_answer
from cogitate.tasks.grader import Grade, Grader
from cogitate.tasks.graders import (
    AutoGrader,
    ChoiceGrader,
    ExactGrader,
    Game24Grader,
    MathGrader,
    NumericGrader,
    ReasoningGymGrader,
    SortingGrader,
    grader_for,
)
from cogitate.tasks.load import load
from cogitate.tasks.problem import Example, Problem, ProblemSet

__all__ = [
    "AutoGrader",
    "ChoiceGrader",
    "ExactGrader",
    "Example",
    "Game24Grader",
    "Grade",
    "Grader",
    "MathGrader",
    "NumericGrader",
    "Problem",
    "ProblemSet",
    "ReasoningGymGrader",
    "SortingGrader",
    "answer_key",
    "extract_answer",
    "grader_for",
    "group_answers",
    "has_answer_line",
    "load",
    "same_answer",
]
