"""Compare strategies on problems, with intervals and costs.

    python examples/evaluate.py

The same from a shell: cogitate eval 'reasoning_gym/chain_sum?size=6&seed=31' --strategy ... --json
"""

import cogitate as cg
from cogitate.training import evaluate, table


def main() -> None:
    problems = cg.tasks.load("reasoning_gym/chain_sum?size=6&seed=31&max_terms=2&max_digits=1")
    team = cg.Team.of("hf/smollm2-135m", max_tokens=48)
    strategies = [cg.Direct(), cg.ChainOfThought(), cg.SelfConsistency(n=4)]
    print(table([evaluate(problems, team, strategy) for strategy in strategies]))


if __name__ == "__main__":
    main()
