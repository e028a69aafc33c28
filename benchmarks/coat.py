"""How often agents that make a chain of action thought really reflect, on the embedded model.

    python benchmarks/coat.py [--problems 40] [--model hf/smollm2-135m] [--json]

Chains of the mode `agents` on sums with two worked examples. Counted are actions whose text an
agent wrote itself; a reflection made of words from the prompt is none (see the strategy). Wanted:
at least 30% of the chains reflect. It says nothing of how good the reflections are.
"""

import argparse
import json
from collections import Counter

import cogitate as cg
from cogitate.graphs import Relation, coat_actions
from cogitate.training import wilson


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--model", default="hf/smollm2-135m")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    problems = cg.tasks.load(f"reasoning_gym/chain_sum?size={options.problems}&seed=7")
    report = cg.run(problems, cg.Team.of(options.model), cg.ChainOfActionThought(), concurrency=32)
    metas: Counter[str] = Counter()
    reflecting = chains = 0
    for episode in report.episodes:
        if episode.result is None or episode.result.thought is None:
            continue
        actions = coat_actions(episode.graph, episode.result.thought)
        chains += 1
        reflecting += any(
            one.meta is not None and one.meta.relation is Relation.REFLECTS for one in actions
        )
        metas.update("begin" if one.meta is None else one.meta.value for one in actions)
    low, high = wilson(reflecting, chains)
    if options.json:
        print(json.dumps({"chains": chains, "reflect": reflecting, "actions": metas}))
        return
    share = reflecting / chains
    print(f"{reflecting} of {chains} chains reflect: {share:.0%} ({low:.0%} to {high:.0%})")
    print(", ".join(f"{count} {name}" for name, count in metas.most_common()))
    print(f"{report.usage.tokens:,} tokens, {report.seconds:.0f} s")


if __name__ == "__main__":
    main()
