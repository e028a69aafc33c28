"""The bookkeeping of a tree search, against numbers worked by hand."""

from collections.abc import Sequence

import pytest

from cogitate.graphs import Thought, ThoughtKind
from cogitate.graphs.strategies.search_tree import Child, Edge, Node, SearchTree, priors


def thought(name: str, kind: ThoughtKind = ThoughtKind.STEP) -> Thought:
    return Thought(f"{name}.0", kind, name)


def children(names: str, kind: ThoughtKind = ThoughtKind.STEP) -> list[Child]:
    return [Child(thought(name, kind), name.encode(), 1 / len(names)) for name in names]


def planted(
    visits: Sequence[int],
    totals: Sequence[float],
    *,
    c: float = 1.0,
    policy: str = "uct",
    backup: str = "mean",
    likely: Sequence[float] = (),
    loss: float = 1.0,
) -> tuple[SearchTree, list[Edge]]:
    """A root whose children were visited so often, and brought so much."""
    tree = SearchTree(
        Node(thought("root", ThoughtKind.PROBLEM), 0),
        exploration=c,
        policy=policy,  # type: ignore[arg-type]  # one of its words, from a parameter of a test
        backup=backup,  # type: ignore[arg-type]
        virtual_loss=loss,
    )
    edges = tree.grow(tree.root, children("abcd"[: len(visits)]))
    for edge, count, total, prior in zip(edges, visits, totals, likely or totals, strict=True):
        edge.started = edge.visits = count
        edge.total, edge.prior = total, prior
        edge.best = total / count if count else 0.0
    return tree, edges


def chosen(tree: SearchTree) -> str:
    return tree.select().leaf.thought.text


def test_uct_weighs_the_mean_value_against_the_visits() -> None:
    # a: 2.4 / 3 + c sqrt(ln 4 / 3) = 0.8 + 0.67978 c; b: 0.3 / 1 + c sqrt(ln 4) = 0.3 + 1.17741 c.
    # They are equal at c = 0.5 / 0.49763 = 1.00476.
    assert chosen(planted([3, 1], [2.4, 0.3], c=1.004)[0]) == "a"
    assert chosen(planted([3, 1], [2.4, 0.3], c=1.006)[0]) == "b"


def test_uct_takes_what_nobody_tried_first_in_its_order() -> None:
    tree, _ = planted([5, 0, 0], [5.0, 0.0, 0.0], c=0.0)
    assert [chosen(tree), chosen(tree)] == ["b", "c"]


def test_puct_weighs_the_value_against_prior_and_visits() -> None:
    # sqrt(16) = 4. a: 0.5 + c 0.2 4 / 13 = 0.5 + 0.06154 c; b: 0.3 + c 0.7 4 / 5 = 0.3 + 0.56 c;
    # c: 0 + c 0.1 4 / 1 = 0.4 c, for nobody tried it. a = b at c = 0.2 / 0.49846 = 0.40123.
    counts, totals, likely = [12, 4, 0], [6.0, 1.2, 0.0], [0.2, 0.7, 0.1]
    assert chosen(planted(counts, totals, c=0.401, policy="puct", likely=likely)[0]) == "a"
    assert chosen(planted(counts, totals, c=0.402, policy="puct", likely=likely)[0]) == "b"


def test_puct_begins_with_the_likeliest() -> None:
    tree, _ = planted([0, 0], [0.0, 0.0], policy="puct", likely=[0.5, 0.5])
    assert chosen(tree) == "a"
    # Now sqrt(1) = 1 and a counts as a loss. a: 0 + 0.5 / 2 = 0.25; b: 0 + 0.5 / 1.
    assert chosen(tree) == "b"


def test_a_simulation_under_way_counts_as_a_loss() -> None:
    # c = 0: a 1.6 / 2 = 0.8, b 0.6 / 1 = 0.6. With one loss a is 1.6 / 3 = 0.53.
    tree, (a, _) = planted([2, 1], [1.6, 0.6], c=0.0)
    path = tree.select().path
    assert path == [a]
    assert chosen(tree) == "b"
    # Its value came: a is 2.6 / 3 = 0.87 again; b is 0.6 / 2 until its own comes.
    tree.back_up(path, 1.0)
    assert (a.started, a.visits, a.total) == (3, 3, 2.6)
    assert chosen(tree) == "a"


def test_a_virtual_loss_can_be_a_part_of_the_value() -> None:
    # One of three is under way: a's 0.8 becomes 0.8 (1 - 0.25 / 3) = 0.7333, against 0.73 and 0.74.
    assert [chosen(tree) for tree, _ in [planted([2, 1], [1.6, 0.73], c=0.0, loss=0.25)] * 2] == [
        "a",
        "a",
    ]
    assert [chosen(tree) for tree, _ in [planted([2, 1], [1.6, 0.74], c=0.0, loss=0.25)] * 2] == [
        "a",
        "b",
    ]


