"""A team whose chains are worth imitating: it tries, says what is wrong, and tries anew.

The critic is the base itself. What it is shown changes from round to round, or it would say the
same sentence of everything; what only repeats its prompt is noticed and left out (see
`ChainOfActionThought`). The grader says who is wrong: it chooses what is imitated, as in rejection
sampling, and judges nothing else.
"""

import cogitate as cg
from cogitate.agents import Brief, Passage, Shot, Template
from cogitate.agents.prompts import PROMPTS
from cogitate.tasks import Problem, extract_answer

__all__ = ["ASK", "QUESTIONS", "agents", "is_right"]

ASK = Template("{problem}", system="Try, check, and try again.")
"""How the tuned model is asked for a chain; a short prompt is trained sooner than a long one."""

QUESTIONS = "reasoning_gym/needle_haystack?min_num_statements=3&max_num_statements=6"
"""For `cogitate.tasks.load`, but for their number and their seed: who of a few does something."""

CHECKS = (
    (
        (
            "Ann fancies tea. Bob loathes chess. Cid enjoys vans. \nWho loathes chess?",
            "Answer: Ann",
            "Ann fancies tea, not chess.",
        ),
        (
            "Dee shuns the color red. Eli adores owls. \nWho shuns the color red?",
            "Answer: Eli",
            "Eli adores owls, not the color red.",
        ),
    ),
    (
        (
            "Flo sells boats. Gus mocks soup. Hal treasures bees. \nWho treasures bees?",
            "Answer: Gus",
            "It says that Gus mocks soup.",
        ),
        (
            "Ida relishes golf. Jon dreads rain. \nWho relishes golf?",
            "Answer: Jon",
            "It says that Jon dreads rain.",
        ),
    ),
    (
        (
            "Kim avoids crabs. Lou loves to dance. Max rejects pie. \nWho avoids crabs?",
            "Answer: Max",
            "Max is the one who rejects pie.",
        ),
        (
            "Ned praises trains. Oda bears the cold. \nWho bears the cold?",
            "Answer: Ned",
            "Ned is the one who praises trains.",
        ),
    ),
)
"""What critics are shown, by round: a question, a wrong answer to it, and what is wrong."""


def agents(model: str, adapter: str, i: int) -> cg.Team:
    """Who makes chains in a round; another approach is begun without a look at the failed one."""
    anew = PROMPTS["generate"]
    generator = cg.Generator(
        model,
        adapter=adapter,
        examples=0,
        prompts={"step": anew, "explore": anew},
        max_tokens=40,
        temperature=1.0,
    )
    checks = CHECKS[i % len(CHECKS)]
    critic = cg.Critic(
        model,
        examples=len(checks),
        prompts={"critique": Template("{problem}\n\n{work}\n\nWhat is wrong?")},
        shots={
            "critique": [
                Shot(Brief(f"{asked} Reply only with a name.", (Passage("solution", tried),)), said)
                for asked, tried, said in checks
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
