"""COAT text and the graph: each is the other again, whatever a text holds."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cogitate.errors import DataError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.coat_text import (
    CHAIN,
    Action,
    Meta,
    coat_actions,
    coat_text,
    parse_coat,
    write_coat,
)
from cogitate.tasks import Problem

PIECES = ["<|continue|>", "<|reflect|>", "<|explore|>", "<", "|", "\\", "|>", "<|", "reflect", "\n"]
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
ACTIONS = st.lists(st.builds(Action, st.sampled_from(Meta), HOSTILE), max_size=6)
FIRST = st.lists(st.builds(Action, st.none(), HOSTILE.filter(bool)), max_size=1)
CHAINS = st.builds(lambda first, rest: [*first, *rest], FIRST, ACTIONS)


@given(CHAINS)
@example([Action(Meta.REFLECT, "<|reflect|>"), Action(Meta.EXPLORE, "<\\|reflect|>")])
@example([Action(Meta.REFLECT, "<"), Action(Meta.EXPLORE, "|reflect|>"), Action(Meta.EXPLORE, "")])
@example([Action(None, "<\\"), Action(Meta.CONTINUE, "\\|continue|>")])
def test_a_chain_that_was_written_is_read_as_it_was(actions: list[Action]) -> None:
    assert parse_coat(write_coat(actions)) == actions


@given(HOSTILE)
@example("<\\\\|reflect|>")
@example("")
def test_a_text_that_was_read_is_written_as_it_was(text: str) -> None:
    assert write_coat(parse_coat(text)) == text


@settings(max_examples=40)
@given(CHAINS.filter(bool))
def test_a_chain_in_a_graph_is_written_and_read_as_it_was(actions: list[Action]) -> None:
    graph = ThoughtGraph.of(Problem(id="p", prompt="What is <|reflect|>?"))
    last = grow(graph, actions)
    assert coat_actions(graph, last) == actions
    assert parse_coat(coat_text(graph, last)) == actions


@settings(max_examples=40)
@given(CHAINS.filter(bool))
def test_a_solution_that_steps_led_to_ends_with_an_action_of_its_own(actions: list[Action]) -> None:
    graph = ThoughtGraph.of(Problem(id="p", prompt="?"))
    *before, (meta, text) = actions
    at = grow(graph, before)
    solution = Thought("end.0", ThoughtKind.SOLUTION, "".join(said for _, said in actions))
    graph.add(solution, [at], Relation.GENERATES if meta is None else meta.relation)
    assert parse_coat(coat_text(graph, solution)) == actions
    assert text == coat_actions(graph, solution)[-1].text


def grow(graph: ThoughtGraph, actions: list[Action]) -> Thought:
    at = graph.root
    for i, (meta, text) in enumerate(actions):
        step = Thought(f"s{i}.0", ThoughtKind.STEP, text)
        graph.add(step, [at], Relation.GENERATES if meta is None else meta.relation)
        at = step
    return at


def test_the_tokens_are_those_of_the_paper() -> None:
    actions = [Action(meta, f" {i}\n") for i, meta in enumerate(Meta)]
    assert write_coat(actions) == "<|continue|> 0\n<|reflect|> 1\n<|explore|> 2\n"


def test_a_quoted_token_is_no_action() -> None:
    text = write_coat([Action(Meta.CONTINUE, "Write <|reflect|> to reflect.")])
    assert text.count("<|reflect|>") == 0
    assert [action.meta for action in parse_coat(text)] == [Meta.CONTINUE]


def test_only_the_three_tokens_are_actions() -> None:
    text = "<|Reflect|><|im_end|><| reflect|><|reflects|>< |reflect|>"
    assert parse_coat(text) == [Action(None, text)]


def test_a_conclusion_is_no_action() -> None:
    graph = ThoughtGraph.of(Problem(id="p", prompt="?"))
    at = grow(graph, [Action(Meta.CONTINUE, "a")])
    end = Thought("end.0", ThoughtKind.SOLUTION, "a, tidied", operation=CHAIN)
    graph.add(end, [at], Relation.CONTINUES)
    assert coat_text(graph, end) == "<|continue|>a"


@pytest.mark.parametrize(
    "actions",
    [
        [Action(None, "")],
        [Action(Meta.REFLECT, "a"), Action(None, "b")],
    ],
)
def test_a_text_without_meta_action_stands_first_or_not_at_all(actions: list[Action]) -> None:
    with pytest.raises(DataError, match="no meta-action"):
        write_coat(actions)


def test_what_is_no_chain_is_refused() -> None:
    graph = ThoughtGraph.of(Problem(id="p", prompt="?"))
    draft = Thought("d.0", ThoughtKind.SOLUTION, "draft")
    graph.add(draft, [graph.root], Relation.GENERATES)
    critique = Thought("c.0", ThoughtKind.CRITIQUE, "no")
    graph.add(critique, [draft], Relation.CRITIQUES)
    refined = Thought("r.0", ThoughtKind.SOLUTION, "better")
    graph.add(refined, [draft, critique], Relation.REFINES)
    for thought, message in [(critique, "is a critique"), (refined, "refines the one before")]:
        with pytest.raises(DataError, match=message):
            coat_text(graph, thought)
    assert coat_text(graph, draft) == "draft"
    assert coat_text(graph, graph.root) == ""
