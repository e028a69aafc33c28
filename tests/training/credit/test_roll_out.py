"""Rolling out steps on a deliberation, and labelling them by what came of it."""

import asyncio

import pytest

import cogitate as cg
from cogitate.graphs import Deliberation
from cogitate.inference import Request, Scripted
from cogitate.training import MonteCarloSteps
from cogitate.training.credit import roll_out

PROBLEM = cg.tasks.Problem(id="p", prompt="6 * 7 + 1?", reference="43", kind="numeric")


def reply(request: Request) -> str:
    """Go on rightly from the second of two steps once in two, and never from the first."""
    if request.operation == "step":
        return f"step {request.sample}\n\nmore"
    begun = request.prefix.text if request.prefix else ""
    return "Answer: 43" if begun.startswith("step 1") and request.sample == 0 else "Answer: 7"


def test_each_step_is_rolled_out_k_times_and_labelled_by_what_came_of_it() -> None:
    steps: list[cg.Thought] = []

    async def strategy(d: Deliberation) -> cg.Thought:
        steps.extend(await d.steps(2))
        rolled = await roll_out(d, steps, 2)
        assert [len(one) for one in rolled] == [2, 2]
        assert [d.graph.parents(end) for ends in rolled for end in ends] == [
            [step] for step in steps for _ in range(2)
        ]
        for end in (end for ends in rolled for end in ends):
            await d.verify(end)
        return rolled[1][0]

    team = cg.Team.of(Scripted(reply), verifier=cg.tasks.NumericGrader())
    result = cg.solve(PROBLEM, team, strategy)
    hard = MonteCarloSteps(k=2, label="hard")(result.graph).credits
    soft = MonteCarloSteps(k=2, label="soft")(result.graph).credits
    assert [hard[step.id][0].value for step in steps] == [0.0, 1.0]
    assert [soft[step.id][0].value for step in steps] == [0.0, 0.5]


def test_no_roll_out_at_all_is_refused() -> None:
    d = Deliberation(PROBLEM, cg.Team.of(Scripted(["a"])), {}, budget=cg.Budget())
    with pytest.raises(cg.ConfigError, match="k=0"):
        asyncio.run(roll_out(d, [], 0))
