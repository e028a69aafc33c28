"""STaR: a model learns from those of its own replies that a grader verified.

Zelikman et al. 2022 (arXiv:2203.14465); with several samples a problem this is also ReST (Gulcehre
et al. 2023, 2308.08998) and rejection-sampling fine-tuning (Yuan et al. 2023, 2308.01825). In each
iteration the generator samples, right replies are kept, and a new adapter is trained on all that
was kept so far: always from the weights that the team came with, so that no iteration inherits what
another one overfitted.

Departures: new weights are only worn where a gain on fresh dev problems is significant; otherwise
the old ones sample on. There is no rationalisation (a hint of the right answer for problems that
were failed): `first` is another way to begin, a team that samples until weights were promoted, such
as one that is shown worked examples, or a stronger model.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import Direct, SelfConsistency, Strategy, run
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategy import name_of
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.curriculum import Curriculum, PassRate
from cogitate.training.dataset import distinct
from cogitate.training.harvest import PromptForm, harvest
from cogitate.training.loops.digests import digest, digest_of_problems, digest_of_team
from cogitate.training.loops.judge import Judged, judge
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.measured_rates import rates_with
from cogitate.training.loops.progress import Progress, of_episodes, of_steps
from cogitate.training.loops.rounds import rounds
from cogitate.training.loops.stages import Stage, StageLog
from cogitate.training.loops.weights import base_of, wear, worn_by
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.sft import SFTSettings, train_sft

__all__ = ["STaR", "STaRReport", "STaRSettings", "TrainSFT"]

_ROLE = "generator"


class TrainSFT(Protocol):
    """Trains on replies, as `train_sft` does."""

    def __call__(
        self,
        rows: list[SFTRow],
        base: str,
        output: Path,
        settings: SFTSettings | None = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`."""
        ...


class STaRSettings(BaseModel):
    """How to go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(default=8, ge=1)
    """Replies to each problem."""
    per_problem: int | None = Field(default=4, ge=1)
    """The most of them that are trained on."""
    prompt: PromptForm = "zero-shot"
    """Which prompt they are trained on: `zero-shot` leaves out worked examples."""
    reuse: bool = False
    """Sample on all problems in every iteration, instead of a part in each."""
    curriculum: Curriculum | None = None
    """From the second iteration on, only problems whose pass rate so far lies in its band; needs
    `reuse`."""
    sft: SFTSettings = SFTSettings()
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A gain with a p-value below this is significant."""
    concurrency: int = Field(default=16, ge=1)
    seed: int = 0


class _Sampled(BaseModel):
    problems: int
    counts: dict[str, int]
    rows: int
    rates: dict[str, PassRate]
    """Of each problem so far, where a curriculum needs them."""


class _Learned(BaseModel):
    losses: tuple[FiniteFloat, ...]
    counts: dict[str, int]


