"""Loops with reinforcement learning, as a file of `cogitate train` says them.

output = "runs/r1"                    # cogitate train r1 run.toml
train = "reasoning_gym/chain_sum?size=200&seed=1000"
dev = "reasoning_gym/chain_sum?size=400&seed=500000"
cold = "rows/long"                    # or a table [first]: who samples the cold start

[team]                                # as in the file of a run
model = "hf/smollm2-135m"

[student]                             # left out: no distillation
model = "hf/another-smaller-one"

output = "runs/iterative"             # cogitate train iterative-rl run.toml, with train, dev
iterations = 6                        # and a table [team] as above
"""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from cogitate.config import TeamConfig
from cogitate.graphs import strategy_named
from cogitate.tasks import load
from cogitate.training.loops import R1, IterativeRL, IterativeRLSettings, R1Settings
from cogitate.training.loops.progress import Progress
from cogitate.training.rows import SFTRow
from cogitate.trainings.loops import Loop
from cogitate.trainings.told import RowFiles, StrategyName, of_kind

__all__ = ["IterativeRLLoop", "R1Loop"]


class _Learns(Loop):
    strategy: StrategyName = "chain-of-thought"
    """How the team thinks in RL and when it is judged."""
    team: TeamConfig = TeamConfig()
    """Who learns; it samples in RL at the temperature of the settings."""
    base: str | None = None
    """The model whose weights are trained, where the team does not name it."""


class R1Loop(_Learns):
    """Cold start, RL with rules, rejection sampling, RL again, distillation."""

    method = "r1"
    cold: RowFiles | None = None
    """Folders that `cogitate harvest` wrote, or files of rows, for the cold start."""
    first: TeamConfig | None = None
    """Who samples the cold start, where no rows are given; the team by default."""
    student: TeamConfig | None = None
    """The smaller model in its team; without one nothing is distilled."""
    student_base: str | None = None
    settings: R1Settings = R1Settings()

    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop."""
        return R1(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            cold=None if self.cold is None else of_kind(self.cold, SFTRow),
            first=None if self.first is None else self.first.team(),
            student=None if self.student is None else self.student.team(),
            strategy=strategy_named(self.strategy),
            base=self.base,
            student_base=self.student_base,
            settings=self.settings,
            progress=progress,
        )


class IterativeRLLoop(_Learns):
    """A policy, and a reward model that is trained anew on what it writes."""

    method = "iterative-rl"
    iterations: int = Field(default=4, ge=1)
    """How often at most; a plateau of the dev set ends it before."""
    settings: IterativeRLSettings = IterativeRLSettings()

    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop."""
        return IterativeRL(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            strategy=strategy_named(self.strategy),
            base=self.base,
            settings=self.settings,
            progress=progress,
        )
