"""Whole loops: a team learns from its own thoughts, iteration by iteration.

    output = "runs/star"                  # cogitate train star run.toml
    train = "reasoning_gym/chain_sum?size=100&seed=1000"
    dev = "reasoning_gym/chain_sum?size=200&seed=500000"

    [team]                                # as in the file of a run
    model = "hf/smollm2-135m"

A loop is a class of `cogitate.training.loops`, and its class here is what a file may say of it.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from cogitate.agents import Team
from cogitate.config import TeamConfig
from cogitate.graphs import strategy_named
from cogitate.tasks import load
from cogitate.training.loops import (
    MALT,
    MALTSettings,
    Satori,
    SatoriSettings,
    STaR,
    STaRSettings,
)
from cogitate.training.loops.progress import Progress
from cogitate.training.trainers import CurrentWeights
from cogitate.trainings.told import Base, Reported, StrategyName, Told

__all__ = ["Loop", "MALTLoop", "STaRLoop", "SatoriLoop"]


class Loop(Told):
    """Problems in, promoted weights out; the same file goes on where it was."""

    when_stopped = "what was finished is in its folder, and the same command goes on"

    train: str
    """Problems to sample on, as for `cogitate eval`."""
    dev: str
    """Problems to judge on."""

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        """Yield what each iteration came to."""
        for one in self.begin(progress):
            yield Reported(str(one), one.model_dump(mode="json"))

    def made(self, reports: Sequence[Mapping[str, JsonValue]]) -> Mapping[str, Path]:
        """Return the weights that the last iteration ended with, where any were promoted."""
        worn = reports[-1].get("weights") if reports else None
        found = worn if isinstance(worn, dict) else {"": worn}
        folders = {role: Path(self.output) / str(one) for role, one in found.items() if one}
        there = {role: folder for role, folder in folders.items() if folder.is_dir()}
        return {"": next(iter(there.values()))} if len(there) == 1 else there

    @abstractmethod
    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop, which yields a report of each iteration."""


class STaRLoop(Loop):
    """Rejection sampling and imitation."""

    method = "star"
    iterations: int = 2
    strategy: StrategyName = "chain-of-thought"
    """How the team thinks when it is judged."""
    team: TeamConfig = TeamConfig()
    first: TeamConfig | None = None
    """Who samples until weights were promoted."""
    base: str | None = None
    settings: STaRSettings = STaRSettings()

    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop."""
        return STaR(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            strategy=strategy_named(self.strategy),
            first=None if self.first is None else self.first.team(),
            base=self.base,
            settings=self.settings,
            progress=progress,
        )


class MALTLoop(Loop):
    """Trees, value back-up, and an adapter for each role."""

    method = "malt"
    iterations: int = 2
    team: TeamConfig = TeamConfig()
    first: TeamConfig | None = None
    """Who grows the trees until weights were promoted."""
    base: str | None = None
    settings: MALTSettings = MALTSettings()

    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop."""
        return MALT(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            first=None if self.first is None else self.first.team(),
            base=self.base,
            settings=self.settings,
            progress=progress,
        )


class SatoriLoop(Loop):
    """Chains with meta-actions, then reinforcement with restarts."""

    method = "satori"
    iterations: int = 2
    base: Base
    agents: TeamConfig = TeamConfig()
    """Who makes chains before the base can."""
    max_tokens: int = Field(default=512, ge=1)
    """Of a chain; it is sampled at the temperature of `settings.policy`."""
    settings: SatoriSettings = SatoriSettings()

    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop."""
        return Satori(
            self._policy,
            base=self.base,
            agents=self.agents.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            settings=self.settings,
            progress=progress,
        )

    def _policy(self, weights: CurrentWeights) -> Team:
        return Team.of(
            weights.model,
            adapter=weights.adapter,
            temperature=self.settings.policy.temperature,
            max_tokens=self.max_tokens,
            examples=0,
        )
