"""A team whose chains are worth imitating: it tries, says what is wrong, and tries anew.

The critic is the base itself. What it is shown changes from round to round, or it would say the
same sentence of everything; numbers stand everywhere in these sentences, so one that only repeats
its prompt is noticed and left out (see `ChainOfActionThought`). The grader says who is wrong: it
chooses what is imitated, as in rejection sampling, and judges nothing else.
"""

from collections.abc import Sequence

import cogitate as cg
from cogitate.agents import Brief, Passage, Shot, Template
from cogitate.agents.prompts import PROMPTS
from cogitate.tasks import Problem, extract_answer

__all__ = ["agents", "is_right"]

CHECKS = (
    (
        ("6 + 7", "6 + 7 = 12\nAnswer: 12", "6 + 7 is 13, not 12."),
        ("9 - 4 + 2", "9 - 4 = 5\nAnswer: 5", "After 9 - 4 = 5 there is still + 2 to do."),
        ("3 - 8", "3 - 8 = 5\nAnswer: 5", "8 is more than 3, so 5 has the wrong sign."),
    ),
    (
        ("8 + 5", "8 + 5 = 14\nAnswer: 14", "Count on from 8: 5 more make 13."),
        ("7 - 2 - 3", "7 - 2 = 5\nAnswer: 5", "I stopped at 5, but 3 must go too."),
        ("2 - 6", "2 - 6 = 4\nAnswer: 4", "2 - 6 goes below 0: the minus is missing."),
    ),
    (
        ("9 + 9 - 1", "9 + 9 = 18\nAnswer: 18", "The - 1 was forgotten after 18."),
        ("4 + 7", "4 + 7 = 10\nAnswer: 10", "Wait: 7 + 4 gives 11."),
        ("1 - 5", "1 - 5 = 6\nAnswer: 6", "That added 5 where it should be taken from 1."),
    ),
)
"""What critics are shown, by round: a sum, a wrong solution of it, and what is wrong."""


def agents(
    model: str, i: int, adapter: str | None, examples: Sequence[cg.tasks.Example]
) -> cg.Team:
    """Who makes chains in a round; another approach is begun without a look at the failed one."""
    anew = PROMPTS["generate"]
    shown = [Shot(Brief(one.prompt), one.response) for one in examples[:2]]
    generator = cg.Generator(
        model,
        adapter=adapter,
        examples=0 if adapter else 2,
        prompts={"step": anew, "explore": anew},
        shots={"step": shown, "explore": shown},
        max_tokens=40,
        temperature=1.0,
    )
    asked = examples[0].prompt.rpartition(":")[0]
    critic = cg.Critic(
        model,
        examples=3,
        prompts={"critique": Template("{problem}\n\n{work}\n\nWhat is wrong?")},
        shots={
            "critique": [
                Shot(Brief(f"{asked}: {sum_} = ", (Passage("solution", tried),)), said)
                for sum_, tried, said in CHECKS[i % len(CHECKS)]
            ]
        },
        stop=("\n",),
        max_tokens=32,
        temperature=0.8,
    )
    return cg.Team(generator, critic, is_right)


def is_right(problem: Problem, text: str) -> float:
    """Say whether a solution is right, and of a step nothing against it."""
    answer = extract_answer(text)
    return float(answer is None or answer.strip() == problem.reference)
