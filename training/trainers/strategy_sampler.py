"""Rollouts by any strategy and any engine: think, find what the policy wrote, and reward it.

The reply that is trained is the strategy's result where the trained role wrote it, and else what
that role wrote last. Where it was written in steps, each going on from the tokens before it, the
steps are one stream; a step's reward is the score of `source` on it, the last one's the reward of
the whole. Other agents of the team may be on other models: their words are never trained.

An engine that is opened by name stays open from batch to batch and wears the adapter as its files
are now. Where all weights are trained, engines are opened anew for each batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from cogitate.agents import Team
from cogitate.errors import ConfigError, GraderError
from cogitate.graphs import Budget, Result, Strategy, Thought, ThoughtKind, asolve
from cogitate.graphs.gather import gather
from cogitate.inference import Engines, Prefix
from cogitate.tasks import Problem, grader_for
from cogitate.training.credit.outcomes import is_right
from cogitate.training.rewards import GroupReward, Member, Reward, Weighted, grade_of, keeps_format
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.begun import Begun
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights

__all__ = ["StrategySampler"]


@dataclass(kw_only=True)
class StrategySampler:
    """Samples by a strategy.

    A reward that compares the replies of a group is asked for the whole group; the parts of a
    weighted sum are kept for the log.
    """

    team: Callable[[CurrentWeights], Team]
    """Makes the team around the policy as it is now; the same agents each time."""
    strategy: Strategy
    reward: Reward
    role: str = "generator"
    """Whose words are trained."""
    source: str = "prm"
    """Whose scores are the rewards of steps."""
    problems: Mapping[str, Problem] = field(default_factory=dict)
    """Problems by id, for graders that need more than a reference answer. A start of another one is
    refused where its grader cannot read even the right answer: its replies would earn nothing."""
    budget: Budget | None = None
    """What each rollout may cost."""
    seed: int = 0
    engines: Engines = field(default_factory=Engines, repr=False)
    _gradable: set[str] = field(default_factory=set, init=False, repr=False)
    """Problems that were made of a start alone, and that can be graded."""

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Think about each start, all at once, and reward what was written.

        Raises:
            ConfigError: The team has no such role, its engine tells no tokens, or a problem must be
                given whole.
        """
        team = self.team(weights)
        if self.role not in {agent.role for agent in team.agents}:
            raise ConfigError(f"the team has no {self.role}: set role= to whose words are trained")
        problems = await self._problems(starts)
        if weights.adapter is None:
            await self.engines.close()
        results = await gather(
            self._think(problem, start, team, weights.step, i)
            for i, (problem, start) in enumerate(zip(problems, starts, strict=True))
        )
        written = [
            self._written(result, start) for result, start in zip(results, starts, strict=True)
        ]
        rewarded: list[Rollout] = []
        for at, end in _groups(starts):
            members = [
                Rollout(error="; ".join(result.errors) or f"the {self.role} wrote nothing")
                if thought is None
                else Member(result.graph, thought)
                for result, thought in zip(results[at:end], written[at:end], strict=True)
            ]
            rewarded += await self._rewarded(members)
        right = await gather(_right(result) for result in results)
        return [
            one.model_copy(update={"right": found})
            for one, found in zip(rewarded, right, strict=True)
        ]

    async def close(self) -> None:
        """Close the engines that were opened by name."""
        await self.engines.close()

    async def _problems(self, starts: Sequence[PromptRow]) -> list[Problem]:
        """Return the problem of each start.

        Raises:
            ConfigError: One is not among those given, and no grader can tell by its start alone.
        """
        problems = [
            self.problems.get(one.problem)
            or Problem(id=one.problem, prompt=one.question, reference=one.reference, kind=one.kind)
            for one in starts
        ]
        for one in problems:
            if one.id in self.problems or one.id in self._gradable or one.reference is None:
                continue
            try:
                await grader_for(one).grade(one, one.reference)
            except GraderError as error:
                raise ConfigError(
                    f"replies to {one.id!r} would earn nothing, for a start does not hold all that "
                    f"its grader needs ({error}): give problems=, by id"
                ) from None
            self._gradable.add(one.id)
        return problems

    async def _think(
        self, problem: Problem, start: PromptRow, team: Team, step: int, number: int
    ) -> Result:
        around = None
        if start.prefix:
            beginning = Prefix(start.prefix, start.prefix_ids)
            around = partial(Begun, role=self.role, beginning=beginning)
        return await asolve(
            problem,
            team,
            self.strategy,
            budget=self.budget,
            seed=((self.seed * 1_000_003 + step) * 1_000_003) + number,
            engines=self.engines,
            around=around,
        )

    def _written(self, result: Result, start: PromptRow) -> Thought | None:
        """Return what is trained; None where the policy wrote nothing.

        Raises:
            ConfigError: It was written, and its tokens are not known.
        """
        own = [
            thought
            for thought in result.graph.in_order()
            if thought.role == self.role and not thought.error and thought.source is not None
        ]
        for thought in own:
            if thought.tokens is None:
                raise ConfigError(
                    f"the engine of the {self.role} tells no tokens, and text that is encoded "
                    "again need not be what was sampled: sample with hf/ or vllm/"
                )
            if start.prefix and not thought.prefix and thought.text.startswith(start.prefix):
                thought.prefix = start.prefix
        if result.thought is not None and result.thought in own:
            return result.thought
        return own[-1] if own else None

    async def _rewarded(self, members: Sequence[Member | Rollout]) -> list[Rollout]:
        """Reward what was written; what failed stays as it is."""
        there = [member for member in members if isinstance(member, Member)]
        values: list[float | None]
        parts: list[Mapping[str, float]] = [{}] * len(there)
        errors = [""] * len(there)
        reward = self.reward
        if isinstance(reward, Weighted):
            scored = await reward.of_members(there)
            values = [one.total for one in scored]
            parts = [_finite(one.parts) for one in scored]
            errors = [one.error for one in scored]
        elif isinstance(reward, GroupReward):
            values = list(await reward.of_group(there))
        else:
            values = await gather(_one(reward, member) for member in there)
        found = iter(
            self._sampled(member, value, kept, error)
            for member, value, kept, error in zip(there, values, parts, errors, strict=True)
        )
        return [one if isinstance(one, Rollout) else next(found) for one in members]

    def _sampled(
        self, member: Member, reward: float | None, parts: Mapping[str, float], error: str
    ) -> Rollout:
        stream = _stream(member)
        first = stream[0].tokens
        assert first is not None
        ids: list[int] = []
        logprobs: list[float] | None = []
        ends: list[int] = []
        for thought in stream:
            assert thought.tokens is not None
            ids += thought.tokens.token_ids
            ends.append(len(ids) - 1)
            if logprobs is None or thought.tokens.logprobs is None:
                logprobs = None
            else:
                logprobs += thought.tokens.logprobs
        return Rollout(
            prompt_ids=first.prompt_ids,
            completion_ids=tuple(ids),
            logprobs=None if logprobs is None else tuple(logprobs),
            reward=reward,
            step_rewards=(*(step.scores.get(self.source) for step in stream[:-1]), reward),
            step_ends=tuple(ends),
            parts=parts,
            formed=keeps_format(*member),
            error=error,
        )