class STaRReport(BaseModel):
    """What one iteration came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    problems: int
    """That were sampled on."""
    counts: dict[str, int]
    """What became of the sampled replies (see `Verified`)."""
    rows: int
    """All that was trained on."""
    losses: tuple[FiniteFloat, ...]
    judged: Judged
    weights: str
    """Worn from here on: a folder in the run directory, or `as given`."""
    sampled_tokens: int
    """For training."""
    seconds: FiniteFloat
    """Of all stages, those of judging included."""

    def __str__(self) -> str:
        before, after = self.judged.before, self.judged.after
        loss = f", loss {self.losses[0]:.3f} to {self.losses[-1]:.3f}" if self.losses else ""
        return (
            f"iteration {self.iteration}: {self.counts['kept']} of {self.counts['solutions']} "
            f"replies to {self.problems} problems kept, {self.rows} rows{loss}\n"
            f"before: {before.accuracy:.1%} ({before.interval.low:.1%} to "
            f"{before.interval.high:.1%}), format {before.format_rate:.1%}; after: "
            f"{after.accuracy:.1%} ({after.interval.low:.1%} to {after.interval.high:.1%}), format "
            f"{after.format_rate:.1%}\n{self.judged.promotion}\n"
            f"weights: {self.weights}; {self.sampled_tokens:,} tokens sampled to train on; "
            f"{self.seconds:.0f} s"
        )


class _State(NamedTuple):
    """What one iteration hands to the next."""

    adapter: Path | None = None
    """Of the last promoted weights."""
    rows: Path | None = None
    """All rows so far."""
    rates: Mapping[str, PassRate] = {}


class STaR:
    """The loop; iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        team: Who learns, and is judged.
        train: Problems to sample on.
        dev: Problems to judge on; each iteration has unseen ones of its own.
        output: The run directory.
        iterations: How often.
        strategy: How the teams think when they are judged.
        first: Who samples until weights were promoted; the team by default.
        base: The model whose adapter is trained, where the team does not name it.
        settings: How.
        trainer: Trains on the replies.
        progress: Hears of every stage as it goes.

    Raises:
        ConfigError: Too few problems, a run directory of another loop, or settings that do not fit.
    """

    def __init__(
        self,
        team: Team,
        *,
        train: ProblemSet,
        dev: ProblemSet,
        output: str | Path,
        iterations: int = 2,
        strategy: Strategy | None = None,
        first: Team | None = None,
        base: str | None = None,
        settings: STaRSettings | None = None,
        trainer: TrainSFT = train_sft,
        progress: Progress | None = None,
    ) -> None:
        self.team, self.first = team, first or team
        self.settings = how = settings or STaRSettings()
        self.base = base_of(team, _ROLE, base)
        self.start = worn_by(team, _ROLE)
        self.strategy = strategy or Direct()
        if how.curriculum is not None and not how.reuse:
            raise ConfigError("a curriculum chooses among problems sampled before: set reuse=True")
        self.train = train
        self.rounds = rounds(train, dev, iterations, reuse=how.reuse)
        sampling = SelfConsistency(n=how.samples)
        self.log = StageLog(
            output,
            {
                "loop": "star",
                "iterations": iterations,
                "settings": how.model_dump(mode="json"),
                "strategy": name_of(self.strategy),
                "base": self.base,
                "team": digest_of_team(team, self.strategy),
                "first": digest_of_team(self.first, sampling),
                "train": digest_of_problems(train),
                "dev": digest_of_problems(dev),
            },
        )
        self._sampling = sampling
        self._trainer = trainer
        self._progress = progress

    def __iter__(self) -> Iterator[STaRReport]:
        """Yield what each iteration came to; finished ones come from the stage log at once."""
        state = _State()
        with RunStore(self.log.root / "runs.db") as store:
            for i in range(1, len(self.rounds.train) + 1):
                sampled = self._sample(i, state, store)
                state = state._replace(
                    rows=self.log.folder(i) / "rows.jsonl",
                    rates=sampled.rates,
                )
                learned = self._learn(i, state)
                judged = self._judge(i, state, store)
                if judged.promotion.promoted:
                    state = state._replace(adapter=self._candidate(i))
                yield self._report(i, sampled, learned, judged, state)

    def _sample(self, i: int, state: _State, store: RunStore) -> _Sampled:
        problems = self._problems(i, state)
        team = self.first if state.adapter is None else self._wearing(state.adapter)

        def work(stage: Stage) -> _Sampled:
            report = run(
                problems,
                team,
                self._sampling,
                seed=self.settings.seed + i,
                concurrency=self.settings.concurrency,
                store=store,
                on_episode=of_episodes(self._progress, f"{i}: sample", len(problems)),
            )
            stage.tokens += report.usage.completion
            how = self.settings
            found = harvest(report, prompt=how.prompt).verified(_ROLE, per_problem=how.per_problem)
            before = [] if state.rows is None else kept_rows(state.rows, SFTRow)
            rows = distinct([*before, *found.rows], per_problem=how.per_problem).rows
            if not rows:
                raise ConfigError(
                    f"none of {found.counts.get('solutions', 0)} replies was right, so there is "
                    "nothing to learn from: give easier problems, more samples, or first=, a team "
                    "that is shown worked examples"
                )
            keep_rows(stage.output("rows.jsonl"), rows)
            graphs = () if how.curriculum is None else (e.graph for e in report.episodes)
            return _Sampled(
                problems=len(problems),
                counts={"kept": 0, "solutions": 0, **found.counts},
                rows=len(rows),
                rates=wait_for(rates_with(graphs, before=state.rates)),
            )

        inputs = {
            "problems": digest_of_problems(problems),
            "weights": "as given" if state.adapter is None else digest(state.adapter),
            "rows": "none" if state.rows is None else digest(state.rows),
        }
        return self.log.stage("sample", _Sampled, work, iteration=i, inputs=inputs)

    def _problems(self, i: int, state: _State) -> ProblemSet:
        problems, curriculum = self.rounds.train[i - 1], self.settings.curriculum
        if curriculum is None or not state.rates:
            return problems
        chosen = curriculum.choose(problems, state.rates, seed=self.settings.seed + i)
        if not chosen.problems:
            raise ConfigError(f"no problem's pass rate lies in the band of {curriculum}: widen it")
        return ProblemSet(problems.name, chosen.problems, examples=problems.examples)

    def _learn(self, i: int, state: _State) -> _Learned:
        assert state.rows is not None
        rows = state.rows

        def work(stage: Stage) -> _Learned:
            found = self._trainer(
                kept_rows(rows, SFTRow),
                self.base,
                stage.output(_ROLE),
                self.settings.sft,
                start=self.start,
                on_step=of_steps(self._progress, f"{i}: train"),
            )
            return _Learned(losses=tuple(found.losses), counts=dict(found.counts))

        return self.log.stage("train", _Learned, work, iteration=i, inputs={"rows": digest(rows)})

    def _judge(self, i: int, state: _State, store: RunStore) -> Judged:
        dev = self.rounds.dev[i - 1]
        old = self.team if state.adapter is None else self._wearing(state.adapter)

        def work(stage: Stage) -> Judged:
            judged = judge(
                old,
                self._wearing(self._candidate(i)),
                self.strategy,
                dev,
                names=(self._name(state.adapter), f"iteration {i}"),
                seen=[*self.train, *(p for part in self.rounds.dev[: i - 1] for p in part)],
                store=store,
                seed=self.settings.seed,
                concurrency=self.settings.concurrency,
                alpha=self.settings.alpha,
                on_episode=of_episodes(self._progress, f"{i}: judge", 2 * len(dev)),
            )
            stage.tokens += judged.tokens
            return judged

        inputs = {
            "dev": digest_of_problems(dev),
            "old": "as given" if state.adapter is None else digest(state.adapter),
            "new": digest(self._candidate(i)),
        }
        return self.log.stage("judge", Judged, work, iteration=i, inputs=inputs)

    def _candidate(self, i: int) -> Path:
        return self.log.folder(i) / _ROLE

    def _wearing(self, adapter: Path) -> Team:
        return wear(self.team, {_ROLE: adapter})

    def _name(self, adapter: Path | None) -> str:
        return "as given" if adapter is None else f"iteration {adapter.parent.name}"

    def _report(
        self, i: int, sampled: _Sampled, learned: _Learned, judged: Judged, state: _State
    ) -> STaRReport:
        stages = self.log.of(i)
        adapter = state.adapter
        return STaRReport(
            iteration=i,
            problems=sampled.problems,
            counts=sampled.counts,
            rows=sampled.rows,
            losses=learned.losses,
            judged=judged,
            weights="as given"
            if adapter is None
            else adapter.relative_to(self.log.root).as_posix(),
            sampled_tokens=stages["sample"].tokens,
            seconds=sum(record.seconds for record in stages.values()),
        )
