"""MALT: generator, critic and refiner learn their roles from a tree of their own thoughts.

Motwani et al. 2024 (arXiv:2412.01928). In each iteration the team grows a tree over every problem:
n generations, n critiques of each, n refinements of each critique. The grades of the refinements
give every thought a value, and each role learns from its own: supervised on thoughts above the
threshold, then critic and refiner by DPO on siblings of which one is above it and one is not. The
reference of DPO is that role's own supervised adapter. All adapters are of one base; the team is
judged as a team, by k passes of generate, critique and refine.

Departures: roles begin with the weights that the team came with, in every iteration, on all rows so
far. New weights are only worn where a gain on fresh dev problems is significant, all roles
together. A role without rows keeps its weights, and the report says so. The paper's "verifier" is
our critic. Replies that say the same to the same prompt are one row, and pairs of equal text none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import CritiqueTree, GenerateCritiqueRefine
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.credit import ValueBackup
from cogitate.training.described import described
from cogitate.training.filters import Unique
from cogitate.training.harvest import harvest
from cogitate.training.loops.course import AS_GIVEN, Course, LoopSettings
from cogitate.training.loops.digests import digest, digest_of_problems
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.learn import Learned, TrainDPO, TrainSFT
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.loops.stages import Stage
from cogitate.training.loops.weights import at_temperature, base_of, worn_by
from cogitate.training.roles import role_table
from cogitate.training.rows import PreferenceRow, SFTRow
from cogitate.training.stream import R, Rows
from cogitate.training.trainers.dpo import DPOSettings, train_dpo
from cogitate.training.trainers.sft import SFTSettings, train_sft

__all__ = ["MALT", "MALTReport", "MALTSettings"]

_ROLES = ("generator", "critic", "refiner")
_PAIRED = ("critic", "refiner")


class MALTSettings(LoopSettings):
    """How to go on."""

    n: int = Field(default=3, ge=2)
    """Thoughts made from each in the tree; 3 are 39 calls for a problem."""
    temperature: float | None = Field(default=0.3, ge=0)
    """Of the tree; None: as each agent samples."""
    threshold: float = Field(default=0.5, ge=0, lt=1)
    """A value above it is worth imitating."""
    k: int = Field(default=3, ge=1)
    """Passes that vote when the team is judged, of three calls each."""
    sft: SFTSettings = SFTSettings()
    dpo: DPOSettings = DPOSettings()


class _Tree(BaseModel):
    problems: int
    rows: dict[str, int]
    """Supervised ones so far, by role."""
    pairs: dict[str, int]
    counts: dict[str, dict[str, int]]
    """What became of the thoughts of this iteration, by file."""


class MALTReport(BaseModel):
    """What one iteration came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    problems: int
    """On which trees were grown."""
    counts: dict[str, dict[str, int]]
    """What became of the thoughts, by kind of rows and role (see `Harvest`)."""
    learned: dict[str, Learned]
    """By training: `sft generator`, ..., `dpo refiner`."""
    skipped: tuple[str, ...]
    """Trainings without rows: those weights stayed as they were."""
    judged: Judged
    weights: dict[str, str]
    """Worn from here on: by role, a folder in the run directory; empty for those as given."""
    sampled_tokens: int
    """For training."""
    seconds: FiniteFloat
    """Of all stages, those of judging included."""

    def __str__(self) -> str:
        trained = "; ".join(
            f"{name} on {one.rows} rows"
            + (f", loss {one.losses[0]:.3f} to {one.losses[-1]:.3f}" if one.losses else "")
            for name, one in self.learned.items()
        )
        skipped = f"; no rows for {', '.join(self.skipped)}" if self.skipped else ""
        worn = ", ".join(self.weights.values()) or AS_GIVEN
        return (
            f"iteration {self.iteration}: trees over {self.problems} problems; {trained}{skipped}\n"
            f"{self.judged}\nroles before:\n{role_table(self.judged.roles_before)}\nroles after:\n"
            f"{role_table(self.judged.roles_after)}\nweights: {worn}; {self.sampled_tokens:,} "
            f"tokens sampled to train on; {self.seconds:.0f} s"
        )


class _State(NamedTuple):
    """What one iteration hands to the next."""

    worn: Mapping[str, Path] = {}
    """The last promoted weights."""
    rows: Path | None = None
    """The folder of all rows so far."""


