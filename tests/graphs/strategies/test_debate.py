"""Debate: who is shown what, and how it ends."""

import re

import pytest

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import Relation, ThoughtGraph, ThoughtKind
from cogitate.graphs.strategies.debate import Debate
from cogitate.inference import Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
NAMES = ("ada", "bob", "cy")
SHOWN = re.compile(r"said by (\w+) in round (\d)")


class Debaters:
    """Each says its name and how often it was asked; its answer is a function of both."""

    def __init__(self, answer=lambda name, asked: "42") -> None:
        self.requests: list[Request] = []
        self._answer = answer
        self.engine = Scripted(self._reply)

    def _reply(self, request: Request) -> str:
        asked = sum(1 for earlier in self.requests if earlier.agent == request.agent)
        self.requests.append(request)
        return f"said by {request.agent} in round {asked}\nAnswer: " + self._answer(
            request.agent, asked
        )

    def team(self) -> cg.Team:
        return cg.Team([cg.Generator(self.engine, name=name) for name in NAMES])


def seen(request: Request) -> list[tuple[str, int]]:
    """Which answers a prompt holds, as (debater, round)."""
    return [(name, int(turn)) for name, turn in SHOWN.findall(request.messages[-1].content)]


def test_each_prompt_holds_its_own_and_exactly_the_others_last_answers() -> None:
    model = Debaters()
    cg.solve(PROBLEM, model.team(), Debate(agents=3, rounds=2))
    assert len(model.requests) == 9
    for name in NAMES:
        opening, first, second = (r for r in model.requests if r.agent == name)
        assert seen(opening) == []
        others = [other for other in NAMES if other != name]
        assert seen(first) == [(name, 0), *((other, 0) for other in others)]
        assert seen(second) == [(name, 1), *((other, 1) for other in others)]


def test_a_revision_is_made_from_the_answers_that_its_prompt_holds() -> None:
    result = cg.solve(PROBLEM, Debaters().team(), Debate(agents=3, rounds=1))
    revisions = [t for t in result.graph.thoughts() if t.operation == "debate"]
    assert len(revisions) == 3
    for revision in revisions:
        parents = result.graph.parents(revision)
        assert parents[0].agent == revision.agent
        assert sorted(parent.agent for parent in parents) == sorted(NAMES)
    assert {link.relation for link in result.graph.links() if link.child in revisions} == {
        Relation.REFINES
    }


def test_the_last_answers_vote_and_not_the_first_ones() -> None:
    # openings 41 41 42; after reading each other: 41 42 42
    texts = {"ada": ("41", "41"), "bob": ("41", "42"), "cy": ("42", "42")}
    model = Debaters(lambda name, asked: texts[name][asked])
    assert cg.solve(PROBLEM, model.team(), Debate(agents=3, rounds=1)).answer == "42"
    model = Debaters(lambda name, asked: texts[name][asked])
    assert cg.solve(PROBLEM, model.team(), Debate(agents=3, rounds=0)).answer == "41"


def test_one_generator_debates_with_itself_in_samples() -> None:
    texts = {0: "first", 1: "second", 2: "third"}

    def reply(request: Request) -> str:
        if request.operation == "generate":
            return f"{texts[request.sample]}\nAnswer: {request.sample}"
        return "Answer: 42"

    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply)), Debate(agents=3, rounds=1))
    prompts = [
        thought.prompt[-1].content
        for thought in result.graph.thoughts()
        if thought.operation == "debate" and thought.prompt
    ]
    assert len(prompts) == 3
    for prompt in prompts:
        assert all(prompt.count(text) == 1 for text in texts.values())


def test_two_generators_are_four_debaters_in_turn() -> None:
    model = Debaters()
    team = cg.Team([cg.Generator(model.engine, name=name) for name in NAMES[:2]])
    result = cg.solve(PROBLEM, team, Debate(agents=4, rounds=1))
    assert result.usage.calls == 8
    assert sorted(r.agent for r in model.requests) == ["ada"] * 4 + ["bob"] * 4


def test_a_debater_whose_call_fails_keeps_its_last_answer() -> None:
    def reply(request: Request) -> str:
        if request.agent == "cy" and request.operation == "debate":
            raise EngineRefused("no")
        return f"I am {request.agent}.\nAnswer: {request.agent == 'ada'}"

    engine = Scripted(reply)
    team = cg.Team([cg.Generator(engine, name=name) for name in NAMES])
    result = cg.solve(PROBLEM, team, Debate(agents=3, rounds=2))
    prompts = [
        thought.prompt[-1].content
        for thought in result.graph.thoughts()
        if thought.operation == "debate" and thought.prompt
    ]
    assert len(prompts) == 4
    assert all("I am cy." in prompt for prompt in prompts)
    assert len(result.errors) == 2


def test_where_nobody_marks_an_answer_one_that_was_written_is_returned() -> None:
    def reply(request: Request) -> str:
        if request.agent == "ada":
            raise EngineRefused("no")
        return f"{request.agent} cannot tell"

    team = cg.Team([cg.Generator(Scripted(reply), name=name) for name in NAMES])
    returned: list[str] = []

    async def debate(d: cg.Deliberation) -> cg.Thought:
        thought = await Debate(agents=3, rounds=0)(d)
        returned.append(thought.text)
        return thought

    cg.solve(PROBLEM, team, debate)
    assert returned == ["bob cannot tell"]


def test_a_debater_without_an_answer_is_not_shown() -> None:
    def reply(request: Request) -> str:
        if request.agent == "cy" and request.operation == "generate":
            raise EngineRefused("no")
        return "Answer: 42"

    engine = Scripted(reply)
    team = cg.Team([cg.Generator(engine, name=name) for name in NAMES])
    result = cg.solve(PROBLEM, team, Debate(agents=3, rounds=1))
    assert result.answer == "42"
    shown = [
        thought.prompt[-1].content.count("</last answer of debater")
        for thought in result.graph.thoughts()
        if thought.operation == "debate" and thought.prompt
    ]
    assert sorted(shown) == [1, 1, 2]


def test_a_budget_that_ends_within_a_round_leaves_the_vote_to_the_round_before() -> None:
    # openings 41 42 42, and the one revision that fits says 41: a vote with it would be a tie
    texts = {"ada": ("41", "41"), "bob": ("42", "41"), "cy": ("42", "41")}
    model = Debaters(lambda name, asked: texts[name][asked])
    budget = cg.Budget(calls=4)
    result = cg.solve(PROBLEM, model.team(), Debate(agents=3, rounds=2), budget=budget)
    assert result.stopped == "calls"
    assert result.answer == "42"


def test_the_graph_is_the_same_under_any_timing() -> None:
    def graph(latency: float) -> str:
        engines = [
            Scripted(lambda r: f"{r.agent} {r.sample}\nAnswer: 42", latency=latency * i, name="m")
            for i in range(3)
        ]
        team = cg.Team(
            [cg.Generator(engine, name=n) for engine, n in zip(engines, NAMES, strict=True)]
        )
        return cg.solve(PROBLEM, team, Debate(agents=5, rounds=2)).graph.to_json()

    assert graph(0.0) == graph(0.003)
    assert len(list(ThoughtGraph.from_json(graph(0.0)).thoughts(ThoughtKind.SOLUTION))) == 15


@pytest.mark.parametrize("wrong", [{"agents": 1}, {"rounds": -1}])
def test_a_debate_without_others_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(cg.ConfigError, match="agents is at least 2"):
        Debate(**wrong)
