"""What every loop has: a team, problems for each iteration, a run directory, and a fair judge."""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cogitate.agents import Agent, Team
from cogitate.errors import ConfigError
from cogitate.graphs import Report, Strategy, run
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategy import name_of
from cogitate.inference import Engines
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.harvest import PromptForm
from cogitate.training.judge import check_fit
from cogitate.training.loops.digests import digest, digest_of_problems, digest_of_team
from cogitate.training.loops.judge import Judged, judge
from cogitate.training.loops.progress import Progress, of_episodes
from cogitate.training.loops.rounds import Rounds, rounds
from cogitate.training.loops.stages import Stage, StageLog
from cogitate.training.loops.weights import wear
from cogitate.training.trainers.work import processes

__all__ = ["AS_GIVEN", "Course", "LoopSettings", "Worn"]

AS_GIVEN = "as given"
"""The name of the weights that a team came with."""

Worn = Mapping[str, Path]
"""The adapter of each role whose weights are not those that the team came with."""


class LoopSettings(BaseModel):
    """How every loop goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: PromptForm | None = None
    """Which prompt replies are trained on: as `sampled`, or `zero-shot`, without worked examples.
    None: zero-shot where another team begins, else as sampled."""
    reuse: bool = False
    """Sample on all problems in every iteration, instead of a part in each."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A gain with a p-value below this is significant."""
    concurrency: int = Field(default=16, ge=1)
    """Problems in progress at the same moment."""
    seed: int = 0