async def _right(result: Result) -> bool | None:
    """Whether the strategy's answer is right."""
    if result.thought is None:
        return None
    grade = await grade_of(result.graph, result.thought)
    return None if grade is None else is_right(grade)


async def _one(reward: Reward, member: Member) -> float | None:
    return await reward(member.graph, member.thought)


def _finite(parts: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: value for name, value in parts.items() if value is not None and math.isfinite(value)
    }


def _groups(starts: Sequence[PromptRow]) -> list[tuple[int, int]]:
    """Return where each run of equal starts begins and ends."""
    borders = [i for i in range(1, len(starts)) if starts[i] != starts[i - 1]]
    return list(zip([0, *borders], [*borders, len(starts)], strict=True)) if starts else []


def _stream(member: Member) -> list[Thought]:
    """Return the steps that go on from each other's tokens, up to the thought."""
    graph, thought = member
    if thought.kind is ThoughtKind.STEP:
        path = graph.path(thought)
    else:
        before = graph.parents(thought)[:1]
        path = [*(step for one in before for step in graph.path(one)), thought]
    stream = [path.pop()]
    while path and _goes_on(path[-1], stream[0]):
        stream.insert(0, path.pop())
    return stream


def _goes_on(earlier: Thought, later: Thought) -> bool:
    if earlier.tokens is None or later.tokens is None:
        return False
    return later.tokens.prompt_ids == (*earlier.tokens.prompt_ids, *earlier.tokens.token_ids)
