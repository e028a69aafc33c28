"""Search a tree of thoughts, and carry out a graph of thoughts of one's own.

    python examples/search.py

The tree is grown best-first: whatever partial solution is worth most is gone on from, two at a
time. The program writes three drafts, keeps the two that are worth most, combines them, and returns
the best of all. The verifier is a function here: the share of sums in a text that are right.
"""

import re

import cogitate as cg
from cogitate.graphs.program import Aggregate, Generate, Given, KeepBest, Score

TREE = cg.TreeOfThoughts(search="best-first", depth=2, width=3, expansions=2, parallel=2)


def right_sums(_problem: cg.tasks.Problem, text: str) -> float:
    sums = re.findall(r"(\d+) ([+-]) (\d+) = (-?\d+)", text)
    right = [int(a) + int(b) * (1 if sign == "+" else -1) == int(c) for a, sign, b, c in sums]
    return sum(right) / len(right) if right else 0.0


def combine_the_best() -> cg.GraphOfThoughts:
    best = KeepBest(Score(Generate(Given(), k=3)), n=2)
    combined = Score(Aggregate(best))
    return cg.GraphOfThoughts(KeepBest((best, combined)))


def main() -> None:
    team = cg.Team.of("hf/smollm2-135m", verifier=right_sums, max_tokens=40)
    for strategy in (TREE, combine_the_best()):
        result = cg.solve("What is 25 + 17 - 8?", team, strategy, seed=1)
        print(result.graph.to_tree())
        print(f"answer {result.answer!r}, {result.usage.calls} calls\n")


if __name__ == "__main__":
    main()
