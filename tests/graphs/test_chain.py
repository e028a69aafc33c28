"""Steps of a text: each up to its separator, none blank, and nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cogitate as cg
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.chain import chain_of, split_steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        ("one", ["one"]),
        ("one\n\n", ["one\n\n"]),
        ("one\n\ntwo", ["one\n\n", "two"]),
        ("one\ntwo\n\nthree\n\n", ["one\ntwo\n\n", "three\n\n"]),
        ("one\n\n\n\ntwo", ["one\n\n\n\n", "two"]),
        ("one\n\n \n\n", ["one\n\n \n\n"]),
        ("\n\none\n\ntwo", ["\n\none\n\n", "two"]),
        ("\n\n\n", ["\n\n\n"]),
    ],
)
def test_a_step_is_the_text_up_to_and_including_a_blank_line(text: str, steps: list[str]) -> None:
    assert split_steps(text) == steps


def test_another_separator_may_end_a_step() -> None:
    assert split_steps("a. b. c", ". ") == ["a. ", "b. ", "c"]


@given(st.text(alphabet="a \n"), st.sampled_from(["\n", "\n\n", "a"]))
def test_steps_join_back_to_the_text_and_none_is_blank(text: str, separator: str) -> None:
    steps = split_steps(text, separator)
    assert "".join(steps) == text
    assert all(step.strip() for step in steps) or len(steps) == 1
    assert all(step.endswith(separator) or not step.strip() for step in steps[:-1])


def a_path(graph: ThoughtGraph, *texts: str) -> list[Thought]:
    path = [graph.root]
    for i, text in enumerate(texts):
        step = Thought(f"s{i}.0", ThoughtKind.STEP, text, about=graph.root.id)
        graph.add(step, [path[-1]], Relation.CONTINUES)
        path.append(step)
    return path[1:]


def test_the_steps_of_a_solution_are_those_it_was_written_in_and_then_its_text() -> None:
    graph = ThoughtGraph.of(cg.tasks.Problem(id="p", prompt="6 * 7?"))
    first, second = a_path(graph, "line one\n", "line two\n")
    assert chain_of(graph, second).texts == ("line one\n", "line two\n")

    whole = "line one\nline two\nline three\n\nAnswer: 42"
    solution = Thought("w.0", ThoughtKind.SOLUTION, whole, about=graph.root.id)
    graph.add(solution, [second])
    path, rest = chain_of(graph, solution)
    assert path == (first, second)
    assert rest == ("line three\n\n", "Answer: 42")

    rewritten = Thought("r.0", ThoughtKind.SOLUTION, "other\n\nAnswer: 42", about=graph.root.id)
    graph.add(rewritten, [second], Relation.REFINES)
    assert chain_of(graph, rewritten) == ((), ("other\n\n", "Answer: 42"))

    same = Thought("e.0", ThoughtKind.SOLUTION, "line one\nline two\n\n", about=graph.root.id)
    graph.add(same, [second])
    assert chain_of(graph, same) == ((first, second), ())