@described(
    "malt",
    paper="Motwani et al. 2024, arXiv:2412.01928",
    needs="problems with graders, and a team of generator, critic and refiner on one base",
    costs=(
        "an iteration: n + n² + n³ calls a problem, three SFT, two DPO, and a dev set "
        "answered twice"
    ),
    pays=(
        "where critics and refiners shall work together; with small models compare with "
        "`star` at equal tokens"
    ),
)
class MALT:
    """Learn roles from a tree of the team's own thoughts, by what became of each.

    Iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        team: Who learns, and is judged: a generator, a critic and a refiner.
        train: Problems to grow trees on.
        dev: Problems to judge on; each iteration has unseen ones of its own.
        output: The run directory.
        iterations: How often.
        first: Who grows the trees until weights were promoted; the team by default.
        base: The model whose adapters are trained, where the team does not name it.
        settings: How.
        sft: Trains on replies.
        dpo: Trains on pairs.
        progress: Hears of every stage as it goes.

    Raises:
        ConfigError: Too few problems, roles of different models, or a run directory of another
            loop.
    """

    def __init__(
        self,
        team: Team,
        *,
        train: ProblemSet,
        dev: ProblemSet,
        output: str | Path,
        iterations: int = 2,
        first: Team | None = None,
        base: str | None = None,
        settings: MALTSettings | None = None,
        sft: TrainSFT = train_sft,
        dpo: TrainDPO = train_dpo,
        progress: Progress | None = None,
    ) -> None:
        self.settings = how = settings or MALTSettings()
        bases = {base_of(team, role, base) for role in _ROLES}
        if len(bases) > 1:
            raise ConfigError(f"the roles have different models ({sorted(bases)}): give one base")
        self.base = bases.pop()
        self.start = {role: worn_by(team, role) for role in _ROLES}
        self.course = Course.begin(
            "malt",
            team=team,
            first=first,
            base=self.base,
            sampling=CritiqueTree(n=how.n),
            strategy=GenerateCritiqueRefine(k=how.k),
            train=train,
            dev=dev,
            output=output,
            iterations=iterations,
            settings=how,
            progress=progress,
        )
        self._sft, self._dpo = sft, dpo

    def __iter__(self) -> Iterator[MALTReport]:
        """Yield what each iteration came to; finished ones come from the stage log at once."""
        course, state = self.course, _State()
        with course.opened() as store:
            for i in range(1, course.iterations + 1):
                tree = self._grow(i, state, store)
                rows = course.log.folder(i) / "rows"
                learned, candidate = self._learn(i, tree, rows)
                judged = course.judge(i, state.worn, {**state.worn, **candidate}, store)
                promoted = judged.promotion.promoted
                state = _State({**state.worn, **candidate} if promoted else state.worn, rows)
                trainings = [f"sft {role}" for role in _ROLES] + [f"dpo {role}" for role in _PAIRED]
                yield MALTReport(
                    iteration=i,
                    problems=tree.problems,
                    counts=tree.counts,
                    learned=learned,
                    skipped=tuple(name for name in trainings if name not in learned),
                    judged=judged,
                    weights=course.told(state.worn),
                    sampled_tokens=course.log.of(i)["tree"].tokens,
                    seconds=course.seconds(i),
                )

    def _grow(self, i: int, state: _State, store: RunStore) -> _Tree:
        course, how = self.course, self.settings
        problems = course.rounds.train[i - 1]
        team = course.sampler(state.worn)
        if how.temperature is not None:
            team = at_temperature(team, how.temperature)

        def work(stage: Stage) -> _Tree:
            report = course.think(stage, team, problems, store, seed=how.seed + i)
            found = harvest(
                report, credit=ValueBackup(threshold=how.threshold), prompt=course.prompt
            )
            folder = stage.output("rows")
            counts: dict[str, dict[str, int]] = {}

            def keep(name: str, rows: Rows[R]) -> int:
                before = (
                    [] if state.rows is None else kept_rows(state.rows / _file(name), rows.kind)
                )
                new = rows.through(Unique())
                every = Rows.of(rows.kind, [*before, *new]).through(Unique())
                many = keep_rows(folder / _file(name), every)
                counts[name] = dict(new.counts)
                return many

            made = _Tree(
                problems=len(problems),
                rows={role: keep(f"sft {role}", found.sft(role)) for role in _ROLES},
                pairs={role: keep(f"dpo {role}", found.preferences(role)) for role in _PAIRED},
                counts=counts,
            )
            if not any(made.rows.values()):
                raise ConfigError(
                    "no thought of any tree was worth imitating, so there is nothing to learn "
                    "from: give easier problems, or first=, a team that is shown worked examples"
                )
            return made

        inputs = {
            "problems": digest_of_problems(problems),
            "rows": "none" if state.rows is None else digest(state.rows),
            **course.inputs(state.worn),
        }
        return course.log.stage("tree", _Tree, work, iteration=i, inputs=inputs)

    def _learn(self, i: int, tree: _Tree, rows: Path) -> tuple[dict[str, Learned], dict[str, Path]]:
        """Train each role, and return what that came to and the adapters that are new."""
        learned: dict[str, Learned] = {}
        adapters: dict[str, Path] = {}
        for role in _ROLES:
            if tree.rows[role]:
                name = f"sft {role}"
                learned[name] = self._train_sft(i, role, rows / _file(name))
                adapters[role] = self.course.log.folder(i) / f"{role}-sft"
        for role in _PAIRED:
            if tree.pairs[role] and role in adapters:
                name = f"dpo {role}"
                learned[name] = self._train_dpo(i, role, rows / _file(name), adapters[role])
                adapters[role] = self.course.log.folder(i) / f"{role}-dpo"
        return learned, adapters

    def _train_sft(self, i: int, role: str, rows: Path) -> Learned:
        def work(stage: Stage) -> Learned:
            with self.course.training():
                found = self._sft(
                    kept_rows(rows, SFTRow),
                    self.base,
                    stage.output(f"{role}-sft"),
                    self.settings.sft,
                    start=self.start[role],
                    on_step=of_steps(self.course.progress, f"{i}: sft {role}"),
                )
            return Learned.of(found)

        inputs = {"rows": digest(rows)}
        return self.course.log.stage(f"sft {role}", Learned, work, iteration=i, inputs=inputs)

    def _train_dpo(self, i: int, role: str, rows: Path, start: Path) -> Learned:
        def work(stage: Stage) -> Learned:
            with self.course.training():
                found = self._dpo(
                    kept_rows(rows, PreferenceRow),
                    self.base,
                    stage.output(f"{role}-dpo"),
                    self.settings.dpo,
                    start=start,
                    on_step=of_steps(self.course.progress, f"{i}: dpo {role}"),
                )
            return Learned.of(found)

        inputs = {"rows": digest(rows), "start": digest(start)}
        return self.course.log.stage(f"dpo {role}", Learned, work, iteration=i, inputs=inputs)


def _file(name: str) -> str:
    return f"{name.replace(' ', '-')}.jsonl"
