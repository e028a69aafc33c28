"""How agents play the Game of 24 step by step, as in Tree of Thoughts (arXiv:2305.10601).

A proposal is one calculation and what it leaves: `4 + 8 = 12 (left: 6 9 12)`. A state is judged by
the numbers left alone, in the paper's words; they are read with the paper's weights: sure 20,
likely 1, impossible 0.001, here divided by 20. Unlike the paper's, the last proposals carry the
answer, so that no further call has to write it.

The worked examples were written by hand. They use numbers above 13, which no puzzle has.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from cogitate.agents.agent import Agent
from cogitate.agents.prompt import Brief, Passage, Shot, Template
from cogitate.agents.reply import Verdict
from cogitate.inference import Message

__all__ = ["game24", "left_over", "parse_likelihood"]

A = TypeVar("A", bound=Agent)

_LEFT = re.compile(r"\bleft:([^)\n]*)", re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:[./][0-9]{1,12})?")
_WORD = re.compile(r"\b(?<!not )(sure|likely|impossible)\b", re.IGNORECASE)
_WEIGHTS = {"sure": 1.0, "likely": 0.05, "impossible": 0.00005}
_MOST_READ = 2_000
"""Characters at the end of a reply in which the verdict is looked for."""


def game24(agent: A) -> A:
    """Return an agent that plays the Game of 24 step by step: a generator, or a verifier.

    Prompts, parsers and worked examples that the agent has already stay as they are.

    Example:
        >>> from cogitate.agents import Generator, Team, Verifier
        >>> team = Team(
        ...     game24(Generator("hf/smollm2-135m")),
        ...     verifier=game24(Verifier("hf/smollm2-135m", method="text", temperature=0.7)),
        ... )
        >>> sorted(team.verifier.prompts)
        ['judge_step', 'propose', 'value', 'value_step']
    """
    return replace(
        agent,
        prompts={
            "propose": _PROPOSE,
            "value_step": _can_they_make_24,
            "judge_step": _can_they,
            "value": _VALUE,
            **agent.prompts,
        },
        parsers={"value": parse_likelihood, **agent.parsers},
        shots={**_SHOTS, **agent.shots},
    )


def parse_likelihood(text: str) -> Verdict:
    r"""Read the last of the words sure, likely and impossible that no "not" stands before.

    Example:
        >>> parse_likelihood("Is 12 likely?\n12 + 12 = 24\nsure"), parse_likelihood("no idea")
        (Verdict(score=1.0), Verdict(score=None))
    """
    words = _WORD.findall(text[-_MOST_READ:])
    return Verdict(_WEIGHTS[words[-1].lower()] if words else None)


def left_over(text: str) -> tuple[str, ...]:
    """Read the numbers left after a step that says so, in order; none where it says aught else.

    Example:
        >>> left_over("4 + 8 = 12 (left: 9 6 12)"), left_over("4 + 8 = 12")
        (('9', '6', '12'), ())
    """
    said = _LEFT.findall(text)
    left = tuple(said[-1].replace(",", " ").split()) if said else ()
    return left if all(map(_NUMBER.fullmatch, left)) else ()


_PROPOSE = Template(
    "{problem}\n\n{work}\n\nWrite {n} different next steps, each on a line of its own. A step "
    "takes two of the numbers that are left, calculates with them, and says which numbers are left "
    "then, in this form:\n15 / 5 = 3 (left: 2 4 3)\nA step that makes 24 of the last two numbers "
    "ends with one expression of all the given numbers, in this form:\n"
    "3 * 8 = 24 (left: 24) Answer: (15 / 5) * (2 * 4)",
    system="You propose next steps, one on each line.",
)
_CAN_THEY = (
    "Can these numbers make 24 with + - * / and brackets, each of them used exactly once?\n"
    "{problem}\n\n"
)
_VALUE_NUMBERS = Template(
    _CAN_THEY + "Try a few ways, one on each line. The last line must be one of these words:\n"
    "sure (a way was found)\nlikely (no way was found, but the numbers are of a fitting size)\n"
    "impossible (they are too big or too small)"
)
_VALUE_STEPS = Template(
    "Problem:\n{problem}\n\n{work}\n\nCan the numbers that are left make 24, each of them used "
    "exactly once? The last line must be one of these words: sure, likely, impossible"
)
_JUDGE_NUMBERS = Template(_CAN_THEY + "Reply yes or no.")
_JUDGE_STEPS = Template(
    "Problem:\n{problem}\n\n{work}\n\nCan the numbers that are left make 24? Reply yes or no."
)
_VALUE = Template(
    "Problem:\n{problem}\n\n{work}\n\nDoes the answer use each given number exactly once and no "
    "other, and make 24? Calculate it. The last line must be one of these words:\n"
    "sure (it does)\nimpossible (it does not)"
)


def _can_they_make_24(brief: Brief, shots: Sequence[Shot] = ()) -> tuple[Message, ...]:
    """Show the numbers left and nothing else."""
    numbers = _numbers(brief)
    return _VALUE_STEPS(brief) if numbers is None else _VALUE_NUMBERS(numbers, shots)


def _can_they(brief: Brief, shots: Sequence[Shot] = ()) -> tuple[Message, ...]:
    numbers = _numbers(brief)
    return _JUDGE_STEPS(brief) if numbers is None else _JUDGE_NUMBERS(numbers, shots)


def _numbers(brief: Brief) -> Brief | None:
    left = left_over(brief.work[-1].text) if brief.work else ()
    return Brief(" ".join(left)) if left else None


def _puzzle(numbers: str, *work: Passage, n: int = 1) -> Brief:
    problem = (
        f"Use the numbers {numbers} and the operations + - * / with brackets to make 24. "
        "Use each number exactly once. Answer with the expression."
    )
    return Brief(problem, work, n=n)


def _solution(expression: str) -> Passage:
    return Passage("solution", f"Answer: {expression}")


_SHOTS: dict[str, tuple[Shot, ...]] = {
    "propose": (
        Shot(
            _puzzle("2 4 5 15", n=3),
            "15 / 5 = 3 (left: 2 4 3)\n2 * 4 = 8 (left: 5 15 8)\n15 + 4 = 19 (left: 2 5 19)",
        ),
        Shot(
            _puzzle(
                "2 3 3 20",
                Passage("partial solution", "20 - 2 = 18 (left: 3 3 18)\n18 + 3 = 21 (left: 3 21)"),
                n=2,
            ),
            "21 + 3 = 24 (left: 24) Answer: 20 - 2 + 3 + 3\n21 / 3 = 7 (left: 7)",
        ),
    ),
    "value_step": (
        Shot(Brief("4 20"), "20 + 4 = 24\nsure"),
        Shot(Brief("1 40"), "40 + 1 = 41\n40 - 1 = 39\n40 / 1 = 40\nimpossible"),
    ),
    "judge_step": (Shot(Brief("4 20"), "yes"), Shot(Brief("1 40"), "no")),
    "value": (
        Shot(
            _puzzle("2 4 5 15", _solution("(15 / 5) * (2 * 4)")),
            "15 / 5 = 3, 2 * 4 = 8, 3 * 8 = 24. It uses 15, 5, 2 and 4, once each.\nsure",
        ),
        Shot(
            _puzzle("2 3 3 20", _solution("20 + 3 + 3")),
            "20 + 3 + 3 = 26, and 2 is not used.\nimpossible",
        ),
    ),
}
