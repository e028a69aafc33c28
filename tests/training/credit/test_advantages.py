"""Advantages, labels, penalties and restarts, against numbers worked by hand."""

import math

import pytest

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.tasks import Problem
from cogitate.training.credit import (
    GroupRelative,
    LeaveOneOut,
    MonteCarloSteps,
    ProcessGroupRelative,
    gae,
    group_relative,
    leave_one_out,
    length_reward,
    overlong_penalty,
    process_group_relative,
    reflection_bonus,
    restart_states,
    satori_reward,
)


def begun() -> ThoughtGraph:
    return ThoughtGraph.of(Problem(id="p", prompt="6 * 7?", reference="42"))


def put(
    graph: ThoughtGraph,
    name: str,
    parent: Thought,
    kind: ThoughtKind,
    operation: str,
    relation: Relation = Relation.CONTINUES,
    **scores: float,
) -> Thought:
    text = name if kind is ThoughtKind.STEP else f"{graph.text(parent)}{name}"
    text = name if parent.kind is ThoughtKind.PROBLEM else text
    thought = Thought(name, kind, text, operation=operation, about=graph.root.id)
    graph.add(thought, [parent], relation)
    for source, value in scores.items():
        graph.score(thought, source, value)
    return thought


def sampled(*grades: float) -> ThoughtGraph:
    graph = begun()
    for i, grade in enumerate(grades):
        put(graph, f"g.{i}", graph.root, ThoughtKind.SOLUTION, "generate", grader=grade)
    return graph


def test_group_relative_divides_by_the_deviation_and_dr_grpo_does_not() -> None:
    found = GroupRelative(epsilon=0)(sampled(1, 0, 0, 1)).credits
    assert [found[f"g.{i}"][0].value for i in range(4)] == [1, -1, -1, 1]
    found = GroupRelative(scale="none")(sampled(1, 0, 0, 1)).credits
    assert [found[f"g.{i}"][0].value for i in range(4)] == [0.5, -0.5, -0.5, 0.5]


def test_leave_one_out_leaves_itself_out() -> None:
    found = LeaveOneOut()(sampled(1, 0, 0)).credits
    assert [found[f"g.{i}"][0].value for i in range(3)] == [1, -0.5, -0.5]
    assert LeaveOneOut()(sampled(1)).counts == {"groups": 0, "equal": 0, "alone": 1}


