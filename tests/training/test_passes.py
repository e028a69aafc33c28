"""pass@k and maj@k against hand-worked numbers, and against every subset."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cogitate as cg
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training.passes import (
    Samples,
    maj_at_k,
    pass_at_k,
    passes,
    samples_of_episodes,
    samples_of_graph,
    tally,
)


@pytest.mark.parametrize(
    ("total", "right", "k", "expected"),
    [
        (4, 1, 1, 1 / 4),
        (4, 1, 2, 1 / 2),  # 3 of the 6 pairs hold the right one
        (5, 2, 3, 9 / 10),  # only 1 of 10 triples misses both
        (10, 0, 10, 0),
        (10, 1, 10, 1),
        (5, 4, 2, 1),  # one wrong sample cannot fill a pair
    ],
)
def test_pass_at_k_is_the_share_of_subsets_worked_by_hand(
    total: int, right: int, k: int, expected: float
) -> None:
    assert pass_at_k(total, right, k) == pytest.approx(expected, rel=1e-12)


def votes(*groups: tuple[int, bool], silent: int = 0) -> Samples:
    return Samples(
        problem="p",
        total=sum(n for n, _ in groups) + silent,
        right=sum(n for n, right in groups if right),
        groups=groups,
    )


@pytest.mark.parametrize(
    ("samples", "k", "expected"),
    [
        (votes((2, True), (1, False)), 3, 1),
        (votes((2, True), (1, False)), 1, 2 / 3),
        # RR is right; RW twice is a tie, worth one half each
        (votes((2, True), (1, False)), 2, (1 + 2 * 0.5) / 3),
        (votes((1, True), (3, False)), 3, 0),
        # one of three pairs holds no vote at all, the other two are right
        (votes((1, True), silent=2), 2, 2 / 3),
        (votes(silent=3), 2, 0),
    ],
)
def test_maj_at_k_is_the_vote_worked_by_hand(samples: Samples, k: int, expected: float) -> None:
    assert maj_at_k(samples, k) == pytest.approx(expected, rel=1e-12)


def over_every_subset(ballots: Sequence[int], right: Sequence[bool], k: int) -> Fraction:
    """Ballots name a group, -1 none."""
    total, count = Fraction(0), 0
    for subset in itertools.combinations(ballots, k):
        count += 1
        tally = Counter(ballot for ballot in subset if ballot >= 0)
        if tally:
            best = [g for g, n in tally.items() if n == max(tally.values())]
            total += Fraction(sum(right[g] for g in best), len(best))
    return total / count


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(-1, 3), min_size=1, max_size=9),
    st.tuples(*[st.booleans()] * 4),
    st.data(),
)
def test_maj_at_k_is_the_mean_over_every_subset(
    ballots: list[int], right: tuple[bool, ...], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(ballots)))
    counted = Counter(ballot for ballot in ballots if ballot >= 0)
    samples = votes(*((n, right[g]) for g, n in counted.items()), silent=ballots.count(-1))
    assert maj_at_k(samples, k) == pytest.approx(float(over_every_subset(ballots, right, k)))


def test_answers_vote_by_the_equality_of_their_task() -> None:
    half = Problem(id="half", prompt="A half?", reference="0.5", kind="numeric")
    found = asyncio.run(tally(half, ["0.5", "2", "1/2", None], [True, False, True, False]))
    assert (found.total, found.right, found.groups) == (4, 2, ((2, True), (1, False)))
    with pytest.raises(DataError, match="for each sample"):
        asyncio.run(tally(half, ["1"], []))


def test_the_mean_is_over_problems_with_enough_samples() -> None:
    found = passes([votes((1, True), (3, False)), votes((2, True)), votes((1, True))], 2)
    assert (found.problems, found.left_out) == (2, 1)
    # maj of the first: 3 of 6 pairs are wrong twice, 3 are ties
    assert found.pass_at_k == 0.75
    assert found.maj_at_k == pytest.approx((0.25 + 1) / 2)
    # (0.75 + z²/4 ± z sqrt(0.1875/2 + z²/16)) / (1 + z²/2), z = 1.96
    assert found.pass_interval == pytest.approx((0.1979, 0.9733), abs=5e-5)
    with pytest.raises(ConfigError, match="draw more"):
        passes([votes((1, True))], 2)


def test_episodes_and_the_asks_of_a_graph_are_samples() -> None:
    problem = Problem(id="p", prompt="6 * 7?", reference="42")
    replies = ["Answer: 42", "Answer: 41", "Answer: 42.0", "I do not know"]

    def reply(request: Request) -> str:
        return replies[request.sample]

    solved = cg.solve(problem, cg.Team.of(Scripted(reply)), cg.SelfConsistency(n=4))
    cg.training.grade([solved.graph])
    one = asyncio.run(samples_of_graph(solved.graph))
    assert one is not None
    assert (one.total, one.right, one.groups) == (4, 2, ((2, True), (1, False)))

    runs = [cg.run([problem], cg.Team.of(Scripted([text])), cg.Direct()) for text in replies]
    [many] = asyncio.run(samples_of_episodes(e for run in runs for e in run.episodes))
    assert many == one
    assert asyncio.run(samples_of_graph(ThoughtGraph.of(problem))) is None


def test_refinements_are_no_samples_of_the_first_prompt() -> None:
    graph = ThoughtGraph.of(Problem(id="p", prompt="6 * 7?", reference="42"))
    drafts = []
    for i in range(3):
        draft = Thought(f"d.{i}", ThoughtKind.SOLUTION, "41", answer="41", about=graph.root.id)
        graph.add(draft, [graph.root])
        graph.score(draft, "grader", 0)
        drafts.append(draft)
    better = Thought("r.0", ThoughtKind.SOLUTION, "42", answer="42", about=graph.root.id)
    graph.add(better, [drafts[0]], Relation.REFINES)
    graph.score(better, "grader", 1)
    found = asyncio.run(samples_of_graph(graph))
    assert found is not None and (found.total, found.right) == (3, 0)
