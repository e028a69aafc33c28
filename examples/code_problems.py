"""Problems whose answer is a program: loaded from a file, solved, and graded in a sandbox.

    python examples/code_problems.py

It needs bubblewrap (`cogitate doctor` says whether it works here). A script plays the model, and
one of its three samples is wrong, so that there is something to vote about and to choose from.
"""

import asyncio
from pathlib import Path

import cogitate as cg
from cogitate.inference import Request

PROGRAMS = {
    "humaneval-form": (
        "def below(numbers, limit):\n    return all(n < limit for n in numbers)",
        "def below(numbers, limit):\n    return numbers[0] < limit",
    ),
    "mbpp-form": (
        "def shared(a, b):\n    return sorted(set(a) & set(b))",
        "def shared(a, b):\n    return [x for x in a if x in b]",
    ),
    "input-and-output": (
        "import sys\nprint(sum(map(int, sys.stdin)))",
        "print(int(input()) + int(input()) + int(input()))",
    ),
}


def reply(request: Request) -> str:
    right, wrong = PROGRAMS[request.problem]
    return f"Here it is.\n```python\n{wrong if request.sample == 0 else right}\n```"


def main() -> None:
    problems = cg.tasks.load(f"jsonl:{Path(__file__).with_suffix('.jsonl')}?kind=code")
    voting = cg.Team.of(cg.inference.Scripted(reply))
    choosing = cg.Team(
        generator=cg.Generator(cg.inference.Scripted(reply)),
        verifier=cg.tasks.CodeGrader(),  # it runs the tests: an oracle, and no fair comparison
    )
    for problem in problems:
        for name, team, strategy in [
            ("one sample", voting, cg.ChainOfThought()),
            ("a vote of three", voting, cg.SelfConsistency(n=3)),
            ("the best of three", choosing, cg.BestOfN(n=3)),
        ]:
            answer = cg.solve(problem, team, strategy).answer
            grade = asyncio.run(cg.tasks.CodeGrader().grade(problem, answer or ""))
            print(f"{problem.id}, {name}: {grade.score:g}, {grade.reason}")


if __name__ == "__main__":
    main()
