"""The default prompts, and the worked examples that small models are shown with them.

Each asks for one marked last line, which `cogitate.agents.parse` reads. The examples were written
by hand for this file; their problems are in no problem set.
"""

from collections.abc import Mapping

from cogitate.agents.prompt import Brief, Passage, Prompt, Shot, Template

__all__ = ["CODE_PROMPTS", "PROMPTS", "SHOTS", "in_steps"]

_SOLVER = "You solve problems carefully and end with a line that begins with Answer:"
_PROGRAMMER = "You write correct Python programs and give the whole program in one block of code."
_PROGRAM = (
    "Give the whole program at the end, in one block that begins with ```python and ends with ```."
)
_CHECKER = "You check solutions carefully."

PROMPTS: Mapping[str, Prompt] = {
    "direct": Template(
        "{problem}\n\nReply with one line and nothing else, in this form:\nAnswer: your answer",
        system="You answer with one line that begins with Answer:",
    ),
    "generate": Template(
        "{problem}\n\n{lessons}Think step by step. Then give the final answer on the last "
        "line, in this form:\nAnswer: your answer",
        system=_SOLVER,
    ),
    "step": Template(
        "{problem}\n\n{lessons}Think step by step, with a blank line between steps. Then give the "
        "final answer on the last line, in this form:\nAnswer: your answer",
        system=_SOLVER,
    ),
    "propose": Template(
        "Problem:\n{problem}\n\n{work}\n\n{lessons}Write {n} different ways to go on from here, "
        "each a single next step on a line of its own. A step that finishes the problem ends with "
        "the final answer, in this form: Answer: your answer",
        system="You propose next steps, one on each line.",
    ),
    "critique": Template(
        "Problem:\n{problem}\n\n{work}\n\nCheck the last solution step by step. Say what is wrong "
        "and how to mend it. The last line must be `Accept: yes` if the answer is right, or "
        "`Accept: no` if it is not.",
        system=_CHECKER,
    ),
    "critique_step": Template(
        "Problem:\n{problem}\n\n{work}\n\nThis is only the beginning of a solution. Check it step "
        "by step. Say what is wrong and how to mend it. The last line must be `Accept: yes` if it "
        "is right so far, or `Accept: no` if it is not.",
        system=_CHECKER,
    ),
    "value": Template(
        "Problem:\n{problem}\n\n{work}\n\nHow likely is it that the final answer is right? Reply "
        "with one line, a number from 0 to 1, in this form:\nScore: 0.5",
        system=_CHECKER,
    ),
    "judge": Template(
        "Problem:\n{problem}\n\n{work}\n\nIs the final answer right? Reply yes or no.",
        system=_CHECKER,
    ),
    "value_step": Template(
        "Problem:\n{problem}\n\n{work}\n\nHow likely is it that this beginning is right and leads "
        "to the right answer? Reply with one line, a number from 0 to 1, in this form:\nScore: 0.5",
        system=_CHECKER,
    ),
    "judge_step": Template(
        "Problem:\n{problem}\n\n{work}\n\nIs this beginning of a solution right so far? "
        "Reply yes or no.",
        system=_CHECKER,
    ),
    "refine": Template(
        "Problem:\n{problem}\n\n{work}\n\nWrite a better solution: mend what the last critique "
        "found, keep what is right. Give the final answer on the last line, in this form:\n"
        "Answer: your answer",
        system=_SOLVER,
    ),
    "polish": Template(
        "Rewrite this problem so that it is clearer and easier to solve. Keep every number, every "
        "condition and the question; leave out what does not matter. Do not solve it.\n\n"
        "{problem}\n\nReply with the rewritten problem only.",
    ),
    "select": Template(
        "Problem:\n{problem}\n\n{work}\n\nWhich of these responses agrees best with the others? "
        "Reply with one line, its number, in this form:\nChoice: 1",
    ),
    "aggregate": Template(
        "Problem:\n{problem}\n\n{work}\n\nCombine these into one better solution. Give the final "
        "answer on the last line, in this form:\nAnswer: your answer",
        system=_SOLVER,
    ),
    "direct_code": Template(
        "{problem}\n\nReply with the whole program and nothing else, in one block that begins with "
        "```python and ends with ```.",
        system=_PROGRAMMER,
    ),
    "generate_code": Template(
        "{problem}\n\n{lessons}Think step by step. " + _PROGRAM, system=_PROGRAMMER
    ),
    "step_code": Template(
        "{problem}\n\n{lessons}Think step by step, with a blank line between steps. " + _PROGRAM,
        system=_PROGRAMMER,
    ),
    "refine_code": Template(
        "Problem:\n{problem}\n\n{work}\n\nWrite a better solution: mend what the last critique "
        "found, keep what is right. " + _PROGRAM,
        system=_PROGRAMMER,
    ),
    "aggregate_code": Template(
        "Problem:\n{problem}\n\n{work}\n\nCombine these into one better solution. " + _PROGRAM,
        system=_PROGRAMMER,
    ),
}
"""Default prompt of each operation."""

