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
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import ChainOfThought, SelfConsistency, Strategy
from cogitate.graphs.solve import wait_for
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.curriculum import Curriculum, PassRate
from cogitate.training.dataset import distinct
from cogitate.training.described import described
from cogitate.training.harvest import harvest
from cogitate.training.loops.course import AS_GIVEN, Course, LoopSettings
from cogitate.training.loops.digests import digest, digest_of_problems
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.learn import Learned, TrainSFT
from cogitate.training.loops.measured_rates import rates_with
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.loops.stages import Stage
from cogitate.training.loops.weights import base_of, worn_by
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.sft import SFTSettings, train_sft

__all__ = ["STaR", "STaRReport", "STaRSettings"]

_ROLE = "generator"


class STaRSettings(LoopSettings):
    """How to go on."""

    samples: int = Field(default=8, ge=1)
    """Replies to each problem."""
    per_problem: int | None = Field(default=4, ge=1)
    """The most of them that are trained on."""
    curriculum: Curriculum | None = None
    """From the second iteration on, only problems whose pass rate so far lies in its band; needs
    `reuse`."""
    sft: SFTSettings = SFTSettings()


class _Sampled(BaseModel):
    problems: int
    counts: dict[str, int]
    rows: int
    rates: dict[str, PassRate]
    """Of each problem so far, where a curriculum needs them."""


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
    weights: dict[str, str]
    """Worn from here on: by role, a folder in the run directory; empty for those as given."""
    sampled_tokens: int
    """For training."""
    seconds: FiniteFloat
    """Of all stages, those of judging included."""

    def __str__(self) -> str:
        loss = f", loss {self.losses[0]:.3f} to {self.losses[-1]:.3f}" if self.losses else ""
        return (
            f"iteration {self.iteration}: {self.counts['kept']} of {self.counts['solutions']} "
            f"replies to {self.problems} problems kept, {self.rows} rows{loss}\n{self.judged}\n"
            f"weights: {self.weights.get(_ROLE, AS_GIVEN)}; {self.sampled_tokens:,} tokens sampled "
            f"to train on; {self.seconds:.0f} s"
        )


class _State(NamedTuple):
    """What one iteration hands to the next."""

    worn: Mapping[str, Path] = {}
    """The last promoted weights."""
    rows: Path | None = None
    """All rows so far."""
    rates: Mapping[str, PassRate] = {}


@described(
    "star",
    paper=(
        "Zelikman et al. 2022, arXiv:2203.14465; ReST: Gulcehre et al. 2023, "
        "arXiv:2308.08998; rejection sampling: Yuan et al. 2023, arXiv:2308.01825"
    ),
    needs="problems with graders, and a policy that is right now and then (or `first`)",
    costs="an iteration: `samples` calls a problem, an SFT, and a dev set answered twice",
    pays="first: the cheapest loop, and the baseline of the others",
)
class STaR:
    """Learn from one's own replies, those that a grader verified.

    Iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        team: Who learns, and is judged.
        train: Problems to sample on.
        dev: Problems to judge on; each iteration has unseen ones of its own.
        output: The run directory.
        iterations: How often.
        strategy: How the teams think when they are judged; `ChainOfThought()` by
            default, whose prompt is the one that replies are sampled from.
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
        self.settings = how = settings or STaRSettings()
        if how.curriculum is not None and not how.reuse:
            raise ConfigError("a curriculum chooses among problems sampled before: set reuse=True")
        self.base = base_of(team, _ROLE, base)
        self.start = worn_by(team, _ROLE)
        self.course = Course.begin(
            "star",
            team=team,
            first=first,
            base=self.base,
            sampling=SelfConsistency(n=how.samples),
            strategy=strategy or ChainOfThought(),
            train=train,
            dev=dev,
            output=output,
            iterations=iterations,
            settings=how,
            progress=progress,
        )
        self._trainer = trainer

    def __iter__(self) -> Iterator[STaRReport]:
        """Yield what each iteration came to; finished ones come from the stage log at once."""
        course, state = self.course, _State()
        with course.opened() as store:
            for i in range(1, course.iterations + 1):
                sampled = self._sample(i, state, store)
                rows = course.log.folder(i) / "rows.jsonl"
                learned = self._learn(i, rows)
                candidate = {_ROLE: course.log.folder(i) / _ROLE}
                judged = course.judge(i, state.worn, candidate, store)
                worn = candidate if judged.promotion.promoted else state.worn
                state = _State(worn, rows, sampled.rates)
                yield STaRReport(
                    iteration=i,
                    problems=sampled.problems,
                    counts=sampled.counts,
                    rows=sampled.rows,
                    losses=learned.losses,
                    judged=judged,
                    weights=course.told(worn),
                    sampled_tokens=course.log.of(i)["sample"].tokens,
                    seconds=course.seconds(i),
                )

    def _sample(self, i: int, state: _State, store: RunStore) -> _Sampled:
        course, how = self.course, self.settings
        problems = self._problems(i, state)

        def work(stage: Stage) -> _Sampled:
            team = course.sampler(state.worn)
            report = course.think(stage, team, problems, store, seed=how.seed + i)
            found = harvest(report, prompt=course.prompt).verified(
                _ROLE, per_problem=how.per_problem
            )
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
            "rows": "none" if state.rows is None else digest(state.rows),
            **course.inputs(state.worn),
        }
        return course.log.stage("sample", _Sampled, work, iteration=i, inputs=inputs)

    def _problems(self, i: int, state: _State) -> ProblemSet:
        problems, curriculum = self.course.rounds.train[i - 1], self.settings.curriculum
        if curriculum is None or not state.rates:
            return problems
        chosen = curriculum.choose(problems, state.rates, seed=self.settings.seed + i)
        if not chosen.problems:
            raise ConfigError(f"no problem's pass rate lies in the band of {curriculum}: widen it")
        return ProblemSet(problems.name, chosen.problems, examples=problems.examples)

    def _learn(self, i: int, rows: Path) -> Learned:
        def work(stage: Stage) -> Learned:
            with self.course.training():
                found = self._trainer(
                    kept_rows(rows, SFTRow),
                    self.base,
                    stage.output(_ROLE),
                    self.settings.sft,
                    start=self.start,
                    on_step=of_steps(self.course.progress, f"{i}: train"),
                )
            return Learned.of(found)

        inputs = {"rows": digest(rows)}
        return self.course.log.stage("train", Learned, work, iteration=i, inputs=inputs)
