"""What is asked, and how it is graded."""

from cogitate.tasks.answers import PROGRAM_KINDS, extract_answer, extract_program, has_answer_line
from cogitate.tasks.equality import answer_key, group_answers, same_answer
from cogitate.tasks.grader import Grade, Grader
from cogitate.tasks.graders import (
    AutoGrader,
    ChoiceGrader,
    CodeGrader,
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
    "PROGRAM_KINDS",
    "AutoGrader",
    "ChoiceGrader",
    "CodeGrader",
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
    "extract_program",
    "grader_for",
    "group_answers",
    "has_answer_line",
    "load",
    "same_answer",
]
