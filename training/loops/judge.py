"""Old weights against new ones, on dev problems that neither has seen: the end of an iteration.

Both teams answer the same problems by the same strategy from the same seed, and `promote` decides.
They share their engines: on one base, the old adapters and the new ones are worn side by side.
Answers are graded here and now: a grade in the store is a claim like any other.
"""

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from cogitate.agents import Team
from cogitate.graphs import Episode, Strategy, arun, gather
from cogitate.graphs.episode import graded
from cogitate.graphs.recording import Recorder
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategy import name_of
from cogitate.inference import Engines
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.evaluate import Evaluation, summarise
from cogitate.training.grading import agrade
from cogitate.training.outcome import Outcome
from cogitate.training.promote import DevRun, Promotion, Seen, promote
from cogitate.training.roles import RoleReport, roles

__all__ = ["Judged", "judge"]


class Judged(BaseModel):
    """What both weights came to, and which are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    promotion: Promotion
    before: Evaluation
    """Of the old weights."""
    after: Evaluation
    """Of the new ones."""
    roles_before: RoleReport
    roles_after: RoleReport

    @property
    def tokens(self) -> int:
        """Completion tokens of both."""
        return self.before.completion_tokens + self.after.completion_tokens

    def __str__(self) -> str:
        lines = [
            f"{when}: {one.accuracy:.1%} ({one.interval.low:.1%} to {one.interval.high:.1%}), "
            f"format kept {one.format_rate:.1%}, {one.completion_tokens:,} tokens"
            for when, one in (("before", self.before), ("after", self.after))
        ]
        return "\n".join([*lines, str(self.promotion)])


def judge(
    old: Team,
    new: Team,
    strategy: Strategy,
    dev: ProblemSet,
    *,
    names: tuple[str, str],
    seen: Iterable[Seen],
    engines: Engines | None = None,
    store: Recorder,
    seed: int,
    concurrency: int,
    alpha: float,
    on_episode: Callable[[Episode], None] | None = None,
) -> Judged:
    """Have both teams answer a dev set, and decide which weights are kept.

    Args:
        old: The team with the weights so far.
        new: The same team with the candidate's.
        strategy: How both think.
        dev: Problems that neither has seen.
        names: What to call the weights of both.
        seen: What may not be among `dev`.
        engines: Engines to share with other calls; opened and closed here otherwise.
        store: Keeps what they think.
        seed: As for `run`.
        concurrency: Problems in progress at the same moment.
        alpha: A gain with a p-value below this is significant.
        on_episode: For progress.

    Raises:
        ConfigError: A dev problem was seen, or a verifier reads the right answers.
    """

    async def both() -> list[tuple[DevRun, Evaluation, RoleReport]]:
        found = []
        async with AsyncExitStack() as stack:
            shared = engines or await stack.enter_async_context(Engines())
            for name, team in zip(names, (old, new), strict=True):
                report = await arun(
                    dev,
                    team,
                    strategy,
                    seed=seed,
                    concurrency=concurrency,
                    engines=shared,
                    store=store,
                    on_episode=on_episode,
                )
                episodes = await gather(
                    _graded(episode, problem)
                    for episode, problem in zip(report.episodes, dev, strict=True)
                )
                outcomes = [Outcome.of(episode) for episode in episodes]
                graphs = [episode.graph for episode in episodes]
                await agrade(graphs)
                evaluation = summarise(
                    outcomes,
                    name=f"{name}, {name_of(strategy)}",
                    seconds=report.seconds,
                    oracle=team.oracle,
                )
                found.append((DevRun(name, outcomes, team.oracle), evaluation, roles(graphs)))
        return found

    (old_run, before, roles_before), (new_run, after, roles_after) = wait_for(both())
    return Judged(
        promotion=promote(old_run, new_run, dev=dev, seen=seen, alpha=alpha, seed=seed),
        before=before,
        after=after,
        roles_before=roles_before,
        roles_after=roles_after,
    )


async def _graded(episode: Episode, problem: Problem) -> Episode:
    """Grade the answer to the problem itself, whatever grade and reference were kept with it."""
    if episode.result is None:
        return episode
    return await graded(replace(episode, problem=problem, grade=None, error=""))
