"""What is asked, and how it is graded."""

from cogitate.tasks.grader import Grade, Grader
from cogitate.tasks.problem import Example, Problem, ProblemSet

__all__ = ["Example", "Grade", "Grader", "Problem", "ProblemSet"]
