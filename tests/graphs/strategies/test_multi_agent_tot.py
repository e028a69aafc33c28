"""Multi-agent Tree of Thoughts: independent searches, a validator, a vote, and feedback."""

import pytest

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import Relation, Thought, ThoughtKind
from cogitate.graphs.strategies.multi_agent_tot import MultiAgentToT
from cogitate.inference import Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
NAMES = ("ada", "bob", "cy")


def small(rounds: int = 2, consensus: float = 0.5) -> MultiAgentToT:
    """Three reasoners with the smallest trees."""
    return MultiAgentToT(
        reasoners=3, rounds=rounds, consensus=consensus, breadth=1, depth=1, width=1
    )


class Reasoners:
    """Reasoners with given answers in each round, and a validator with a list of valid ones."""

    def __init__(self, answers: dict[str, list[str]], valid: set[str]) -> None:
        self.requests: list[Request] = []
        self._answers, self._valid = answers, valid
        self.engine = Scripted(self._reply)

    def _reply(self, request: Request) -> str:
        shown = request.messages[-1].content
        match request.operation:
            case "propose":
                asked = sum(r.agent == request.agent for r in self.asked("propose"))
                self.requests.append(request)
                return f"{request.agent} is sure. Answer: {self._answers[request.agent][asked]}"
            case "validate":
                self.requests.append(request)
                answer = shown.partition("Answer: ")[2].split()[0]
                valid = answer in self._valid
                return f"{answer} is checked.\nAccept: {'yes' if valid else 'no'}"
            case _:
                return "Score: 0.5"

    def asked(self, operation: str) -> list[Request]:
        return [request for request in self.requests if request.operation == operation]

    def team(self) -> cg.Team:
        return cg.Team(
            [cg.Generator(self.engine, name=name) for name in NAMES],
            cg.Critic(self.engine),
            cg.Verifier(self.engine),
        )


def test_a_confident_wrong_reasoner_is_outvoted_after_validation() -> None:
    answers = {"ada": ["41"], "bob": ["41"], "cy": ["42"]}
    model = Reasoners(answers, valid={"42"})
    result = cg.solve(PROBLEM, model.team(), small())
    assert result.answer == "42"
    assert len(model.asked("propose")) == 3 and len(model.asked("validate")) == 3
    # without the validator the two wrong ones win
    model = Reasoners(answers, valid={"41", "42"})
    assert cg.solve(PROBLEM, model.team(), small()).answer == "41"


def test_without_consensus_another_round_begins_with_the_feedback() -> None:
    answers = {"ada": ["40", "42"], "bob": ["41", "42"], "cy": ["43", "7"]}
    model = Reasoners(answers, valid={"40", "41", "42"})
    result = cg.solve(PROBLEM, model.team(), small(rounds=2))
    assert result.answer == "42"
    for first, second in zip(*(model.asked("propose")[i : i + 3] for i in (0, 3)), strict=True):
        before, after = first.messages[-1].content, second.messages[-1].content
        assert "is checked" not in before
        assert all(f"{answer} is checked" in after for answer in ("40", "41", "43"))
        assert all(f"came to the answer {answer}" in after for answer in ("40", "41", "43"))
    for request in model.asked("validate"):
        assert "is checked" not in request.messages[-1].content


def test_a_round_with_nothing_valid_is_followed_by_another() -> None:
    answers = {"ada": ["41", "41"], "bob": ["41", "42"], "cy": ["41", "41"]}
    model = Reasoners(answers, valid={"42"})
    result = cg.solve(PROBLEM, model.team(), small(rounds=2))
    assert result.answer == "42"


@pytest.mark.parametrize(("consensus", "rounds"), [(0.5, 1), (0.7, 2)])
def test_consensus_is_more_than_a_share_of_the_valid_votes(consensus: float, rounds: int) -> None:
    # round one: 42 has two of three valid votes
    answers = {"ada": ["42", "42"], "bob": ["42", "42"], "cy": ["41", "42"]}
    model = Reasoners(answers, valid={"41", "42"})
    strategy = small(rounds=2, consensus=consensus)
    assert cg.solve(PROBLEM, model.team(), strategy).answer == "42"
    assert len(model.asked("propose")) == 3 * rounds


def test_where_rounds_run_out_the_last_valid_votes_decide() -> None:
    answers = {"ada": ["40", "7"], "bob": ["41", "8"], "cy": ["43", "9"]}
    model = Reasoners(answers, valid={"41", "43"})
    strategy = small(rounds=2, consensus=0.5)
    assert cg.solve(PROBLEM, model.team(), strategy).answer == "41"
    model = Reasoners({"ada": ["7"], "bob": ["8"], "cy": ["8"]}, valid=set())
    strategy = small(rounds=1)
    assert cg.solve(PROBLEM, model.team(), strategy).answer == "8"


def test_each_reasoner_searches_a_tree_of_its_own() -> None:
    model = Reasoners({name: ["42"] for name in NAMES}, valid={"42"})
    result = cg.solve(PROBLEM, model.team(), small())
    graph = result.graph
    roots = [child for child in graph.children(graph.root) if child.kind is ThoughtKind.PROBLEM]
    assert len(roots) == 3
    assert sorted(agents_below(graph, root) for root in roots) == [["ada"], ["bob"], ["cy"]]
    assert {link.relation for link in graph.links() if link.child in roots} == {Relation.RESTARTS}


def agents_below(graph: cg.ThoughtGraph, root: Thought) -> list[str]:
    return sorted({child.agent for child in graph.children(root)})


def test_one_generator_is_several_reasoners_that_do_not_get_in_each_others_way() -> None:
    def reply(request: Request) -> str:
        match request.operation:
            case "step":
                return f"{request.position} {request.sample}\nAnswer: 42"
            case "validate":
                return "Accept: yes"
            case _:
                return "Score: 0.5"

    def graph(latency: float) -> str:
        team = cg.Team.of(Scripted(reply, latency=latency))
        strategy = MultiAgentToT(reasoners=3, breadth=2, depth=2, width=2, generate="sample")
        return cg.solve(PROBLEM, team, strategy).graph.to_json()

    assert graph(0.0) == graph(0.002)


def test_a_reasoner_whose_calls_fail_does_not_vote() -> None:
    def reply(request: Request) -> str:
        if request.agent == "ada":
            raise EngineRefused("no")
        if request.operation == "validate":
            return "Accept: yes"
        return "Answer: 42" if request.operation == "propose" else "Score: 0.5"

    engine = Scripted(reply)
    team = cg.Team(
        [cg.Generator(engine, name=name) for name in NAMES], cg.Critic(engine), cg.Verifier(engine)
    )
    result = cg.solve(PROBLEM, team, small())
    assert result.answer == "42"
    assert result.errors


def test_the_budget_ends_it_with_the_best_of_the_rounds_before() -> None:
    answers = {"ada": ["40", "7"], "bob": ["41", "7"], "cy": ["43", "7"]}
    model = Reasoners(answers, valid={"40", "41", "7"})
    calls = 9  # a round: 3 proposals, 3 values, 3 validations
    result = cg.solve(
        PROBLEM,
        model.team(),
        small(rounds=3),
        budget=cg.Budget(calls=calls + 2),
    )
    assert result.stopped == "calls"
    assert result.answer == "40"


@pytest.mark.parametrize(
    "wrong", [{"reasoners": 0}, {"rounds": 0}, {"consensus": 1.0}, {"breadth": 0}]
)
def test_values_without_a_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(cg.ConfigError):
        MultiAgentToT(**wrong)  # type: ignore[arg-type]  # wrong on purpose
