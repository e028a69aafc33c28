"""A strategy of one's own: any async function over a deliberation.

    python examples/own_strategy.py

This one asks for three drafts at once, mends only those that the critic rejects, and votes.
"""

import cogitate as cg


async def mend_the_rejected(d: cg.Deliberation) -> cg.Thought:
    async def mend(draft: cg.Thought) -> cg.Thought:
        critique = await d.critique(draft)
        return draft if critique.accepts else await d.refine(draft, critique)

    drafts = await d.samples(3)
    mended = await cg.graphs.gather(mend(draft) for draft in drafts)
    return (await d.vote(mended)).winner or mended[0]


def main() -> None:
    team = cg.Team.of("hf/smollm2-135m", max_tokens=64)
    result = cg.solve("What is 25 + 17?", team, mend_the_rejected, seed=3)
    print(result.graph.to_tree())
    print(f"answer {result.answer!r}, {result.usage.calls} calls")


if __name__ == "__main__":
    main()