@dataclass(frozen=True)
class Course:
    """One loop's own."""

    team: Team
    first: Team
    """Who samples until weights were promoted."""
    sampling: Strategy
    """How it samples."""
    strategy: Strategy
    """How teams think when they are judged."""
    train: ProblemSet
    rounds: Rounds
    log: StageLog
    settings: LoopSettings
    prompt: PromptForm
    progress: Progress | None
    names: Sequence[str] = ()
    """What its iterations are called, where each is something of its own."""
    engines: Engines = field(default_factory=Engines, repr=False)
    """Opened by name: from stage to stage they stay open, and wear new adapters as they come."""

    @classmethod
    def begin(
        cls,
        loop: str,
        *,
        team: Team,
        base: str,
        sampling: Strategy,
        strategy: Strategy,
        train: ProblemSet,
        dev: ProblemSet,
        output: str | Path,
        iterations: int,
        settings: LoopSettings,
        first: Team | None = None,
        progress: Progress | None = None,
        names: Sequence[str] = (),
        also: Mapping[str, JsonValue] | None = None,
    ) -> Self:
        """Open the run directory; all that decides what the loop does is told there.

        Args:
            loop: What kind of loop it is.
            team: Who learns, and is judged.
            base: The model whose weights are trained.
            sampling: How rows are sampled.
            strategy: How teams think when they are judged.
            train: Problems to learn from.
            dev: Problems to judge on.
            output: The run directory.
            iterations: How many parts there are of the problems.
            settings: How.
            first: Who samples until weights were promoted; the team by default.
            progress: Hears of every stage as it goes.
            names: What the iterations are called, if not by their number.
            also: What else decides what this loop does, by name.

        Raises:
            ConfigError: Too few problems, problems that are held back, no such model, the directory
                of another loop, or several processes.
        """
        if processes() > 1:
            raise ConfigError(
                f"{loop} runs in one process, for several would write into one directory: start it "
                "without accelerate, and give its team a model on a server to use more machines"
            )
        for problem in train:
            check_fit(problem, "refuse", Counter(), graded=True)
        told: dict[str, JsonValue] = {
            "loop": loop,
            "iterations": iterations,
            "settings": settings.model_dump(mode="json"),
            "strategy": name_of(strategy),
            "base": base,
            "team": digest_of_team(team, strategy),
            "first": digest_of_team(first or team, sampling),
            "train": digest_of_problems(train),
            "dev": digest_of_problems(dev),
            **(also or {}),
        }
        return cls(
            team=team,
            first=first or team,
            sampling=sampling,
            strategy=strategy,
            train=train,
            rounds=rounds(train, dev, iterations, reuse=settings.reuse),
            log=StageLog(output, told),
            settings=settings,
            prompt=settings.prompt or ("sampled" if first is None else "zero-shot"),
            progress=progress,
            names=names,
        )

    @property
    def iterations(self) -> int:
        """How many there are."""
        return len(self.rounds.dev)

    @contextmanager
    def opened(self) -> Iterator[RunStore]:
        """Open the store in which everything that is thought is kept; engines close with it."""
        with RunStore(self.log.root / "runs.db") as store:
            try:
                yield store
            finally:
                wait_for(self.engines.close())

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train weights in this block, beside models or, on a GPU, without them.

        A GPU's memory is too small for both: engines opened by name are closed before, and start
        again when they are next asked. Beside a CPU they stay.
        """
        if not any(map(_runs_here, (*self.team.agents, *self.first.agents))):
            yield
            return
        import torch

        on_gpu = torch.cuda.is_available()
        if on_gpu:
            wait_for(self.engines.close())
        yield
        gc.collect()  # a trainer refers to itself: without this, its weights stay for long
        if on_gpu:
            torch.cuda.empty_cache()

    def sampler(self, worn: Worn) -> Team:
        """Who samples, with the weights so far."""
        return wear(self.team, worn) if worn else self.first

    def think(
        self,
        stage: Stage,
        team: Team,
        problems: ProblemSet,
        store: RunStore,
        *,
        seed: int,
        strategy: Strategy | None = None,
    ) -> Report:
        """Sample on problems, for a stage; as the loop does where no other strategy is given."""
        what = f"{stage.folder.name}: sample"
        report = run(
            problems,
            team,
            strategy or self.sampling,
            seed=seed,
            concurrency=self.settings.concurrency,
            engines=self.engines,
            store=store,
            on_episode=of_episodes(self.progress, what, len(problems)),
        )
        stage.tokens += report.usage.completion
        return report

    def judge(
        self, i: int, old: Worn, new: Worn, store: RunStore, *, team: Team | None = None
    ) -> Judged:
        """Judge an iteration's weights on its own dev problems: a stage.

        Args:
            i: The iteration.
            old: The weights so far.
            new: The candidate's.
            store: Keeps what is thought.
            team: Who wears them; the team that learns by default.
        """
        team = team or self.team
        return self.judge_teams(
            i,
            wear(team, old),
            wear(team, new),
            store,
            names=(self.name(old), self.called(i)),
            inputs={
                **{f"old {name}": told for name, told in self.inputs(old).items()},
                **{f"new {name}": told for name, told in self.inputs(new).items()},
            },
            engines=self.engines,
        )

    def judge_teams(
        self,
        i: int,
        old: Team,
        new: Team,
        store: RunStore,
        *,
        names: tuple[str, str],
        inputs: Mapping[str, str],
        engines: Engines | None = None,
    ) -> Judged:
        """Judge teams that wear weights already; `inputs` tells which, for the stage log."""
        dev = self.rounds.dev[i - 1]

        def work(stage: Stage) -> Judged:
            judged = judge(
                old,
                new,
                self.strategy,
                dev,
                names=names,
                seen=[*self.train, *(p for part in self.rounds.dev[: i - 1] for p in part)],
                engines=engines,
                store=store,
                seed=self.settings.seed,
                concurrency=self.settings.concurrency,
                alpha=self.settings.alpha,
                on_episode=of_episodes(self.progress, f"{i}: judge", 2 * len(dev)),
            )
            stage.tokens += judged.tokens
            return judged

        told = {"dev": digest_of_problems(dev), **inputs}
        return self.log.stage("judge", Judged, work, iteration=i, inputs=told)

    def inputs(self, worn: Worn) -> dict[str, str]:
        """Say which weights a stage is given."""
        return {role: digest(folder) for role, folder in sorted(worn.items())} or {
            "weights": AS_GIVEN
        }

    def name(self, worn: Worn) -> str:
        """What to call weights in a report."""
        latest = max((int(folder.parent.name) for folder in worn.values()), default=0)
        return self.called(latest) if latest else AS_GIVEN

    def called(self, i: int) -> str:
        """What an iteration is called."""
        return self.names[i - 1] if self.names else f"iteration {i}"

    def told(self, worn: Worn) -> dict[str, str]:
        """The folders of weights, as a report names them."""
        return {role: self.where(folder) for role, folder in sorted(worn.items())}

    def where(self, folder: Path | None) -> str:
        """A folder of weights, as a report names it; None for those that the team came with."""
        return AS_GIVEN if folder is None else folder.relative_to(self.log.root).as_posix()

    def seconds(self, i: int) -> float:
        """What the stages of an iteration took."""
        return sum(record.seconds for record in self.log.of(i).values())


def _runs_here(agent: Agent) -> bool:
    """Whether an agent's model takes memory of this machine."""
    name = agent.model if isinstance(agent.model, str) else agent.model.info.model
    return name.startswith(("hf/", "vllm/"))
