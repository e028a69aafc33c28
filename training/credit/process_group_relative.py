"""Process group-relative advantages (GRPO with process supervision, Shao et al. 2024).

The rewards of all steps of all trajectories of a group are normalised together
(arXiv:2402.03300, 4.1.3); the advantage of a token, and so of the step that it is in, is the sum of
the normalised rewards of the steps that end at or after it. A step that several trajectories share
has an advantage in each of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cogitate.errors import ConfigError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.training.credit.group_relative import group_relative
from cogitate.training.credit.outcomes import outcomes
from cogitate.training.credit.record import Credit, Credited, Origin
from cogitate.training.described import described

__all__ = ["ProcessGroupRelative", "process_group_relative"]


def process_group_relative(
    rewards: Sequence[Sequence[float]], *, epsilon: float = 1e-4
) -> list[list[float]]:
    """Return the advantage of each step of each trajectory of a group.

    Args:
        rewards: Of each step, by trajectory; trajectories may differ in length.
        epsilon: Added to the standard deviation.

    Raises:
        DataError: A reward is no finite number.

    Example:
        >>> process_group_relative([[1, 0], [0, 1]], epsilon=0)
        [[0.0, -1.0], [0.0, 1.0]]
    """
    flat = group_relative([r for trajectory in rewards for r in trajectory], epsilon=epsilon)
    advantages, start = [], 0
    for trajectory in rewards:
        normalised = flat[start : start + len(trajectory)]
        advantages.append(list(accumulate(reversed(normalised)))[::-1])
        start += len(trajectory)
    return advantages


@described(
    "process-group-relative",
    paper="Shao et al. 2024, arXiv:2402.03300, 4.1.3",
    needs="trajectories of steps to one problem, with scores of the steps",
    costs="what scored the steps",
    pays="where a process model or roll-outs rate steps better than chance",
)
@dataclass(frozen=True)
class ProcessGroupRelative:
    """Compare the steps of all trajectories of a problem with each other."""

    source: str = "prm"
    """Whose scores are the rewards of steps; on a solution that a grader saw, its grade is."""
    epsilon: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse an epsilon that is no small number."""
        if not 0 <= self.epsilon < 1:
            raise ConfigError(f"ProcessGroupRelative(epsilon={self.epsilon}): give 0 <= it < 1")

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return an advantage for each step of each trajectory in which every step has a reward."""
        graded = outcomes(graph, grades)
        counts = Counter({"trajectories": 0, "unscored": 0})
        scored: list[list[tuple[Thought, float]]] = []
        for trajectory in _trajectories(graph):
            rewards = [graded.get(t.id, t.scores.get(self.source)) for t in trajectory]
            steps = [(t, r) for t, r in zip(trajectory, rewards, strict=True) if r is not None]
            if len(steps) == len(trajectory):
                scored.append(steps)
            else:
                counts["unscored"] += 1
        counts["trajectories"] = len(scored)
        rewards_GS = [[reward for _, reward in steps] for steps in scored]
        advantages_GS = process_group_relative(rewards_GS, epsilon=self.epsilon)
        parameters = (("source", self.source), ("epsilon", self.epsilon))
        origin = Origin("process-group-relative", 1, parameters, self.source)
        found: dict[str, list[Credit]] = {}
        for steps, advantages in zip(scored, advantages_GS, strict=True):
            for (thought, _), advantage in zip(steps, advantages, strict=True):
                credit = Credit(
                    thought=thought.id,
                    measure="advantage",
                    value=advantage,
                    samples=sum(map(len, rewards_GS)),
                    trajectory=steps[-1][0].id,
                    origin=origin,
                )
                found.setdefault(thought.id, []).append(credit)
        return Credited(found, dict(counts))


def _trajectories(graph: ThoughtGraph) -> list[list[Thought]]:
    """The steps that lead to each solution that continues steps, and the solution."""
    found = []
    for thought in graph.in_order():
        if thought.kind is ThoughtKind.SOLUTION and thought.text and graph.whole(thought):
            before = graph.parents(thought)
            if before and before[0].kind is ThoughtKind.STEP:
                found.append([*graph.path(before[0]), thought])
            elif before and before[0].kind is ThoughtKind.PROBLEM:
                found.append([thought])
    return found