def test_groups_that_are_all_equal_give_zeros_and_are_counted() -> None:
    for method in (GroupRelative(epsilon=0), LeaveOneOut()):
        found = method(sampled(1, 1, 1))
        assert [c[0].value for c in found.credits.values()] == [0, 0, 0]
        assert found.counts["equal"] == 1
    assert group_relative([0.1] * 3, epsilon=0) == leave_one_out([0.1] * 3) == [0, 0, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(bad: float) -> None:
    for call in (
        lambda: group_relative([1, bad]),
        lambda: leave_one_out([bad, 1]),
        lambda: process_group_relative([[bad]]),
        lambda: gae([bad], [0], 1, 1),
        lambda: satori_reward(True, bad),
    ):
        with pytest.raises(DataError, match="finite"):
            call()


def test_steps_are_normalised_over_the_whole_group_and_summed_to_the_end() -> None:
    # Mean of 1, 0, 0, 1, 1, 0 is 1/2, deviation 1/2: 1, -1, -1 and 1, 1, -1.
    assert process_group_relative([[1, 0, 0], [1, 1, 0]], epsilon=0) == [[-1, -2, -1], [1, 0, -1]]
    # Each trajectory by itself would give zeros here.
    assert process_group_relative([[1, 1], [0]], epsilon=0)[0][1] == pytest.approx(0.5**0.5)


def test_a_shared_step_has_an_advantage_in_each_trajectory() -> None:
    graph = begun()
    step = put(graph, "s.0", graph.root, ThoughtKind.STEP, "step", Relation.GENERATES, prm=1)
    put(graph, "e.0", step, ThoughtKind.SOLUTION, "step", grader=1, prm=0)
    put(graph, "e.1", step, ThoughtKind.SOLUTION, "step", grader=0, prm=1)
    put(graph, "e.2", step, ThoughtKind.SOLUTION, "step")
    found = ProcessGroupRelative(epsilon=0)(graph)
    # 1, 1 and 1, 0: mean 3/4, deviation sqrt(3)/4; the grade counts and not what the model said.
    one, low = 1 / math.sqrt(3), -math.sqrt(3)
    assert [c.value for c in found.credits["s.0"]] == pytest.approx([2 * one, one + low])
    assert [c.trajectory for c in found.credits["s.0"]] == ["e.0", "e.1"]
    assert found.counts == {"trajectories": 2, "unscored": 1}


def test_math_shepherd_labels() -> None:
    graph = begun()
    for s, grades in enumerate(([0, 1, 1, 0], [0, 0, 0, 1], [1, 1])):
        step = put(graph, f"s.{s}", graph.root, ThoughtKind.STEP, "step", Relation.GENERATES)
        for i, grade in enumerate(grades):
            put(graph, f"f{s}.{i}", step, ThoughtKind.SOLUTION, "finish", grader=grade)
    hard, soft = MonteCarloSteps(3)(graph), MonteCarloSteps(3, label="soft")(graph)
    assert {name: c[0].value for name, c in hard.credits.items()} == {"s.0": 1, "s.1": 0}
    assert {name: c[0].value for name, c in soft.credits.items()} == {"s.0": 2 / 3, "s.1": 0}
    assert hard.counts == {"labelled": 2, "too few": 1}
    assert soft.credits["s.0"][0].interval == pytest.approx((0.0943, 0.9916), abs=1e-4)
    with pytest.raises(ConfigError, match="at least one"):
        MonteCarloSteps(0)


def test_gae_by_hand() -> None:
    # delta = 0 + .9*.4 - .5 = -.14 and 1 + .9*.2 - .4 = .78; .9 * .5 * .78 = .351.
    assert gae([0, 1], [0.5, 0.4], 0.9, 0.5, bootstrap=0.2) == pytest.approx([0.211, 0.78])
    assert gae([0, 1], [0.5, 0.5], 1, 0) == [0, 0.5]
    with pytest.raises(DataError, match="one for each"):
        gae([0, 1], [0.5], 1, 1)


def test_length_costs_what_kimi_and_dapo_say() -> None:
    assert length_reward([100, 300, 100, 300], [True, True, False, False]) == [0.5, -0.5, 0, -0.5]
    assert length_reward([7, 7], [True, False]) == [0, 0]
    slope = [overlong_penalty(n, limit=100, cache=20) for n in (0, 80, 85, 100, 101)]
    assert slope == [0, 0, -0.25, -1, -1]


def test_satoris_reward_by_hand() -> None:
    assert satori_reward(True, 0) == 0.5
    assert satori_reward(False, math.log(3), reflection_bonus(True, False)) == pytest.approx(-0.75)
    assert satori_reward(True, -1e9) == 0
    assert reflection_bonus(False, True) == 0.5
    assert [reflection_bonus(a, b) for a, b in ((None, True), (True, True), (False, False))] == [
        0,
        0,
        0,
    ]


def test_restarts_back_up_at_most_t_actions_and_reflect() -> None:
    graph = begun()
    a = put(graph, "a.0", graph.root, ThoughtKind.STEP, "step", Relation.GENERATES)
    b = put(graph, "b.0", a, ThoughtKind.STEP, "step")
    put(graph, "c.0", b, ThoughtKind.SOLUTION, "step", grader=0)
    graph.thought("c.0").text = "a.0b.0c.0"
    put(graph, "d.0", graph.root, ThoughtKind.SOLUTION, "generate", Relation.GENERATES, grader=1)
    states = restart_states(graph, back=2)
    assert [(s.text, s.back, s.right) for s in states] == [
        ("", 0, None),
        ("d.0<|reflect|>", 0, True),
        ("a.0<|continue|>b.0<|continue|>c.0<|reflect|>", 0, False),
        ("a.0<|continue|>b.0<|reflect|>", 1, False),
        ("a.0<|reflect|>", 2, False),
    ]
