"""Chain-of-Action-Thought: a model that writes the tokens, and agents that make the same chain."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import Relation, ThoughtKind
from cogitate.graphs.coat_text import Action, Meta, coat_actions, coat_text, parse_coat
from cogitate.graphs.strategies.coat import ChainOfActionThought
from cogitate.inference import Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
CONTINUE, REFLECT, EXPLORE = Meta


class Chain:
    """Agents that say what they are told to, operation by operation, in order."""

    def __init__(self, **replies: list[str]) -> None:
        self.requests: list[Request] = []
        self._replies: dict[str, Iterator[str]] = {k: iter(v) for k, v in replies.items()}
        self.engine = Scripted(self._reply)

    def _reply(self, request: Request) -> str:
        self.requests.append(request)
        return next(self._replies[request.operation])

    @property
    def operations(self) -> Counter[str]:
        return Counter(request.operation for request in self.requests)


def scored(**scores: float) -> Callable[[object, str], float]:
    """Score a text by the last of the given words in it."""

    def score(_: object, text: str) -> float:
        return scores[max(scores, key=text.rfind)]

    return score


def think(
    model: Chain, strategy: ChainOfActionThought, verifier: object = None
) -> tuple[cg.Result, list[Action]]:
    team = cg.Team.of(model.engine, verifier=verifier)  # type: ignore[arg-type]  # functions of single tests
    result = cg.solve(PROBLEM, team, strategy)
    assert result.thought is not None
    return result, coat_actions(result.graph, result.thought)


def metas(actions: list[Action]) -> list[Meta | None]:
    return [action.meta for action in actions]


TUNED = (
    "<|continue|>6 * 7 = 36.\n\n<|reflect|>Wait, 6 * 6 is 36.\n\n"
    "<|explore|>6 * 7 = 36 + 6.\nAnswer: 42"
)


def test_one_reply_with_tokens_becomes_a_chain_of_actions() -> None:
    model = Chain(coat=[TUNED])
    result, actions = think(model, ChainOfActionThought(mode="tokens"))
    assert result.answer == "42"
    assert model.operations == {"coat": 1}
    assert metas(actions) == [CONTINUE, REFLECT, EXPLORE]
    assert result.thought is not None
    assert coat_text(result.graph, result.thought) == TUNED
    *steps, last = result.graph.path(result.graph.parents(result.thought)[0])
    [reply] = [t for t in result.graph.thoughts() if t.operation == "coat" and t.prompt]
    assert all(result.graph.parents(step)[-1] is reply for step in [*steps, last])
    assert result.graph.edges[steps[1].id, last.id]["relation"] == Relation.EXPLORES


@pytest.mark.parametrize(
    "text",
    [
        "No token at all.\nAnswer: 42",
        "First this.<|reflect|>Then that.\nAnswer: 42",
        "<|continue|><|continue|>\nAnswer: 42<|explore|>",
        "<|continue|>They write <\\|reflect|> so.\nAnswer: 42",
    ],
)
def test_whatever_a_tuned_model_writes_is_written_again_exactly(text: str) -> None:
    result, actions = think(Chain(coat=[text]), ChainOfActionThought(mode="tokens"))
    assert result.thought is not None
    assert coat_text(result.graph, result.thought) == text
    assert parse_coat(text) == actions
    assert result.answer == "42"


def test_a_token_next_to_an_answer_is_not_part_of_it() -> None:
    text = "<|continue|>Answer: 41<|reflect|>That was wrong.\nAnswer: 42<|explore|>"
    result, _ = think(Chain(coat=[text]), ChainOfActionThought(mode="tokens"))
    assert result.answer == "42"


def test_a_tuned_model_s_call_that_failed_is_recorded() -> None:
    def reply(_: Request) -> str:
        raise EngineRefused("no")

    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply)), ChainOfActionThought(mode="tokens"))
    assert result.thought is None and len(result.errors) == 1


def test_agents_that_see_no_fault_only_continue() -> None:
    model = Chain(step=["six sevens\n\n", "Answer: 42"], critique=["Fine.\nAccept: yes"])
    result, actions = think(model, ChainOfActionThought(), scored(six=0.9, Answer=0.9))
    assert result.answer == "42"
    assert actions == [Action(CONTINUE, "six sevens\n\n"), Action(CONTINUE, "Answer: 42")]
    assert model.operations == {"step": 2, "critique": 1}


def test_a_doubtful_step_is_reflected_on_in_the_critic_s_own_words() -> None:
    model = Chain(
        step=["six\n\n", "seven\n\n", "Answer: 42"],
        critique=["Is six enough?\nAccept: no", "Good.\nAccept: yes"],
    )
    strategy = ChainOfActionThought(threshold=0.5, abandon=0.2)
    result, actions = think(model, strategy, scored(six=0.3, seven=0.8, Answer=0.9))
    assert metas(actions) == [CONTINUE, REFLECT, CONTINUE, CONTINUE]
    assert actions[1].text == "Is six enough?\n\n"
    [critique, _] = result.graph.thoughts(ThoughtKind.CRITIQUE)
    reflection = next(t for t in result.graph.thoughts() if t.operation == "reflect")
    assert result.graph.parents(reflection)[-1] is critique
    begun = [request.prefix.text for request in model.requests if request.prefix]
    assert begun[0] == "six\n\nIs six enough?\n\n"
    assert "only the beginning of a solution" in model.requests[1].messages[-1].content


def test_a_rejected_step_below_abandon_is_left_for_another_approach() -> None:
    model = Chain(
        step=["six\n\n", "Answer: 42"],
        critique=["That leads nowhere.\nAccept: no", "Good.\nAccept: yes"],
        explore=["Try twenty and one, twice.\n\nMore."],
    )
    result, actions = think(model, ChainOfActionThought(), scored(six=0.1, twenty=0.9, Answer=0.9))
    assert metas(actions) == [CONTINUE, REFLECT, EXPLORE, CONTINUE]
    assert actions[2].text == "Try twenty and one, twice.\n\n"
    assert result.answer == "42"
    asked = next(r for r in model.requests if r.operation == "explore").messages[-1].content
    assert "<partial solution>\nsix\n</partial solution>" in asked
    assert "<reflection>\nThat leads nowhere.\n</reflection>" in asked


def test_a_rejected_solution_is_reflected_on_and_another_approach_ends_it() -> None:
    model = Chain(
        step=["six\n\n", "Answer: 41"],
        critique=["41 is odd.\nAccept: no", "Even.\nAccept: yes"],
        explore=["42 is even.\nAnswer: 42"],
    )
    result, actions = think(model, ChainOfActionThought(), scored(six=0.9, Answer=0.9))
    assert metas(actions) == [CONTINUE, CONTINUE, REFLECT, EXPLORE]
    assert [action.text for action in actions] == [
        "six\n\n",
        "Answer: 41",
        "\n\n41 is odd.\n\n",
        "42 is even.\nAnswer: 42",
    ]
    assert result.answer == "42"
    assert parse_coat(coat_text(result.graph, result.thought or result.graph.root)) == actions


def test_after_its_reflections_a_chain_goes_on_without() -> None:
    model = Chain(step=["six\n\n", "six\n\n", "Answer: 41"], critique=["Hm, no.\nAccept: no"] * 9)
    _, actions = think(model, ChainOfActionThought(reflections=1), scored(six=0.4, Answer=0.4))
    assert metas(actions) == [CONTINUE, REFLECT, CONTINUE, CONTINUE]
    assert model.operations["critique"] == 1


def test_a_chain_that_does_not_end_is_finished() -> None:
    model = Chain(step=["six\n\n"] * 9, finish=["so it is\nAnswer: 42"])
    result, actions = think(model, ChainOfActionThought(actions=3), scored(six=0.9))
    assert result.answer == "42"
    assert [action.text for action in actions] == ["six\n\n"] * 3 + ["so it is\nAnswer: 42"]


def test_the_line_that_accepts_or_rejects_is_no_part_of_a_reflection() -> None:
    model = Chain(
        step=["six\n\n", "seven\n\n", "Answer: 42"],
        critique=["Odd.\n**Accept:** no", "Accept: yes"],
    )
    _, actions = think(model, ChainOfActionThought(), scored(six=0.3, seven=0.8, Answer=0.9))
    assert actions[1] == Action(REFLECT, "Odd.\n\n")


PARROTS = [
    "Accept: no",
    "Accept: no\nAccept: no",
    "",
    "This is only the beginning of a solution. Check it step by step.\nAccept: no",
    "Say what is wrong and how to mend it.\n\n<partial solution>\nAccept: no",
    "So the last line must be `Accept: yes` if it is right, I think.",
]


@pytest.mark.parametrize("critique", PARROTS)
def test_words_of_our_prompt_make_no_reflection(critique: str) -> None:
    model = Chain(step=["six\n\n", "Answer: 42"], critique=[critique, "Accept: yes"])
    _, actions = think(model, ChainOfActionThought(), scored(six=0.1, Answer=0.9))
    assert metas(actions) == [CONTINUE, CONTINUE]


def test_a_worked_example_that_is_repeated_makes_no_reflection() -> None:
    shown = "38 + 47 is 85, not 75.\nAccept: no"
    model = Chain(step=["six\n\n", "Answer: 42"], critique=[shown, "Accept: yes"])
    engine = model.engine
    team = cg.Team(cg.Generator(engine), cg.Critic(engine, examples=2), scored(six=0.1, Answer=0.9))
    result = cg.solve(PROBLEM, team, ChainOfActionThought())
    assert shown.split("\n")[0] in "".join(m.content for m in model.requests[1].messages)
    assert result.thought is not None
    assert metas(coat_actions(result.graph, result.thought)) == [CONTINUE, CONTINUE]


def test_a_step_that_is_quoted_in_the_critique_is_the_critic_s_own_saying() -> None:
    model = Chain(
        step=["by six\n\n", "seven\n\n", "Answer: 42"],
        critique=["by six\nAccept: no", "Accept: yes"],
    )
    _, actions = think(model, ChainOfActionThought(), scored(six=0.3, seven=0.8, Answer=0.9))
    assert actions[1] == Action(REFLECT, "by six\n\n")


def test_a_verifier_that_gives_no_score_starts_no_reflection() -> None:
    def broken(_: object, text: str) -> float:
        raise RuntimeError(text)

    model = Chain(step=["six\n\n", "Answer: 42"], critique=["Hm.\nMaybe so."])
    result, actions = think(model, ChainOfActionThought(), broken)
    assert metas(actions) == [CONTINUE, CONTINUE]
    assert result.answer == "42"


@pytest.mark.parametrize("failing", [0, 1])
def test_a_chain_whose_next_step_fails_is_finished_from_its_last_action(failing: int) -> None:
    steps = iter(range(3))

    def reply(request: Request) -> str:
        if request.operation == "finish":
            return "Answer: 42"
        if next(steps) == failing:
            raise EngineRefused("no")
        return "six\n\n"

    team = cg.Team.of(Scripted(reply), verifier=lambda _problem, _text: 0.9)
    result = cg.solve(PROBLEM, team, ChainOfActionThought())
    assert result.thought is not None
    assert result.thought.text == "six\n\n" * failing + "Answer: 42"
    assert result.errors == ["EngineRefused: no"]


def test_a_token_that_an_agent_quotes_never_becomes_an_action() -> None:
    model = Chain(step=["six <|reflect|>\n\n", "Answer: 42"], critique=["Accept: yes"])
    result, actions = think(model, ChainOfActionThought(), scored(six=0.9, Answer=0.9))
    assert metas(actions) == [CONTINUE, CONTINUE]
    assert result.thought is not None
    text = coat_text(result.graph, result.thought)
    assert "<|reflect|>" not in text and parse_coat(text) == actions
    assert "< |reflect|>" in model.requests[-1].messages[-1].content


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "both"}, {"actions": 0}, {"reflections": -1}, {"threshold": 0.2, "abandon": 0.3}],
)
def test_values_without_a_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(cg.ConfigError):
        ChainOfActionThought(**wrong)  # type: ignore[arg-type]  # wrong on purpose
