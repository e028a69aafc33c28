"""What a model's own chains with tokens come to."""

import cogitate as cg
from cogitate.graphs import run
from cogitate.inference import Scripted
from cogitate.tasks import Problem
from cogitate.training import grade
from cogitate.training.loops.token_chains import TokenChains, own_reflections
from cogitate.training.restarts import ReflectRates

PROBLEM = Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


def test_own_reflections_are_counted_by_the_answers_before_and_after_them() -> None:
    no = "<|reflect|>No.<|explore|>"
    said = [
        f"<|continue|>Answer: 41{no}Answer: 42",
        f"<|continue|>Answer: 41{no}Answer: 42{no}Answer: 40",
        f"<|continue|>Answer: 42{no}Answer: 41",
        "<|continue|>Answer: 42<|reflect|>Yes.<|continue|>Answer: 42",
        f"<|continue|>Let me see.{no}Answer: 42",  # nothing to mend or spoil
        "<|continue|>Answer: 42",
        "<|continue|>I quote <\\|reflect|>.\nAnswer: 41",
    ]
    team = cg.Team.of(Scripted(lambda request: said[request.sample]))
    report = run([PROBLEM], team, TokenChains(len(said)))
    graphs = [episode.graph for episode in report.episodes]
    ungraded = own_reflections(graphs)
    grade(graphs)
    found = own_reflections(graphs)
    told = {"fresh": 7, "solved": 4, "wrong": 2, "mended": 1, "right": 2, "spoilt": 1}
    assert found == ReflectRates(step=0, tokens=found.tokens, **told) and found.tokens > 0
    assert ungraded == ReflectRates(step=0, ungraded=7)
