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

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cogitate.config import TeamConfig
from cogitate.errors import ConfigError
from cogitate.graphs import strategy_named
from cogitate.tasks import load
from cogitate.training.exports import read_rows
from cogitate.training.loops import R1, IterativeRL, IterativeRLSettings, R1Settings
from cogitate.training.loops.progress import Progress
from cogitate.training.rows import SFTRow
from cogitate.trainings import Reported

__all__ = ["IterativeRLLoop", "R1Loop"]


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class _Loop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    method: ClassVar[str]

    output: str
    """The run directory."""
    train: str
    """Problems to learn from, as for `cogitate eval`."""
    dev: str
    """Problems to judge on."""
    strategy: str = "chain-of-thought"
    """How the team thinks in RL and when it is judged."""
    team: TeamConfig = TeamConfig()
    """Who learns; it samples in RL at the temperature of the settings."""
    base: str | None = None
    """The model whose weights are trained, where the team does not name it."""

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        """Yield what each step or iteration came to."""
        for one in self.begin(progress):
            yield Reported(str(one), one.model_dump(mode="json"))

    @abstractmethod
    def begin(self, progress: Progress | None) -> Iterable[BaseModel]:
        """Make the loop, which yields a report of each step or iteration."""


class R1Loop(_Loop):
    """Cold start, RL with rules, rejection sampling, RL again, distillation."""

    method = "r1"
    cold: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
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
            cold=_chains(self.cold) if self.cold else None,
            first=None if self.first is None else self.first.team(),
            student=None if self.student is None else self.student.team(),
            strategy=strategy_named(self.strategy),
            base=self.base,
            student_base=self.student_base,
            settings=self.settings,
            progress=progress,
        )


class IterativeRLLoop(_Loop):
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


def _chains(folders: Sequence[str]) -> list[SFTRow]:
    found: list[SFTRow] = []
    for folder in folders:
        for row in read_rows(folder, claims="drop"):
            if not isinstance(row, SFTRow):
                raise ConfigError(
                    f"{folder} holds {type(row).__name__}s, and a cold start needs SFTRows: "
                    "harvest with --kind sft"
                )
            found.append(row)
    return found