CODE_PROMPTS: Mapping[str, str] = {
    name.removesuffix("_code"): name for name in PROMPTS if name.endswith("_code")
}
"""The prompt that takes an operation's place where the answer is a program."""

_EGGS = "A box holds 6 eggs. How many eggs are in 4 boxes if 5 of the eggs are broken and removed?"
_EGGS_RIGHT = "4 boxes hold 4 * 6 = 24 eggs.\n24 - 5 = 19 eggs are left.\nAnswer: 19"
_SUM = "Calculate 38 + 47 - 21."
_SUM_RIGHT = "38 + 47 = 85\n85 - 21 = 64\nAnswer: 64"
_SUM_WRONG = "38 + 47 = 75\n75 - 21 = 54\nAnswer: 54"
_SUM_CRITIQUE = "38 + 47 is 85, not 75. Then 85 - 21 = 64.\nAccept: no"
_EGGS_WRONG = "4 boxes hold 4 * 6 = 24 eggs.\nAnswer: 24"
_EGGS_CRITIQUE = "The 5 broken eggs were not taken away. 24 - 5 = 19.\nAccept: no"


def _solution(problem: str, draft: str) -> Brief:
    return Brief(problem, (Passage("solution", draft),))


def _partial(problem: str, steps: str) -> Brief:
    return Brief(problem, (Passage("partial solution", steps),))


def in_steps(response: str) -> str:
    """Part the lines of a worked example by blank lines: a step ends where one stands."""
    return "\n\n".join(line for line in response.splitlines() if line.strip())


def _criticised(problem: str, draft: str, critique: str) -> Brief:
    return Brief(problem, (Passage("solution", draft), Passage("critique", critique)))


SHOTS: Mapping[str, tuple[Shot, ...]] = {
    "direct": (Shot(Brief(_EGGS), "Answer: 19"), Shot(Brief(_SUM), "Answer: 64")),
    "generate": (Shot(Brief(_EGGS), _EGGS_RIGHT), Shot(Brief(_SUM), _SUM_RIGHT)),
    "step": (Shot(Brief(_EGGS), in_steps(_EGGS_RIGHT)), Shot(Brief(_SUM), in_steps(_SUM_RIGHT))),
    "propose": (
        Shot(Brief(_SUM, n=2), "38 + 47 = 85\n47 - 21 = 26"),
        Shot(
            Brief(_EGGS, (Passage("partial solution", "4 boxes hold 4 * 6 = 24 eggs."),), n=2),
            "24 - 5 = 19 eggs are left. Answer: 19\n5 of the eggs are broken.",
        ),
    ),
    "value_step": (
        Shot(_partial(_SUM, "38 + 47 = 75"), "Score: 0.0"),
        Shot(_partial(_EGGS, "4 boxes hold 4 * 6 = 24 eggs."), "Score: 1.0"),
    ),
    "judge_step": (
        Shot(_partial(_SUM, "38 + 47 = 75"), "no"),
        Shot(_partial(_EGGS, "4 boxes hold 4 * 6 = 24 eggs."), "yes"),
    ),
    "critique": (
        Shot(_solution(_SUM, _SUM_WRONG), _SUM_CRITIQUE),
        Shot(
            _solution(_EGGS, _EGGS_RIGHT), "4 * 6 = 24 is right. 24 - 5 = 19 is right.\nAccept: yes"
        ),
    ),
    "critique_step": (
        Shot(_partial(_SUM, "38 + 47 = 75"), "38 + 47 is 85, not 75.\nAccept: no"),
        Shot(_partial(_EGGS, "4 boxes hold 4 * 6 = 24 eggs."), "4 * 6 = 24 is right.\nAccept: yes"),
    ),
    "value": (
        Shot(_solution(_SUM, _SUM_WRONG), "Score: 0.0"),
        Shot(_solution(_EGGS, _EGGS_RIGHT), "Score: 1.0"),
    ),
    "judge": (
        Shot(_solution(_SUM, _SUM_WRONG), "no"),
        Shot(_solution(_EGGS, _EGGS_RIGHT), "yes"),
    ),
    "refine": (
        Shot(_criticised(_SUM, _SUM_WRONG, _SUM_CRITIQUE), _SUM_RIGHT),
        Shot(_criticised(_EGGS, _EGGS_WRONG, _EGGS_CRITIQUE), _EGGS_RIGHT),
    ),
}
"""Worked examples of each operation, written by hand."""
