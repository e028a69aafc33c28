"""How well each role did its part, read from the graphs of any strategy.

    critic    accepts what is right (sensitivity) and rejects what is wrong (specificity), against
              the grade of the very solution that it judged; one that did not say has neither
    refiner   repairs (wrong before, right after, of all that were wrong) and damages (right before,
              wrong after, of all that were right); the solution before is the one it refined

Several thoughts about one problem are alike: intervals are over problems (`clustered_interval`).
Left out: critiques of steps, and replies made from several solutions (aggregations, debates), for
which "before" is not one thing; they are counted as `several`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.rewards.format import keeps_format
from cogitate.training.share import Share, share_of

__all__ = ["RoleReport", "role_table", "roles"]


class RoleReport(BaseModel):
    """What the roles of a team did, over many graphs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graphs: int
    solutions: Share
    """Graded solutions of the whole problem that are right, whoever wrote them."""
    first: Share
    """Those of them that were made from the problem alone."""
    critic_accuracy: Share
    """Of critiques of one graded solution; silent ones count as wrong."""
    sensitivity: Share
    """Right solutions that were accepted."""
    specificity: Share
    """Wrong solutions that were rejected."""
    repaired: Share
    """Wrong solutions that are right after refinement."""
    damaged: Share
    """Right solutions that are wrong after refinement."""
    silent: int
    """Critiques that did not say whether they accept."""
    several: int
    """Critiques and refinements of more than one solution."""
    ungraded: int
    """Critiques and refinements of, or into, what no grader saw."""
    format_rate: Mapping[str, Share]
    """By role: solutions that mark an answer, critiques that accept or reject, verdicts that score;
    replies that failed keep no format."""
    completion_tokens: Mapping[str, int]
    """By role."""
    prompt_tokens: Mapping[str, int]


class _Tally:
    """The cases of each measure, while graphs are read."""

    def __init__(self) -> None:
        self.cases: dict[str, list[tuple[str, bool]]] = {}
        self.formats: dict[str, list[tuple[str, bool]]] = {}
        self.counts = {"silent": 0, "several": 0, "ungraded": 0}
        self.completion: dict[str, int] = {}
        self.prompt: dict[str, int] = {}

    def add(self, measure: str, graph: ThoughtGraph, right: bool) -> None:
        self.cases.setdefault(measure, []).append((graph.problem.id, right))


def roles(
    graphs: Iterable[ThoughtGraph], grades: Sequence[Mapping[str, float]] | None = None
) -> RoleReport:
    """Measure each role.

    Args:
        graphs: Finished ones; their solutions carry grades (harvesting writes them there).
        grades: What a grader gave besides, one mapping of thought ids for each graph.

    Raises:
        DataError: See `outcomes`.
    """
    graphs = list(graphs)
    tally = _Tally()
    given = grades if grades is not None else [{}] * len(graphs)
    for graph, more in zip(graphs, given, strict=True):
        graded = {name: is_right(grade) for name, grade in outcomes(graph, more).items()}
        for thought in graph.in_order():
            _count(tally, graph, thought, graded)
    found = {measure: share_of(cases) for measure, cases in tally.cases.items()}

    def share(measure: str) -> Share:
        return found.get(measure) or share_of([])

    return RoleReport(
        graphs=len(graphs),
        solutions=share("solutions"),
        first=share("first"),
        critic_accuracy=share("critic"),
        sensitivity=share("sensitivity"),
        specificity=share("specificity"),
        repaired=share("repaired"),
        damaged=share("damaged"),
        **tally.counts,
        format_rate={role: share_of(cases) for role, cases in sorted(tally.formats.items())},
        completion_tokens=dict(sorted(tally.completion.items())),
        prompt_tokens=dict(sorted(tally.prompt.items())),
    )


def _count(
    tally: _Tally, graph: ThoughtGraph, thought: Thought, graded: Mapping[str, bool]
) -> None:
    if thought.prompt is not None or thought.completion_tokens or thought.error:
        role = thought.role or "none"
        tally.completion[role] = tally.completion.get(role, 0) + thought.completion_tokens
        tally.prompt[role] = tally.prompt.get(role, 0) + thought.prompt_tokens
        if (kept := keeps_format(graph, thought)) is not None:
            tally.formats.setdefault(role, []).append((graph.problem.id, kept))
    if thought.kind is ThoughtKind.SOLUTION:
        if thought.id in graded:
            tally.add("solutions", graph, graded[thought.id])
            if all(parent.kind is ThoughtKind.PROBLEM for parent in graph.parents(thought)):
                tally.add("first", graph, graded[thought.id])
        _count_refinement(tally, graph, thought, graded)
    elif thought.kind is ThoughtKind.CRITIQUE:
        _count_critique(tally, graph, thought, graded)


def _count_critique(
    tally: _Tally, graph: ThoughtGraph, critique: Thought, graded: Mapping[str, bool]
) -> None:
    judged = _solutions_before(graph, critique, Relation.CRITIQUES)
    if len(judged) > 1:
        tally.counts["several"] += 1
    elif not judged:
        return
    elif judged[0] not in graded or not critique.text:
        tally.counts["ungraded"] += 1
    else:
        right = graded[judged[0]]
        tally.counts["silent"] += critique.accepts is None
        tally.add("critic", graph, critique.accepts is right)
        agrees = critique.accepts is right
        tally.add("sensitivity" if right else "specificity", graph, agrees)


def _count_refinement(
    tally: _Tally, graph: ThoughtGraph, after: Thought, graded: Mapping[str, bool]
) -> None:
    before = _solutions_before(graph, after, Relation.REFINES)
    if len(before) > 1:
        tally.counts["several"] += 1
    elif not before:
        return
    elif before[0] not in graded or after.id not in graded:
        tally.counts["ungraded"] += 1
    elif graded[before[0]]:
        tally.add("damaged", graph, not graded[after.id])
    else:
        tally.add("repaired", graph, graded[after.id])


def _solutions_before(graph: ThoughtGraph, thought: Thought, relation: Relation) -> list[str]:
    return [
        parent.id
        for parent in graph.parents(thought)
        if parent.kind is ThoughtKind.SOLUTION
        and graph.edges[parent.id, thought.id]["relation"] == relation
    ]


_ROWS: tuple[tuple[str, Callable[[RoleReport], Share]], ...] = (
    ("solutions that are right", lambda report: report.solutions),
    ("first solutions that are right", lambda report: report.first),
    ("critiques that agree with the grade", lambda report: report.critic_accuracy),
    ("right solutions accepted", lambda report: report.sensitivity),
    ("wrong solutions rejected", lambda report: report.specificity),
    ("wrong solutions repaired", lambda report: report.repaired),
    ("right solutions damaged", lambda report: report.damaged),
)


def role_table(report: RoleReport) -> str:
    """Return a report as a Markdown table."""
    lines = ["| measure | cases | share | 95% interval |", "| --- | ---: | ---: | ---: |"]
    rows = [(name, of(report)) for name, of in _ROWS]
    rows += [(f"format kept: {role}", share) for role, share in report.format_rate.items()]
    for name, one in rows:
        share = "none" if one.share is None else f"{one.share:.1%}"
        low, high = one.interval
        lines.append(f"| {name} | {one.right}/{one.total} | {share} | {low:.1%} to {high:.1%} |")
    return "\n".join(lines)
