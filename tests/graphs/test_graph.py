"""The thought graph: a networkx graph, ids that say where, lossless saving, drawing."""

import asyncio
import io
import json
import random
from fractions import Fraction

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cogitate as cg
from cogitate.graphs import Relation, Thought, ThoughtKind, Tokens
from cogitate.graphs.render import one_line
from cogitate.inference import Message, Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


def refined(rounds: int = 2, latency: float = 0.0) -> cg.ThoughtGraph:
    def reply(request: Request) -> str:
        if request.operation == "critique":
            return "Wrong.\nAccept: no"
        return f"{request.position}\nAnswer: {request.position[:3]}"

    engine = Scripted(reply, latency=latency)
    return cg.solve(PROBLEM, cg.Team.of(engine), cg.SelfRefine(rounds)).graph


def test_networkx_algorithms_work_on_it() -> None:
    graph = refined()
    assert isinstance(graph, nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    assert nx.dag_longest_path_length(graph) == 5
    assert nx.get_node_attributes(graph, "kind")[graph.root.id] == "problem"
    assert len(graph.subgraph([graph.root.id])) == 1
    assert len(nx.transitive_reduction(graph)) == len(graph)
    assert nx.transitive_closure(graph.reverse()).out_degree(graph.root.id) == 0


def test_networkx_exporters_write_it() -> None:
    graph = refined()
    graph.add(Thought("x.0", ThoughtKind.SOLUTION, "a\x00\x1b[31m<b>"), [graph.root])
    for write, read in [
        (nx.write_graphml, nx.read_graphml),
        (nx.write_gexf, nx.read_gexf),
        (nx.write_gml, nx.read_gml),
    ]:
        file = io.BytesIO()
        write(graph, file)
        file.seek(0)
        assert len(read(file)) == len(graph), write
    assert json.dumps(nx.node_link_data(graph))


def test_a_plain_networkx_copy_has_plain_attributes() -> None:
    plain = nx.DiGraph(refined())
    assert type(plain) is nx.DiGraph
    assert {type(data) for _, data in plain.nodes(data=True)} == {dict}


def test_a_copy_is_of_its_own_and_keeps_the_order_of_parents() -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    for name in ("b.0", "a.0"):
        graph.add(Thought(name, ThoughtKind.SOLUTION, name), [graph.root])
    graph.add(
        Thought("c.0", ThoughtKind.SOLUTION, "c"), [graph.thought("a.0"), graph.thought("b.0")]
    )
    copy = graph.copy()
    assert copy.to_json() == graph.to_json() == graph.copy(as_view=True).to_json()
    copy.score(copy.thought("c.0"), "judge", 1)
    assert graph.thought("c.0").scores == {}


def test_a_part_of_it_can_be_copied_as_networkx_algorithms_do() -> None:
    graph = refined()
    *_, last = graph.in_order()
    around = nx.ego_graph(graph, last.id, undirected=True)
    assert isinstance(around, cg.ThoughtGraph)
    assert len(around) == 3
    assert around.thought(last.id).text == last.text
    assert [p.id for p in around.parents(around.thought(last.id))] == [
        p.id for p in graph.parents(last)
    ]


def test_a_node_is_its_thought_and_an_edge_carries_its_relation() -> None:
    graph = refined(rounds=1)
    draft, *_ = graph.thoughts(ThoughtKind.SOLUTION)
    assert graph.nodes[draft.id] is draft
    assert graph.edges[graph.root.id, draft.id]["relation"] == Relation.GENERATES


def test_ids_say_where_a_thought_stands() -> None:
    assert refined().to_json() == refined(latency=0.001).to_json()
    other = cg.tasks.Problem(id="q", prompt=PROBLEM.prompt)
    team = cg.Team.of(Scripted(["Answer: 1"]))
    first = cg.solve(PROBLEM, team, cg.Direct()).thought
    second = cg.solve(other, team, cg.Direct()).thought
    assert first is not None and second is not None and first.id != second.id


def test_equal_runs_have_equal_graphs_under_any_scheduling() -> None:
    def run(order: int) -> str:
        chance = random.Random(order)

        class Jittery(Scripted):
            async def complete(self, request: Request) -> list[cg.inference.Completion]:
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                return await super().complete(request)

        engine = Jittery(lambda r: f"{r.operation} {r.sample} {len(r.messages[-1].content)}")
        team = cg.Team.of(engine)
        return cg.solve(PROBLEM, team, cg.GenerateCritiqueRefine(k=5)).graph.to_json()

    assert len({run(order) for order in range(50)}) == 1


def test_a_graph_from_the_middle_of_a_search_loads_equal() -> None:
    texts: list[tuple[str, str]] = []

    async def watched(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        for _ in range(3):
            text = d.graph.to_json()
            texts.append((text, cg.ThoughtGraph.from_json(text).to_json()))
            draft = await d.refine(draft, await d.critique(draft))
        return draft

    cg.solve(PROBLEM, cg.Team.of(Scripted(lambda r: f"Answer: {r.position}")), watched)
    assert len(texts) == 3
    assert all(before == after for before, after in texts)


def test_loading_keeps_order_of_parents_prompts_tokens_and_scores() -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    prompt = (Message("user", "Q"),)
    tokens = Tokens((1, 2), (3, 4), (-0.1, -1e-300))
    first = Thought("z.0", ThoughtKind.SOLUTION, "a", prompt=prompt, tokens=tokens)
    second = Thought("b.0", ThoughtKind.SOLUTION, "b", prompt=prompt, logprobs_alone=(-0.5,))
    merged = Thought("c.0", ThoughtKind.SOLUTION, "c")
    graph.add(first, [graph.root])
    graph.add(second, [graph.root])
    graph.add(merged, [first, second], Relation.AGGREGATES)
    graph.score(merged, "judge", 0.1)
    graph.score(merged, "grader", 1.0)
    again = cg.ThoughtGraph.from_json(graph.to_json())
    assert [t.id for t in again.parents(again.thought("c.0"))] == ["z.0", "b.0"]
    assert again.thought("z.0").tokens == tokens
    assert again.thought("z.0").prompt == prompt
    assert again.thought("b.0").logprobs == (-0.5,)
    assert list(again.thought("c.0").scores.items()) == [("judge", 0.1), ("grader", 1.0)]
    assert again.thought("c.0").score == 1.0
    assert graph.to_json().count('"Q"') == 1


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_valid_text_survives_saving_and_drawing(text: str, answer: str) -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    graph.add(Thought("a.0", ThoughtKind.SOLUTION, text, answer=answer), [graph.root])
    again = cg.ThoughtGraph.from_json(graph.to_json()).thought("a.0")
    assert (again.text, again.answer) == (text, answer)
    assert len(graph.to_tree().splitlines()) == 3
    assert len(graph.to_mermaid().splitlines()) == 4


def test_drawings_disarm_control_and_direction_characters() -> None:
    assert one_line("a\x1b[2J\u202eb\x00", 40) == "a\ufffd[2J\ufffdb\ufffd"
    graph = cg.ThoughtGraph.of(PROBLEM)
    graph.add(Thought("a.0", ThoughtKind.SOLUTION, 'say "hi"</b>\x1b[31m'), [graph.root])
    graph.score(graph.root, "judge\x1b[2J", 0.5)
    assert "\x1b" not in graph.to_tree() + graph.to_mermaid()
    assert "</b>" not in graph.to_mermaid()


def test_a_chain_of_thousands_is_saved_loaded_and_drawn_in_proportion_to_its_length() -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    last = graph.root
    for number in range(5_000):
        thought = Thought(f"{number:x}.0", ThoughtKind.SOLUTION, "x")
        graph.add(thought, [last])
        last = thought
    assert graph.in_order()[-1] is last
    assert len(cg.ThoughtGraph.from_json(graph.to_json())) == 5_001
    lines = graph.to_tree().splitlines()
    assert len(lines) == 10_001
    assert max(map(len, lines)) < 200


def test_a_tree_hangs_each_thought_below_the_latest_it_was_made_from() -> None:
    lines = refined(rounds=1).to_tree().splitlines()
    assert lines[0] == "problem: What is 6 * 7?"
    assert lines[1].startswith("└─ generates → solution · by generator")
    assert lines[3].startswith("   └─ critiques → critique · by critic · rejects")
    assert lines[5].startswith("      └─ refines → solution · by refiner")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "JSON"),
        ("[1]", "object"),
        ('{"format": "other"}', "format"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_a_text_that_is_no_graph_is_refused_with_what_is_wrong(text: str, where: str) -> None:
    with pytest.raises(cg.DataError, match=where):
        cg.ThoughtGraph.from_json(text)


def test_forged_graphs_are_refused() -> None:
    record = json.loads(refined().to_json())
    for change in (
        lambda r: r["thoughts"][1].update(kind="oracle"),
        lambda r: r["thoughts"][1].update(scores={"grader": float("nan")}),
        lambda r: r["thoughts"][1].update(parents=[["nowhere.0", "refines"]]),
        lambda r: r["thoughts"][1].update(prompt=99),
        lambda r: r["thoughts"].append(r["thoughts"][1]),
        lambda r: r["thoughts"].append({"id": "x.0", "kind": "problem", "text": ""}),
        lambda r: r["thoughts"][1].update(extra=1),
        lambda r: r["thoughts"][-1].update(id="no number"),
        lambda r: r["thoughts"][-1].update(id="a.\u00b2"),
        lambda r: r["thoughts"][-1].update(id="a.00"),
        lambda r: r["thoughts"][-1].update(id="a." + "9" * 5_000),
        lambda r: r["thoughts"][-1].update(parents=[[r["thoughts"][-1]["id"], "refines"]]),
    ):
        forged = json.loads(json.dumps(record))
        change(forged)
        with pytest.raises(cg.DataError):
            cg.ThoughtGraph.from_json(json.dumps(forged))


def test_scores_are_append_only_and_finite() -> None:
    graph = refined()
    graph.score(graph.root, "judge", 0.5)
    graph.score(graph.root, "judge", 0.5)
    with pytest.raises(cg.DataError, match="append-only"):
        graph.score(graph.root, "judge", 0.6)
    with pytest.raises(cg.DataError, match="finite"):
        graph.score(graph.root, "prm", float("nan"))


@pytest.mark.parametrize("value", [1, True, Fraction(1, 2)])
def test_a_score_of_any_number_type_is_saved_as_a_float(value: float) -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    graph.score(graph.root, "function", value)
    assert cg.ThoughtGraph.from_json(graph.to_json()).to_json() == graph.to_json()


def test_a_thought_cannot_be_added_twice_or_to_a_strange_parent() -> None:
    graph = refined()
    with pytest.raises(cg.DataError, match="already"):
        graph.add(Thought(graph.root.id, ThoughtKind.SOLUTION, "again"))
    with pytest.raises(cg.DataError, match="not in the graph"):
        graph.add(
            Thought("n.0", ThoughtKind.SOLUTION, "new"),
            [Thought("m.0", ThoughtKind.SOLUTION, "strange")],
        )