def test_the_maximum_is_backed_up_where_that_is_wanted() -> None:
    mean, edges = planted([1, 2], [0.8, 1.0], c=0.0)
    mean.back_up([edges[1]], 0.9)
    assert (edges[1].visits, edges[1].total, edges[1].best) == (3, 1.9, 0.9)
    edges[1].started = 3
    assert chosen(mean) == "a"  # 0.8 against 1.9 / 3
    maximum, edges = planted([1, 2], [0.8, 1.0], c=0.0, backup="max")
    maximum.back_up([edges[1]], 0.9)
    edges[1].started = 3
    assert chosen(maximum) == "b"  # 0.8 against 0.9
    assert chosen(maximum) == "a"  # 0.9 * 3 / 4 = 0.675 while one is under way


def test_values_are_told_over_all_ways_to_a_node() -> None:
    tree, (a, b) = planted([3, 1], [2.4, 0.0])
    [way] = tree.grow(b.child, [Child(thought("a"), b"a", 1.0)])
    tree.back_up([b, way], 0.8)
    assert way.child is a.child
    visits, value = tree.values()[a.child]
    assert (visits, value) == (4, pytest.approx(0.8))
    assert tree.values()[b.child] == (2, 0.4)


def test_priors_are_the_softmax_of_log_probabilities() -> None:
    # exp(0) : exp(-1) = 1 : 0.36788
    assert priors([-700.0, -701.0]) == pytest.approx([0.73106, 0.26894], abs=1e-5)
    assert priors([]) == []


def test_equal_states_are_one_node_with_visits_on_each_edge() -> None:
    tree, (a, b) = planted([1, 1], [0.5, 0.5])
    [ax] = tree.grow(a.child, children("x"))
    bx, by = tree.grow(b.child, children("xy"))
    assert bx.child is ax.child
    assert bx.child.thought is ax.child.thought
    assert bx.child.parents == (a.child, b.child)
    tree.back_up([b, bx], 1.0)
    assert (ax.visits, bx.visits, by.visits) == (0, 1, 0)
    assert tree.merged == 1


def test_no_merge_closes_a_cycle() -> None:
    tree, (a, b) = planted([1, 1], [0.5, 0.5])
    [ax] = tree.grow(a.child, children("x"))
    again, itself, other = tree.grow(ax.child, children("axb"))
    assert again.child is not a.child  # a leads to x
    assert itself.child is not ax.child
    assert other.child is b.child
    [back] = tree.grow(b.child, children("a"))
    assert back.child.parents == (b.child,)  # a leads to b now
    assert not cyclic(tree)


def cyclic(tree: SearchTree) -> bool:
    def visit(node: Node, above: tuple[Node, ...]) -> bool:
        return node in above or any(visit(edge.child, (*above, node)) for edge in node.edges or ())

    return visit(tree.root, ())


def test_a_cycle_through_a_merge_is_refused_too() -> None:
    tree, (a, b) = planted([1, 1], [0.5, 0.5])
    [ab] = tree.grow(a.child, children("b"))
    assert ab.child is b.child
    [ba] = tree.grow(b.child, children("a"))  # a leads to b by the merge alone
    assert ba.child is not a.child
    assert not cyclic(tree)


def test_a_tree_is_exhausted_when_all_its_ends_are_known() -> None:
    tree, (a, b) = planted([1, 1], [0.5, 0.5])
    x, y = tree.grow(a.child, children("xy", ThoughtKind.SOLUTION))
    assert tree.finish(x.child, 0.7) == 0.7
    assert tree.finish(x.child, 0.9) == 0.7
    assert not a.child.exhausted
    tree.finish(y.child, 0.1)
    assert a.child.exhausted and not tree.root.exhausted
    [bx] = tree.grow(b.child, children("x", ThoughtKind.SOLUTION))
    assert bx.child is x.child
    assert tree.root.exhausted


def test_a_node_from_which_nothing_led_on_is_worth_nothing_and_exhausted() -> None:
    tree, (a, _) = planted([1, 1], [0.5, 0.5])
    assert tree.grow(a.child, []) == []
    assert a.child.exhausted and a.child.value == 0.0


def test_the_most_visited_path_ends_where_nobody_went_on() -> None:
    tree, (_, b) = planted([3, 5], [3.0, 1.0])
    x, y = tree.grow(b.child, children("xy"))
    assert tree.most_visited() is b.child
    x.visits, y.visits, y.total = 2, 2, 0.5
    assert tree.most_visited() is y.child
